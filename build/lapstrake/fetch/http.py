"""The HTTP client of all downloads: certificates, proxies, timeouts."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping

import httpx

from lapstrake.errors import UserError
from lapstrake.fetch.client import Client

CONNECTIONS = 8

# Seconds without a byte after which a connection has stalled.
_STALL = 30.0


def client(env: Mapping[str, str] = os.environ, insecure: Iterable[str] = ()) -> Client:
    """A client for a few hosts and many files: keep-alive, eight connections.

    Args:
        env: where the certificates and the timeout are named.
        insecure: hosts (or host:port) whose certificates are not checked.
    """
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    mounts = {
        f"https://{host}": httpx.HTTPTransport(verify=unchecked, limits=limits) for host in insecure
    }
    return Client(
        verify=_context(env),
        mounts=mounts,
        limits=limits,
        timeout=httpx.Timeout(stall(env), pool=None),
        follow_redirects=True,
        headers={"User-Agent": "lapstrake", "Accept-Encoding": "identity"},
    )


def loopback_client() -> Client:
    """For servers on loopback: no certificates are needed there, and no proxy leads there."""
    return Client(
        trust_env=False,
        verify=False,
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        timeout=httpx.Timeout(stall(), pool=None),
        follow_redirects=True,
        headers={"User-Agent": "lapstrake", "Accept-Encoding": "identity"},
    )


def certificates(env: Mapping[str, str] = os.environ) -> str | None:
    """The file of certificates that the user has named for any of the tools that we stand for."""
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if env.get(name):
            return env[name]
    return None


def _context(env: Mapping[str, str]) -> ssl.SSLContext:
    file, folder = certificates(env), env.get("SSL_CERT_DIR") or None
    if file is None:
        context = httpx.create_ssl_context(trust_env=False)
        context.load_default_certs()
    else:
        try:
            context = ssl.create_default_context(cafile=file)
        except (OSError, ssl.SSLError) as error:
            raise UserError(
                f"the certificates in {file} can't be read: {error}",
                "SSL_CERT_FILE or PIP_CERT names them",
            ) from error
    if folder is not None:
        context.load_verify_locations(capath=folder)
    if own := env.get("SSL_CLIENT_CERT"):
        context.load_cert_chain(own)
    return context


def stall(env: Mapping[str, str] = os.environ) -> float:
    """Seconds without a byte after which a connection has stalled."""
    for name in ("LAPSTRAKE_TIMEOUT", "UV_HTTP_TIMEOUT"):
        try:
            return float(env[name])
        except (KeyError, ValueError):
            continue
    return _STALL
