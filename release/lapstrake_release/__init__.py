"""Publishing what lies in dist/: it builds nothing, and sends only bytes that were built before."""
