"""Package indexes: what is there, and twine to bring more."""
