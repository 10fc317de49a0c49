"""Registries, through skopeo: what a lock asks them, what a root pulls, what a push tells them."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import replace

from lapstrake import process
from lapstrake.errors import UserError

# What a registry or the way to it may answer -> what we say of it, and what to do.
_ANSWERS = (
    ("connection refused", "nothing answers at {host}", "is the registry running there?"),
    ("no such host", "there is no host {host}", "check the name, and the network"),
    ("no route to host", "there is no way to {host}", "check the network"),
    ("i/o timeout", "{host} doesn't answer", "check the network"),
    ("authentication required", "{host} wants a login", "run `skopeo login {host}`"),
    ("unauthorized", "{host} refuses the login", "run `skopeo login {host}`"),
    ("denied", "{host} denies access to {name}", "ask for the right to it"),
    ("certificate", "{host} has a certificate that is not trusted", "set SSL_CERT_FILE"),
    ("server gave http response", "{host} speaks no TLS", "only loopback may go without"),
)

_MISSING = ("manifest unknown", "name unknown", "not found", "status 404")

_HOST = re.compile(r"(\[[^\]]*\]|[^:/]*)")


def host_of(reference: str) -> str:
    """`HOST[:PORT]`, the first part of a reference that names its registry."""
    return reference.partition("/")[0]


def is_loopback(reference: str) -> bool:
    """Whether a reference's registry is this machine, which alone may go without TLS."""
    found = _HOST.match(reference)
    name = found[0].strip("[]") if found else ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def tls(reference: str, option: str) -> tuple[str, ...]:
    """The option that lets a registry on loopback do without TLS; none for any other."""
    return (f"{option}=false",) if is_loopback(reference) else ()


def digest_at(reference: str) -> str:
    """The digest that a registry has under a reference (of the index, where it is one).

    Empty where it has no such image.

    Raises:
        UserError: the registry can't be asked.
    """
    args = ["skopeo", "inspect", "--raw", *tls(reference, "--tls-verify"), f"docker://{reference}"]
    result = process.run(args, check=False)
    if result.code == 0:
        raw = result.stdout.encode(errors="surrogateescape")
        return f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if any(x in result.stderr.lower() for x in _MISSING):
        return ""
    raise refused(result, reference)


def copy(source: str, target: str, options: Sequence[str]) -> process.Result:
    """`skopeo copy`, with its debug lines: else it doesn't say which blobs it sent.

    Raises:
        UserError: the registry that `target` names refuses.
    """
    result = process.run(["skopeo", "--debug", "copy", *options, source, target], check=False)
    if result.code != 0:
        lines = [x for x in result.stderr.splitlines() if "level=debug" not in x]
        said = replace(result, stderr="\n".join(lines))
        raise refused(said, target.removeprefix("docker://"))
    return result


def refused(result: process.Result, reference: str) -> UserError:
    """What a registry answered, in one line with a hint."""
    said = result.stderr.lower()
    where = {"host": host_of(reference), "name": reference}
    for answer, message, hint in _ANSWERS:
        if answer in said:
            return UserError(message.format(**where), hint.format(**where), result.tail[-2:])
    return process.failed(result, f"{reference}: the registry refuses")
