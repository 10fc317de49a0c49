"""Files that deploy an image, made from its definition: one module a format."""
