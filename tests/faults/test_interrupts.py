from __future__ import annotations

import signal
import threading

import pytest

from lapstrake.interrupts import held_back


def test_it_comes_when_the_block_is_over() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("all of it")
    assert done == ["all of it"]


def test_in_a_block_in_a_block_it_waits_for_the_outer() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117
        with held_back():
            with held_back():
                signal.raise_signal(signal.SIGINT)
            done.append("all of it")
    assert done == ["all of it"]


def test_what_an_error_has_in_its_way_comes_all_the_same() -> None:
    with pytest.raises(KeyboardInterrupt) as told:  # noqa: PT012, SIM117
        with held_back():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("no")
    assert isinstance(told.value.__context__, ValueError)


def test_handlers_are_as_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with held_back():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_nothing_is_held() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with held_back():
                pass
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []
