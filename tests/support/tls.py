"""Certificates of a company's own, made by openssl."""

from __future__ import annotations

import ssl
from pathlib import Path

from lapstrake import process


def authority(folder: Path, names: str = "IP:127.0.0.1") -> tuple[Path, Path, Path]:
    """The certificates of an authority and of a server, and the server's key.

    Args:
        folder: where they are written.
        names: what the server is called, as openssl spells it: `DNS:…,IP:…`.
    """
    config = folder / "openssl.cnf"
    config.write_text(
        "[req]\ndistinguished_name = dn\n[dn]\n"
        "[ca]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = keyCertSign\n"
        f"[leaf]\nbasicConstraints = CA:FALSE\nsubjectAltName = {names}\n"
        "extendedKeyUsage = serverAuth\n"
    )
    new = f"req -x509 -config {config} -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    ca, ca_key, leaf, key = (folder / n for n in ("ca.pem", "ca.key", "leaf.pem", "leaf.key"))
    own = ("-extensions", "ca", "-subj", "/CN=company", "-keyout", ca_key, "-out", ca)
    process.run(["openssl", *new.split(), *own])
    signed = ("-extensions", "leaf", "-subj", "/CN=server", "-CA", ca, "-CAkey", ca_key)
    process.run(["openssl", *new.split(), *signed, "-keyout", key, "-out", leaf])
    return ca, leaf, key


def server_side(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server with that certificate listens with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
