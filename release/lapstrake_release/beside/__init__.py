"""Small OCI artifacts that lie beside an image: verdicts and findings, found by its digest."""
