"""The Python projects of a repository: found, stamped with a version in a copy, archived, built."""
