"""Reads a layer's eStargz table of contents, and single files by it, without the rest."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

from lapstrake.errors import UserError
from lapstrake.layers.toc import FOOTER_SIZE, TOC_NAME

_GZIP = 31  # zlib's window bits for a gzip member
_READ = 1 << 16
_FOOTER = b"\x1f\x8b\x08\x04"

Row = dict[str, Any]


def read_table(blob: Path) -> bytes:
    """The table's JSON as it lies in the layer; empty where the layer has none.

    Raises:
        UserError: there is a footer, but no table where it points.
    """
    size = blob.stat().st_size
    with blob.open("rb") as file:
        if size < FOOTER_SIZE:
            return b""
        file.seek(-FOOTER_SIZE, 2)
        footer = file.read()
        if not footer.startswith(_FOOTER) or footer[32:38] != b"STARGZ":
            return b""
        try:
            file.seek(int(footer[16:32], 16))
            tar = zlib.decompressobj(wbits=_GZIP).decompress(file.read())
            # one tar entry: a header block, then the JSON up to its padding
            length = int(tar[124:135], 8)
        except (ValueError, struct.error, zlib.error) as error:
            raise UserError(f"the layer {blob.name} has a damaged table of contents") from error
    if not tar.startswith(TOC_NAME.encode()) or len(tar) < 512 + length:
        raise UserError(f"the layer {blob.name} has a damaged table of contents")
    return tar[512 : 512 + length]


def read_rows(blob: Path) -> list[Row] | None:
    """The table's entries as the specification has them; None where the layer has no table."""
    table = read_table(blob)
    if not table:
        return None
    try:
        rows: list[Row] = json.loads(table)["entries"]
    except (ValueError, KeyError) as error:
        raise UserError(f"the layer {blob.name} has a damaged table of contents") from error
    return rows


def read_content(blob: Path, row: Row) -> bytes:
    """The content of the file whose (first) row this is.

    Raises:
        UserError: the layer's bytes are others than the table says.
    """
    length = int(row.get("size", 0))
    found = b""
    with blob.open("rb") as file:
        file.seek(int(row.get("offset", 0)))
        inflater, data = zlib.decompressobj(wbits=_GZIP), b""
        while len(found) < length:
            data = data or file.read(_READ)
            if not data:
                raise UserError(f"the layer {blob.name} ends within {row['name']}")
            try:
                found += inflater.decompress(data, length - len(found))
            except zlib.error as error:
                raise UserError(f"the layer {blob.name} is damaged at {row['name']}") from error
            data = inflater.unconsumed_tail or inflater.unused_data
            if inflater.eof:
                # a large file is cut into several members
                inflater = zlib.decompressobj(wbits=_GZIP)
    return found
