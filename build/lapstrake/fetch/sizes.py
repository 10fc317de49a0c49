"""How large files are, and their hashes where an index doesn't say them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx

from lapstrake.errors import UserError
from lapstrake.fetch.download import shown
from lapstrake.fetch.http import CONNECTIONS, client
from lapstrake.fetch.indexes import Indexes
from lapstrake.fetch.pylock import Address

_ATTEMPTS = 4


def measure(files: Sequence[Address], indexes: Indexes) -> list[Address]:
    """The same files with `size` and `sha256` known; asked for in parallel, in the same order.

    Raises:
        UserError: a server doesn't answer.
    """
    with client(indexes.env, indexes.insecure) as http:
        pool = ThreadPoolExecutor(CONNECTIONS, "measure")
        try:
            return list(pool.map(lambda file: _measured(file, http, indexes), files))
        finally:
            # one that waits for a stalled server is left to itself: nobody waits for it on ^C
            pool.shutdown(wait=False, cancel_futures=True)


def _measured(file: Address, http: httpx.Client, indexes: Indexes) -> Address:
    if file.size is not None and file.sha256 is not None:
        return file
    if file.path is not None:
        return _of_path(file)
    login = indexes.credentials(file.url)
    auth = httpx.BasicAuth(*login) if login else httpx.Auth()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _of_url(file, http, auth)
        except httpx.HTTPError as error:
            if attempt == _ATTEMPTS:
                raise UserError(f"{shown(file.url)} can't be read: {error}") from error
    return file


def _of_path(file: Address) -> Address:
    path = file.path
    if path is None:
        raise ValueError(file.url)
    try:
        with path.open("rb") as content:
            digest = file.sha256 or hashlib.file_digest(content, "sha256").hexdigest()
        return replace(file, size=path.stat().st_size, sha256=digest)
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error


def _of_url(file: Address, http: httpx.Client, auth: httpx.Auth) -> Address:
    if file.sha256 is None:
        return _downloaded(file, http, auth)
    head = http.head(file.url, auth=auth)
    if head.is_success and head.headers.get("Content-Length", "").isdigit():
        return replace(file, size=int(head.headers["Content-Length"]))
    # some servers don't know HEAD: a range of one byte says how many there are
    headers = {"Range": "bytes=0-0"}
    with http.stream("GET", file.url, auth=auth, headers=headers) as response:
        response.raise_for_status()
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        if response.status_code == 206 and total.isdigit():
            return replace(file, size=int(total))
        length = response.headers.get("Content-Length", "")
        if length.isdigit():
            return replace(file, size=int(length))
    return _downloaded(file, http, auth)


def _downloaded(file: Address, http: httpx.Client, auth: httpx.Auth) -> Address:
    digest, size = hashlib.sha256(), 0
    with http.stream("GET", file.url, auth=auth) as response:
        response.raise_for_status()
        for chunk in response.iter_raw():
            digest.update(chunk)
            size += len(chunk)
    found = digest.hexdigest()
    if file.sha256 not in {None, found}:
        raise UserError(f"{shown(file.url)} is not the file that its index names")
    return replace(file, size=size, sha256=found)
