"""Journals: what is written can be read back, whatever it is and whatever happens to the process."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import StoreError
from store.home import Home
from store.ids import new_id
from store.journal import Journal, encode_line, parse_line, read, tail
from tests.hostile import HOSTILE, huge
from tests.store.facts import generation, kernel, probe, score, trace

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_the_first_line_says_who_writes(home: Home) -> None:
    with Journal.open(home, "engine") as journal:
        header, *rest = tail(journal.path)[0]
    assert rest == []
    assert (header.version, header.kind, header.seq) == (1, "journal", 0)
    assert header.data["process"] == "engine"
    assert header.data["pid"] == os.getpid()
    assert journal.path.name == f"{header.data['id']}.jsonl"


def test_records_come_back_in_order_with_their_fields(home: Home) -> None:
    answer = generation(3, trace=trace(2, k=2))
    with Journal.open(home, "engine") as journal:
        journal.append(answer)
        journal.append(score(answer.id), durable=True)
    _, first, second = tail(journal.path)[0]
    assert (first.kind, first.seq, second.kind, second.seq) == ("generation", 1, "score", 2)
    assert first.data["text"] == answer.text
    assert answer.trace is not None
    assert first.data["trace"]["alternative_p"] == list(answer.trace.alternative_p)
    assert second.data["dimensions"] == {"word_entropy_nats": 4.25, "words": 80.0, "mattr50": None}


def test_a_live_view_gets_only_what_is_new_and_complete(home: Home) -> None:
    with Journal.open(home, "engine") as journal:
        _, offset = tail(journal.path)
        journal.append(probe("P1"))
        new, offset = tail(journal.path, offset)
        assert [envelope.data["id"] for envelope in new] == ["P1"]
        with journal.path.open("ab") as file:
            file.write(b'{"v":1,"kind":"probe"')
        assert tail(journal.path, offset) == ([], offset)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_comes_back_as_it_was(home: Home, name: str) -> None:
    text = HOSTILE[name]
    with Journal.open(home, "engine") as journal:
        journal.append(generation(text=text))
    _, answer = tail(journal.path)[0]
    # A half of a surrogate pair is no character; each becomes U+FFFD, and nothing else changes.
    assert answer.data["text"] == "".join("�" if "\ud800" <= c <= "\udfff" else c for c in text)


def test_ten_megabytes_in_one_line(home: Home) -> None:
    text = huge()
    with Journal.open(home, "engine") as journal:
        journal.append(generation(text=text))
        journal.append(kernel())
    _, answer, last = tail(journal.path)[0]
    assert answer.data["text"] == text
    assert last.kind == "kernel"


def test_what_json_cannot_hold_becomes_null(home: Home) -> None:
    odd = score("g", dimensions={"a": math.nan, "b": math.inf, "c": 1.0}, detail={"deep": [{"x": -math.inf}]})
    with Journal.open(home, "engine") as journal:
        journal.append(odd)
    _, line = tail(journal.path)[0]
    assert line.data["dimensions"] == {"a": None, "b": None, "c": 1.0}
    assert line.data["detail"] == {"deep": [{"x": None}]}


def test_trace_values_are_kept_to_six_decimals(home: Home) -> None:
    import dataclasses

    precise = dataclasses.replace(trace(1), entropy_nats=(1.234567891234,))
    with Journal.open(home, "engine") as journal:
        journal.append(generation(trace=precise))
    assert tail(journal.path)[0][1].data["trace"]["entropy_nats"] == [1.234568]


def test_every_truncation_leaves_a_prefix_of_whole_lines(home: Home, tmp_path: Path) -> None:
    with Journal.open(home, "engine") as journal:
        for number in range(3):
            journal.append(probe(f"P{number} é漢"))
    whole = journal.path.read_bytes()
    cut = tmp_path / "cut.jsonl"
    for size in range(len(whole) + 1):
        cut.write_bytes(whole[:size])
        lines = list(read(cut))
        assert b"".join(line.raw + b"\n" for line in lines) == whole[: whole[:size].rfind(b"\n") + 1]
        assert [line.offset for line in lines[1:]] == [line.end for line in lines[:-1]]


@given(
    st.lists(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw), max_size=8), st.binary(max_size=9)
)
def test_reading_splits_any_bytes_like_splitting_by_newlines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "j.jsonl"
    torn = torn.replace(b"\n", b"")
    path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    assert [line.raw for line in read(path)] == lines


def test_lines_longer_than_the_read_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.journal.READ_WINDOW_BYTES", 7)
    path = tmp_path / "j.jsonl"
    lines = [b"a" * n for n in (0, 1, 6, 7, 8, 50, 0, 0, 13)]
    path.write_bytes(b"\n".join(lines) + b"\ntorn")
    found = list(read(path))
    assert [line.raw for line in found] == lines
    for line in found:
        assert path.read_bytes()[line.offset : line.end] == line.raw + b"\n"
    assert [line.raw for line in read(path, found[4].offset)] == lines[4:]


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_any_json_data_survives_a_line(data: dict[str, object]) -> None:
    line = encode_line("score", 7, data)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    envelope = parse_line(line)
    assert (envelope.version, envelope.kind, envelope.seq, envelope.data) == (1, "score", 7, data)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_envelope_or_a_value_error(raw: bytes) -> None:
    try:
        envelope = parse_line(raw)
    except ValueError:
        return
    assert envelope.seq >= 0


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b'{"kind":"probe","seq":1,"data":{}}', "v"),
        (b'{"v":true,"kind":"probe","seq":1,"data":{}}', "v"),
        (b'{"v":1,"kind":7,"seq":1,"data":{}}', "kind"),
        (b'{"v":1,"kind":"probe","seq":-1,"data":{}}', "seq"),
        (b'{"v":1,"kind":"probe","seq":1,"data":[]}', "data"),
    ],
)
def test_a_wrong_envelope_names_the_field(line: bytes, field: str) -> None:
    with pytest.raises(ValueError, match=f"field {field}:"):
        parse_line(line)


def test_threads_share_a_journal_without_mixing_lines(home: Home) -> None:
    with Journal.open(home, "engine") as journal:

        def work(thread: int) -> None:
            for number in range(100):
                journal.append(probe(f"T{thread}-{number}", prompt="x" * 3000))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = tail(journal.path)[0]
    assert [line.seq for line in lines] == list(range(401))
    assert len({line.data["id"] for line in lines}) == 401


def test_a_full_disk_leaves_whole_lines_and_the_next_record_is_kept(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open(home, "engine") as journal:
        journal.append(probe("P1"))
        before = journal.path.read_bytes()
        really_write = os.write
        room = iter([20, 0])

        def write(descriptor: int, data: bytes | memoryview) -> int:
            space = next(room)
            if not space:
                raise OSError(errno.ENOSPC, "No space left on device")
            return really_write(descriptor, data[:space])

        with monkeypatch.context() as full:
            full.setattr(os, "write", write)
            with pytest.raises(StoreError, match=r"No space left.*was not kept"):
                journal.append(probe("P2"))
        assert journal.path.read_bytes() == before
        journal.append(probe("P3"))
    lines = tail(journal.path)[0]
    assert [line.data["id"] for line in lines[1:]] == ["P1", "P3"]
    assert [line.seq for line in lines] == [0, 1, 2]


def test_a_torn_tail_that_could_not_be_cut_is_cut_before_the_next_record(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal.open(home, "engine") as journal:
        really_write = os.write
        calls = []

        def write(descriptor: int, data: bytes) -> int:
            calls.append(len(data))
            return really_write(descriptor, data[:9]) if len(calls) == 1 else full()

        with monkeypatch.context() as broken:
            broken.setattr(os, "write", write)
            broken.setattr(os, "ftruncate", full)
            with pytest.raises(StoreError):
                journal.append(probe("P1"))
        assert not journal.path.read_bytes().endswith(b"\n")
        journal.append(probe("P2"))
    assert [line.data["id"] for line in tail(journal.path)[0]][1:] == ["P2"]


@pytest.mark.skipif(not Path("/dev/full").exists() or os.geteuid() != 0, reason="needs root and a tmpfs")
def test_a_really_full_file_system(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        home = Home.resolve(small / "home")
        kept = 0
        with Journal.open(home, "engine") as journal:
            with pytest.raises(StoreError, match="No space left"):
                for _ in range(100):
                    journal.append(probe(f"P{kept}", prompt="x" * 10_000))
                    kept += 1
            lines = tail(journal.path)[0]
            assert journal.path.read_bytes().endswith(b"\n")
        assert 5 < kept < 30
        assert [line.data["id"] for line in lines[1:]] == [f"P{number}" for number in range(kept)]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_forked_child_is_refused(home: Home) -> None:
    journal = Journal.open(home, "engine")
    child = os.fork()
    if child == 0:
        try:
            journal.append(probe())
        except StoreError:
            os._exit(17)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
    assert len(tail(journal.path)[0]) == 1
    journal.append(probe())
    journal.close()


def test_a_closed_journal_is_refused(home: Home) -> None:
    journal = Journal.open(home, "engine")
    journal.close()
    journal.close()
    with pytest.raises(StoreError, match="closed"):
        journal.append(probe())


def test_a_missing_journal_is_one_clear_line(home: Home) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        tail(home.journals / "none.jsonl")


def test_ids_are_uuid7_and_sort_by_age() -> None:
    ids = [new_id() for _ in range(2000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 2000
    parsed = uuid.UUID(ids[0])
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122


def test_ids_go_on_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_id()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    assert first < new_id() < new_id()


def test_the_writing_path_imports_neither_duckdb_nor_pydantic() -> None:
    script = (
        "import sys, store.records, store.journal, store.home, store.lease, store.ids, store.service\n"
        "print(sorted({'duckdb', '_duckdb', 'pydantic', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []
