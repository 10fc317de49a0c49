"""Registries, spoken to directly: the OCI distribution specification over one HTTP client.

skopeo moves whole images; this is for what it can't do in one process: many small artifacts over a
few connections, blobs taken from a neighbouring repository, tags set without sending anything.
"""
