"""A history of any length in a few requests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lapstrake_release.channels import tags
from lapstrake_release.channels.history import read_lines
from lapstrake_release.channels.record import PAGE, Held, Line, Move, decode, encode
from lapstrake_release.channels.registry import ChannelRegistry
from support.channels import Shelf
from support.fault_proxy import fault_proxy


def write_moves(client: ChannelRegistry, images: tuple[Held, ...], count: int) -> Move:
    """Records as so many moves leave them; the last one."""
    last: Move | None = None
    works = []
    for number in range(1, count + 1):
        line = Line(number, "done", "promote", number, f"1.2.0.dev{number}", "t", "2026-01-01Z")
        last = Move(
            channel="testing",
            line=replace(line, why=f"reason {number}"),
            images=images,
            previous=last.digest if last else "",
            before=last.page if last else (),
        )
        works.append((tags.record("testing", number), encode(last)))
    assert last is not None
    client.each(works, lambda w: client.put_index(*w))
    client.put_record(last)
    return last


@pytest.fixture
def images(shelf: Shelf) -> tuple[Held, ...]:
    shelf.publish("1.2.0.dev1")
    (one,) = [i for i in shelf.built["1.2.0.dev1"].images if i.name == "slim"]
    with shelf.client() as client:
        size = len(client.holder(one.digest) or b"")
    return (Held("-slim", "slim", one.digest, size),)


@pytest.mark.parametrize("count", [1, PAGE - 1, PAGE, PAGE + 1, 4 * PAGE + 7])
def test_all_moves_in_their_order(shelf: Shelf, images: tuple[Held, ...], count: int) -> None:
    with shelf.client() as client:
        write_moves(client, images, count)
    lines = shelf.good("history", "testing", "--json").json
    assert [x["number"] for x in lines] == list(range(count, 0, -1))
    assert [x["why"] for x in lines] == [f"reason {n}" for n in range(count, 0, -1)]


def test_a_page_is_one_request(shelf: Shelf, images: tuple[Held, ...]) -> None:
    count = 6 * PAGE + 3
    with shelf.client() as client:
        last = write_moves(client, images, count)
    with fault_proxy(shelf.host) as proxy:
        shelf.host = proxy.host
        with shelf.client() as client:
            assert len(list(read_lines(client, last))) == count
        # not even one for each of the fifty on a page
        assert proxy.asked == count // PAGE
        with shelf.client() as client:
            next(read_lines(client, last))
        assert proxy.asked == count // PAGE


def test_a_page_whose_record_is_gone(shelf: Shelf, images: tuple[Held, ...]) -> None:
    with shelf.client() as client:
        write_moves(client, images, 2 * PAGE + 5)
        client.delete(client.digest(tags.record("testing", PAGE)))
    lines = shelf.good("history", "testing", "--json").json
    assert [x["number"] for x in lines] == [n for n in range(2 * PAGE + 5, 0, -1) if n != PAGE]


def test_a_head_that_is_gone_is_found_by_its_number(shelf: Shelf) -> None:
    for number in (1, 2):
        shelf.publish(f"1.2.0.dev{number}")
        shelf.good("promote", f"1.2.0.dev{number}", "--to", "testing")
    with shelf.client() as client:
        # the head has the bytes of the second record: something else is put in its place first
        data = client.holder("_channel.testing.1") or b""
        changed = encode(replace(decode(data, ""), previous=f"sha256:{'0' * 64}", read=""))
        client.put_index("_channel.testing", changed)
        client.delete(client.digest("_channel.testing"))
    assert "_channel.testing" not in shelf.all_names
    shelf.good("promote", "1.2.0.dev1", "--to", "testing")
    lines = shelf.good("history", "testing", "--json").json
    assert [x["number"] for x in lines] == [3, 2, 1]


def test_what_is_not_done_stands_there(shelf: Shelf, images: tuple[Held, ...]) -> None:
    with shelf.client() as client:
        last = write_moves(client, images, 3)
        client.put_record(
            replace(last, line=replace(last.line, number=4, state="moving"), before=last.page)
        )
    ran = shelf.good("history", "testing", "-n", "2")
    assert "not finished" in ran.out.splitlines()[1]


def test_a_record_is_read_as_it_was_written() -> None:
    line = Line(
        number=7,
        state="undone",
        kind="rollback",
        origin=3,
        version="1.2.0",
        who="Ada ünï",
        when="2026-01-01T00:00:00Z",
        why='quote " and \\ and 日本',
        job="abcd",
        run="https://ci.example/1",
        source="host/path",
        verdicts=("slim: passed by ada",),
        needs=("verdict",),
        wanted="1.3.0",
    )
    held = Held("", "full", f"sha256:{'a' * 64}", 3, was=f"sha256:{'b' * 64}")
    before = tuple(replace(line, number=n, verdicts=(), needs=()) for n in (5, 6))
    move = Move("testing", line, (held,), ("-gone",), f"sha256:{'c' * 64}", before)
    again = decode(encode(move), "here")
    assert again == move
    assert encode(again) == encode(move)
    assert again.digest == move.digest
