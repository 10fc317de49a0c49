"""The phases of a release, in their order; each goes on where an earlier run was ended."""
