"""Validation: a line becomes a fact only when every field is what its record says."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from store.journal import Envelope, JournalLine, encode_line
from store.records import Record
from store.upcast import upcast
from store.validate import Fact, Reject, examine
from tests.store.facts import adapter, at, condition, generation, kernel, model, probe, score, trace


def as_data(record: Record) -> dict[str, Any]:
    return json.loads(json.dumps(dataclasses.asdict(record)))


def examined(kind: str, data: dict[str, Any] | bytes) -> Fact | Reject:
    raw = data if isinstance(data, bytes) else encode_line(kind, 3, data)[:-1]
    return examine("j.jsonl", JournalLine(0, len(raw) + 1, raw))


def fact(record: Record) -> Fact:
    found = examined(record.kind, as_data(record))
    assert isinstance(found, Fact), found
    return found


def rejection(kind: str, data: dict[str, Any] | bytes) -> str:
    found = examined(kind, data)
    assert isinstance(found, Reject), found
    return found.reason


ALL = [
    model(),
    adapter(),
    kernel(),
    condition(),
    probe(),
    generation(trace=trace(3, k=2)),
    score("g", total=2.5),
]


@pytest.mark.parametrize("record", ALL, ids=lambda record: record.kind)
def test_every_field_without_a_default_is_required(record: Record) -> None:
    for field in dataclasses.fields(record):
        data = as_data(record)
        del data[field.name]
        optional = (
            field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        )
        found = examined(record.kind, data)
        if optional:
            assert isinstance(found, Fact)
        else:
            assert isinstance(found, Reject)
            assert found.reason == f"field {field.name}: Field required"


@pytest.mark.parametrize("record", ALL, ids=lambda record: record.kind)
def test_no_field_takes_another_type(record: Record) -> None:
    for field in dataclasses.fields(record):
        wrong = {"not": ["this"]} if field.name not in ("extra", "detail") else "not this"
        reason = rejection(record.kind, as_data(record) | {field.name: wrong})
        assert reason.startswith(f"field {field.name}"), reason


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        (generation(), "seed", "7"),
        (generation(), "seed", 7.5),
        (generation(), "seed", True),
        (generation(), "seed", 2**63),
        (generation(), "wall_ms", "12"),
        (generation(), "text", 12),
        (generation(), "text", None),
        (generation(), "finish_reason", "tired"),
        (generation(), "at", "yesterday"),
        (generation(), "started_at", "2026-01-01T00:00:00+01:00"),
        (generation(), "unheard_of", 1),
        (score("g"), "dimensions", {"words": "many"}),
        (score("g"), "dimensions", {"total": 3.0}),
        (probe(), "subjects", ["a", 3]),
        (probe(), "retired", 1),
    ],
)
def test_wrong_values_are_rejected_by_name(record: Record, field: str, value: object) -> None:
    assert field in rejection(record.kind, as_data(record) | {field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("entropy_nats", [1.0]),
        ("ends", [5, 10, 15, 20]),
        ("rank", [0, -1, 2]),
        ("token_ids", [1, 2, 2**31]),
        ("alternative_ids", [1]),
        ("alternative_p", []),
        ("p_top1", [0.1, None, 0.2]),
    ],
)
def test_a_trace_with_a_wrong_series_is_rejected(field: str, value: object) -> None:
    data = as_data(generation(trace=trace(3, k=2)))
    data["trace"][field] = value
    assert f"trace.{field}" in rejection("generation", data)


def test_numbers_that_json_does_not_know_are_rejected() -> None:
    line = encode_line("score", 1, as_data(score("g")))[:-1].replace(b"4.25", b"NaN")
    assert "finite" in rejection("score", line)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"v":1,"kind":"probe","seq":1,"data":{}',
        b'{"v":1,"kind":"probe","seq":1,"data":{}},',
        b'{"v":1,"kind":"kernel","seq":1,"data":{"sha256":"\\ud800","name":"a","text":"b","at":"2026-01-01"}}',
        b"[" * 100_000,
    ],
    ids=range(9),
)
def test_lines_that_are_no_records_are_rejected_with_a_reason(raw: bytes) -> None:
    assert rejection("probe", raw)


def test_what_a_newer_lab_wrote_is_left_for_it() -> None:
    assert "unknown to this lab" in rejection("hologram", {})
    newer = encode_line("probe", 1, as_data(probe())).replace(b'"v":1', b'"v":2')[:-1]
    assert "version 2" in rejection("probe", newer)


def test_old_lines_are_brought_up_step_by_step() -> None:
    steps = {
        ("probe", 1): lambda data: {**data, "domain": data["area"]},
        ("probe", 2): lambda data: {name: value for name, value in data.items() if name != "area"},
    }
    new = upcast(Envelope(1, "probe", 4, {"id": "P1", "area": "Law"}), steps, version=4)
    assert new == Envelope(4, "probe", 4, {"id": "P1", "domain": "Law"})
    with pytest.raises(ValueError, match="upgrade"):
        upcast(Envelope(5, "probe", 1, {}), steps, version=4)


def test_a_line_in_another_layout_is_the_same_fact() -> None:
    answer = generation()
    own = fact(answer)
    spaced = json.dumps({"data": as_data(answer), "seq": 3, "kind": "generation", "v": 1}, indent=1).replace(
        "\n", " "
    )
    other = examined("generation", spaced.encode())
    assert isinstance(other, Fact)
    assert other.key == own.key


def test_identity_and_payload() -> None:
    answer = generation()
    same, changed = fact(answer), fact(dataclasses.replace(answer, text="other"))
    assert same.key == fact(answer).key == changed.key
    assert same.digest == fact(answer).digest != changed.digest
    assert fact(generation()).key != same.key


@pytest.mark.parametrize(
    "record", [model(), adapter(), kernel(), condition()], ids=lambda record: record.kind
)
def test_content_said_again_later_is_the_same_fact(record: Any) -> None:
    again = fact(dataclasses.replace(record, at=at(9)))
    assert (again.key, again.digest) == (fact(record).key, fact(record).digest)
    assert fact(dataclasses.replace(record, name="renamed")).key != again.key


def test_each_revision_of_a_probe_is_a_fact() -> None:
    assert fact(probe(at=at(1))).key != fact(probe(at=at(2))).key
    assert fact(probe(battery="a")).key != fact(probe(battery="b")).key
