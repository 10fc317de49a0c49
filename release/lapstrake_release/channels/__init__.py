"""Channels: names that move from version to version, all images of the family at once.

The registry is the only record. A channel `staging` has the moving tags `staging[-IMAGE]`; each
move has a number, tags `staging.<n>[-IMAGE]` that never move, and a record: an OCI index of the
move's images, whose annotations say who moved what when and why. See docs/channels.md.
"""
