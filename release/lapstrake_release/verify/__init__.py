"""Whether all that is public of a version agrees: names, bytes, hashes, notes, bills."""
