"""The local engine: layers are built on this machine, without a daemon."""
