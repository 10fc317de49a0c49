"""What is the same in all layers."""

# The modification time of what comes from wheels and from the repository: neither carries one
# that two machines agree on, and a zip can hold none before 1980.
FIXED_MTIME = 315532800

# Where an image's Python packages live: a virtual environment of the root's own Python.
PREFIX = "/opt/venv"
