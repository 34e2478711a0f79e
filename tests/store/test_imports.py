"""Imported answers and judge replies: kept as they were said, rebuilt the same, asked back by id."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from store.backup import rebuild
from store.check import check
from store.ids import new_id
from store.queries.compare import comparison
from store.queries.imports import find_imports, import_of, imported_answers, imported_file, imports
from store.queries.judges import judge_replies
from store.records import (
    ComparisonRecord,
    ImportedAnswerRecord,
    ImportedFileRecord,
    JudgeReplyRecord,
    PlannedPair,
    SideRecord,
)
from store.service import StoreService
from store.validate import check as check_record
from tests.hostile import HOSTILE
from tests.store import facts


def file(number: int = 0, **changes: Any) -> ImportedFileRecord:
    record = ImportedFileRecord(
        id=f"import-{number}",
        form="ab",
        sources=(f"ab-{number}.jsonl",),
        sha256=facts.sha(f"file {number}"),
        model_name="gemma3-1b",
        at=facts.at(number),
        said={"duration": "424s", "max_tokens": 512, "conditions": [{"name": "baseline"}]},
    )
    return dataclasses.replace(record, **changes)


def answer(line: int, condition: str, import_id: str = "import-0", **changes: Any) -> ImportedAnswerRecord:
    record = ImportedAnswerRecord(
        id=f"{import_id}-{line:03}-{condition}",
        import_id=import_id,
        line=line,
        condition=condition,
        probe_id=f"P{line}",
        domain="Culture",
        prompt="What of it?",
        text=f"Answer {line} {condition}",
        at=facts.at(line),
        said={"lek_score": 7.5, "heuristic": {"nuance": 1}},
        said_of_probe={"ts": "2026"},
    )
    return dataclasses.replace(record, **changes)


def test_imports_come_back_as_they_were(service: StoreService) -> None:
    answers = [answer(1, "zen"), answer(1, "baseline"), answer(2, "zen", text=None)]
    service.append(file(), file(1, model_name=None), *answers)
    service.append(
        facts.score(
            answers[0].id, instrument="lek-v2", dimensions={"nuance": 1.0}, total=3.0, at=facts.at(1)
        ),
        facts.score(
            answers[0].id, instrument="lek-v2", dimensions={"nuance": 2.0}, total=4.0, at=facts.at(2)
        ),
    )
    newest, oldest = service.query(imports)
    assert (newest.id, newest.model_name, newest.conditions, newest.answers) == ("import-1", None, (), 0)
    assert (oldest.conditions, oldest.probes, oldest.answers) == (("baseline", "zen"), 2, 3)
    assert oldest.sources == ("ab-0.jsonl",)
    assert service.query(imported_file, "import-0") == file()
    assert service.query(imported_file, "import-") is None
    assert service.query(find_imports, "import-") == ["import-1", "import-0"]
    assert service.query(import_of, facts.sha("file 1")) == "import-1"
    assert service.query(import_of, "none") is None
    back = service.query(imported_answers, "import-0")
    assert [kept.record for kept in back] == sorted(answers, key=lambda kept: kept.id)
    assert back[1].scores == {("lek-v2", "1"): {"nuance": 2.0, "total": 4.0}}
    assert back[0].scores == {}


def test_they_survive_a_rebuild_and_a_check(service: StoreService) -> None:
    service.append(file(), answer(1, "baseline"), reply("left", "tie"))
    assert check(service).problems == ()
    report = rebuild(service)
    assert report.identical and report.errors == 0


def test_hostile_texts(service: StoreService) -> None:
    texts = [text for name, text in HOSTILE.items() if name != "lone surrogate"]
    kept = [
        answer(line, text, id=f"answer-{line:03}", text=text, prompt=text, said={text: text})
        for line, text in enumerate(texts)
    ]
    service.append(file(), *kept)
    assert [back.record for back in service.query(imported_answers, "import-0")] == kept


def reply(first: Any, verdict: Any, error: str | None = None, **changes: Any) -> JudgeReplyRecord:
    record = JudgeReplyRecord(
        id=new_id(),
        comparison_id="comparison",
        left_generation_id="left-0",
        right_generation_id="right-0",
        shown_first=first,
        verdict=verdict,
        error=error,
        generation_id="reply",
        judge_model_id=facts.sha("wick"),
        template="pair-v1",
        template_sha256=facts.sha("template"),
        at=facts.at(1),
    )
    return dataclasses.replace(record, **changes)


def test_a_reply_has_a_verdict_or_an_error() -> None:
    check_record(reply("left", "tie"))
    check_record(reply("left", None, "no verdict"))
    for wrong in (reply("left", None), reply("left", "tie", "no verdict")):
        with pytest.raises(ValueError, match="verdict or an error"):
            check_record(wrong)


def test_the_latest_reply_to_the_pairs_as_they_stand_counts(service: StoreService) -> None:
    sides = {
        name: SideRecord(run_id=name, words=name, model_id="m", condition_id="c")
        for name in ("left", "right")
    }
    service.append(
        ComparisonRecord(
            id="comparison",
            name="a",
            left=sides["left"],
            right=sides["right"],
            pairs=(PlannedPair(prompt="Why?", seed=0), PlannedPair(prompt="How?", seed=1)),
            battery="prompts",
            instrument="lek-v2",
            version="1",
            at=facts.START,
        ),
        facts.model(),
        *(facts.generation(seed, id=f"{side}-{seed}", run_id=side) for side in sides for seed in (0, 1)),
        facts.generation(9, id="reply", text="A"),
        reply("left", "right"),
        reply("left", "left", at=facts.at(2)),
        reply("right", None, "no verdict"),
        reply("left", "tie", left_generation_id="left-1", right_generation_id="right-1"),
        reply("left", "tie", left_generation_id="left-1", right_generation_id="right-0"),
        reply("left", "tie", left_generation_id="gone"),
    )
    assert service.query(comparison, "comparison") is not None
    found = service.query(judge_replies, "comparison")
    assert [(row.place, row.shown_first, row.verdict, row.error) for row in found] == [
        (0, "left", "left", None),
        (0, "right", None, "no verdict"),
        (1, "left", "tie", None),
    ]
    assert {(row.judge_name, row.reply) for row in found} == {("wick", "A")}
