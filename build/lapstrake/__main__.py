"""`python -m lapstrake`."""

from lapstrake.cli.main import main

main()
