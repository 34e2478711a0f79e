"""Leases: readers share, writers are alone, and nobody waits for ever."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from store.errors import StoreError
from store.home import Home
from store.lease import holders, lease
from tests.store.processes import HOLDER, running, start

TRY = """
from store.errors import StoreError
from store.lease import lease
try:
    with lease(home, sys.argv[2], 0.2):
        print("in", flush=True)
except StoreError:
    print("out", flush=True)
"""


@pytest.mark.parametrize(
    ("held", "wanted", "outcome"),
    [("read", "read", "in"), ("read", "write", "out"), ("write", "read", "out"), ("write", "write", "out")],
)
def test_readers_share_and_writers_are_alone(home: Home, held: str, wanted: str, outcome: str) -> None:
    with running(home, HOLDER, held):
        output, _ = start(home, TRY, wanted).communicate()
    assert output.strip() == outcome


def test_a_lease_is_free_again_after_its_holder_was_killed(home: Home) -> None:
    with running(home, HOLDER, "write") as holder:
        holder.kill()
        holder.wait()
        with lease(home, "write", 2.0):
            pass


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_stopped_holder_is_named(home: Home, mode: str) -> None:
    with running(home, HOLDER, mode) as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        named = rf"process {holder.pid} holds it.*kill -CONT {holder.pid}"
        with pytest.raises(StoreError, match=named), lease(home, "write", 0.2):
            raise AssertionError("the lease was given twice")


def test_holders_are_known_without_the_system_s_help(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "other")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with running(home, HOLDER, "write") as holder:
        assert holders(home.data_lock) == [holder.pid]


def test_a_waiting_writer_gets_its_turn_among_busy_readers(home: Home) -> None:
    busy = """
from store.lease import lease
print("reading", flush=True)
while True:
    with lease(home, "read"):
        time.sleep(0.002)
"""
    with running(home, busy), running(home, busy), running(home, busy):
        for _ in range(5):
            with lease(home, "write", 10.0):
                pass


def test_threads_of_one_process_take_turns(home: Home) -> None:
    inside = 0
    most = 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with lease(home, "read", 20.0):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_thread_that_waits_too_long_is_told(home: Home) -> None:
    with (
        lease(home, "read"),
        pytest.raises(StoreError, match="another thread"),
        lease(home, "read", 0.05),
    ):
        raise AssertionError("the lease was given twice")


def test_a_lease_ends_with_an_error_inside(home: Home) -> None:
    with pytest.raises(ZeroDivisionError), lease(home, "write"):
        raise ZeroDivisionError
    with lease(home, "write", 0.2):
        pass
