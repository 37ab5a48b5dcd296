from __future__ import annotations

import os
import signal
import threading

import pytest

from ocsnap.owncloud.deferred_signals import deferred_signals


class TerminatedError(Exception):
    pass


def interrupted_by(number: signal.Signals, done: list[str], error: Exception | None = None) -> None:
    with deferred_signals():
        os.kill(os.getpid(), number)
        done.append("interrupted")
        if error:
            raise error
        done.append("went on")


@pytest.fixture
def raising_handler():
    def handler(number: int, frame: object) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("raising_handler")
def test_signals_wait_for_the_end_of_the_block():
    done: list[str] = []
    with pytest.raises(TerminatedError):
        interrupted_by(signal.SIGTERM, done)
    assert done == ["interrupted", "went on"]


def test_ctrl_c_waits_too():
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_by(signal.SIGINT, done)
    assert done == ["interrupted", "went on"]


@pytest.mark.usefixtures("raising_handler")
def test_an_error_of_the_block_goes_first():
    handler = signal.getsignal(signal.SIGTERM)
    done: list[str] = []
    with pytest.raises(ValueError):
        interrupted_by(signal.SIGTERM, done, ValueError())
    assert done == ["interrupted"]
    assert signal.getsignal(signal.SIGTERM) is handler


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with deferred_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_are_left_alone():
    handlers = []

    def body() -> None:
        with deferred_signals():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
