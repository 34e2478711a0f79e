"""Commands to a run: read once, in order, whatever is half written; sets reach the settings they name."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.train.control import Command, ControlReader, parse_set, send
from lab.train.folder import SILENT_S, Heartbeat, RunFolder, create_run, find_run, list_runs
from lab.train.pulse import Pulse
from store.home import Home
from store.journal import Journal


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path / "home")


@pytest.fixture
def folder(home: Home) -> RunFolder:
    return create_run(home, {"name": "evening"})


def test_commands_are_read_once_and_in_order(folder: RunFolder) -> None:
    reader = ControlReader(folder)
    assert reader.poll() == []
    first = send(folder, Command(name="pause"))
    second = send(folder, parse_set("scu.target=0.04"))
    assert [(c.id, c.name, c.key, c.value) for c in reader.poll()] == [
        (first, "pause", "", None),
        (second, "set", "scu.target", 0.04),
    ]
    assert reader.poll() == []


def test_a_half_written_line_waits_and_a_senseless_one_is_passed_over(folder: RunFolder) -> None:
    reader = ControlReader(folder)
    send(folder, Command(name="save"))
    with folder.control.open("ab") as file:
        file.write(b'not json\n{"id":"x","name":"explode"}\n{"id":"y","na')
    assert [c.name for c in reader.poll()] == ["save"]
    with folder.control.open("ab") as file:
        file.write(b'me":"stop"}\n')
    assert [(c.id, c.name) for c in reader.poll()] == [("y", "stop")]


def test_a_resumed_run_hears_only_what_is_said_after_it_began(folder: RunFolder) -> None:
    send(folder, Command(name="stop"))
    reader = ControlReader(folder, from_end=True)
    assert reader.poll() == []
    later = send(folder, Command(name="pause"))
    assert [c.id for c in ControlReader(folder, [later]).poll()] != [later]
    assert [c.id for c in reader.poll()] == [later]


@pytest.mark.parametrize("text", ["learning_rate", "=3", "x="])
def test_a_set_is_key_and_value(text: str) -> None:
    with pytest.raises(LabError, match="expected KEY=VALUE"):
        parse_set(text)


def test_words_stay_words(folder: RunFolder) -> None:
    assert parse_set("objective.name=dpop").value == "dpop"


def test_presence_follows_the_heartbeat(folder: RunFolder) -> None:
    assert folder.presence() == "not started"
    with Pulse(folder, 10) as pulse:
        pulse.say("training", 3)
        assert folder.presence() == "running"
        assert folder.presence(time.time() + SILENT_S + 1) == "presumed dead"
        pulse.say("paused")
        assert folder.presence() == "paused"
        beat = folder.read_heartbeat()
        assert beat is not None
        assert (beat.step, beat.planned_steps) == (3, 10)
    assert folder.presence() == "ended"


def test_a_process_that_is_gone_is_known_to_be_dead_at_once(folder: RunFolder) -> None:
    import socket

    folder.write_heartbeat(
        Heartbeat(
            pid=2**22 - 3,
            host=socket.gethostname(),
            state="training",
            step=1,
            planned_steps=2,
            at_s=time.time(),
        )
    )
    assert folder.presence() == "presumed dead"


def test_a_heart_beats_by_itself(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.train.pulse.BEAT_S", 0.01)
    with Pulse(folder) as pulse:
        pulse.say("training")
        first = folder.read_heartbeat()
        until = time.monotonic() + 20
        while folder.read_heartbeat() == first and time.monotonic() < until:
            time.sleep(0.01)
        assert folder.read_heartbeat() != first


def test_runs_are_found_by_id_end_and_name(home: Home, folder: RunFolder) -> None:
    other = create_run(home, {"name": "morning"})
    assert list_runs(home) == [other, folder]
    assert find_run(home, "last") == other
    assert find_run(home, folder.run_id[-8:]) == folder == find_run(home, "evening")
    with pytest.raises(LabError, match="no run 'noon'"):
        find_run(home, "noon")


def test_journals_of_a_run_are_listed_in_order(home: Home, folder: RunFolder) -> None:
    names = []
    for _ in range(2):
        with Journal.open(home, "trainer") as journal:
            folder.add_process(journal.path)
            names.append(journal.path.name)
    with folder.processes.open("a") as file:
        file.write('{"journal": "half')
    assert folder.journals() == names
