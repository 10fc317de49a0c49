"""Signatures and attestations of images, by cosign or by GitHub."""
