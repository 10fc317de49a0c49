"""Subcommands that publish."""
