"""Files that are no tool's training format: conversation logs with corrections, and Argilla's annotations.

Both are read and written by way of TRL's conversational row, which holds all that they do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lab.errors import LabError
from lab.preference.formats import EXTRA, FORMATS, PairFormat, Row
from lab.preference.pairs import LeftOut, PreferencePair

_CHAT = FORMATS["trl-chat"]
ANSWERS = ("response1", "response2")
TIE = "tie"
QUESTION = "preference"
RATER = "lantern"


# Conversation logs: what the model said is the rejected answer, what a person made of it the chosen one.


def _write_log(pair: PreferencePair) -> list[Row] | LeftOut:
    row = _chat_row(pair)
    return [
        {
            "messages": row["prompt"],
            "actual": pair.rejected,
            "corrected": pair.chosen,
            EXTRA: row[EXTRA],
        }
    ]


def _read_log(row: Row) -> PreferencePair:
    messages = row.get("messages", row.get("prompt"))
    actual, corrected = row.get("actual"), row.get("corrected")
    if isinstance(messages, list) and actual is None and messages and isinstance(messages[-1], dict):
        # The last turn of a whole conversation is the answer that was given.
        *messages, last = messages
        actual = last.get("content") if last.get("role") == "assistant" else None
    if not isinstance(actual, str):
        raise LabError("actual: expected the answer that was given, as text or as the last assistant message")
    # Logs from elsewhere write an empty text where nobody corrected anything.
    if corrected is None or (corrected == "" and EXTRA not in row):
        raise LabError("corrected: there is none, so nothing is preferred to the answer that was given")
    if not isinstance(corrected, str):
        raise LabError(f"corrected: expected text, got {type(corrected).__name__}")
    return _from_chat(row, messages, corrected, actual)


# Argilla: a record a row, its fields and the answers to its questions as columns.


def _write_argilla(pair: PreferencePair) -> list[Row] | LeftOut:
    row = _chat_row(pair)
    texts = (pair.rejected, pair.chosen) if _is_swapped(pair) else (pair.chosen, pair.rejected)
    preferred = ANSWERS[1] if _is_swapped(pair) else ANSWERS[0]
    return [
        {
            "id": pair.id,
            "status": "completed" if pair.is_stated else "pending",
            "prompt": row["prompt"],
            **dict(zip(ANSWERS, texts, strict=True)),
            f"{QUESTION}.responses": [preferred] if pair.is_stated else [],
            f"{QUESTION}.responses.users": [RATER] if pair.is_stated else [],
            f"{QUESTION}.responses.status": ["submitted"] if pair.is_stated else [],
            EXTRA: json.dumps({**row[EXTRA], "chosen": preferred}, sort_keys=True),
        }
    ]


def _read_argilla(row: Row) -> PreferencePair:
    names = [name for name in row if name.endswith(".responses")]
    if not names:
        raise LabError("expected the columns of an Argilla data set, of which one ends in .responses")
    first, second = (_text(row, _field(row, number)) for number in (1, 2))
    extra = _extra(row)
    said = _submitted(row, names[0])
    if not said and isinstance(extra.get("chosen"), str):
        said = {extra["chosen"]}
    chosen, rejected = (second, first) if said == {ANSWERS[1]} else (first, second)
    stated = {**extra, "is_stated": len(said) == 1 and TIE not in said and extra.get("is_stated", True)}
    return _from_chat({**row, EXTRA: stated}, row.get("prompt", row.get("instruction")), chosen, rejected)


def _submitted(row: Row, column: str) -> set[str]:
    """What raters said, as names of the answers; more than one name where they differ."""
    given = row.get(column)
    responses = [] if given is None else given
    status = row.get(f"{column}.status") or ["submitted"] * len(responses)
    if not isinstance(responses, list) or not isinstance(status, list):
        raise LabError(f"{column}: expected a list of what each rater said")
    return {
        _choice(value, column)
        for value, state in zip(responses, [*status, *["submitted"] * len(responses)], strict=False)
        if state == "submitted" and value is not None
    }


def _choice(value: Any, column: str) -> str:
    """One rater's answer to a label question, or the first of a ranking."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            raise LabError(f"{column}: expected a label or a ranking, got {value[:40]!r}") from None
    if isinstance(value, list):
        ranks = {
            str(item.get("value")): item.get("rank") for item in value if isinstance(item, dict) and item
        }
        best = [name for name, rank in ranks.items() if rank == min(ranks.values(), key=_rank)]
        return _answer_name(best[0], column) if len(best) == 1 else TIE
    if isinstance(value, str):
        return _answer_name(value, column)
    raise LabError(f"{column}: expected a label or a ranking, got {type(value).__name__}")


def _rank(rank: Any) -> float:
    return float(rank) if isinstance(rank, int | float) else float("inf")


def _answer_name(label: str, column: str) -> str:
    """response1, "Response 1", response-1, 1, A, chosen and their like; or a tie."""
    plain = "".join(character for character in label.lower() if character.isalnum())
    if plain in ("tie", "equal", "both", "same", "neither", "none"):
        return TIE
    for number, answer in enumerate(ANSWERS, start=1):
        if plain in (answer, str(number), "ab"[number - 1], f"generation{number}", f"answer{number}"):
            return answer
    raise LabError(f"{column}: {label[:40]!r} names none of {', '.join(ANSWERS)} and no tie")


def _field(row: Row, number: int) -> str:
    names = [
        f"{word}{mark}{number}" for word in ("response", "generation", "answer") for mark in ("", "-", "_")
    ]
    for name in names:
        if name in row:
            return name
    raise LabError(f"{names[0]}: expected a field with the answer, such as {', '.join(names[:3])}")


def _extra(row: Row) -> dict[str, Any]:
    given = row.get(EXTRA)
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return {}
    return given if isinstance(given, dict) else {}


def _is_swapped(pair: PreferencePair) -> bool:
    """Whether the preferred answer is written second, as in about half of the pairs."""
    return bool(hashlib.sha256(pair.id.encode("utf-8", "surrogatepass")).digest()[0] & 1)


def _chat_row(pair: PreferencePair) -> Row:
    written = _CHAT.write(pair)
    assert not isinstance(written, LeftOut)
    return written[0]


def _from_chat(row: Row, prompt: Any, chosen: str, rejected: str) -> PreferencePair:
    answers = {
        name: [{"role": "assistant", "content": text}]
        for name, text in (("chosen", chosen), ("rejected", rejected))
    }
    return _CHAT.read({**row, "prompt": prompt, **answers})


def _text(row: Row, name: str) -> str:
    if not isinstance(row.get(name), str):
        raise LabError(f"{name}: expected text, got {type(row.get(name)).__name__}")
    return str(row[name])


ARGILLA_COLUMNS: Mapping[str, object] = {
    "id": "VARCHAR",
    "status": "VARCHAR",
    "prompt": [{"role": "VARCHAR", "content": "VARCHAR"}],
    **dict.fromkeys(ANSWERS, "VARCHAR"),
    f"{QUESTION}.responses": ["VARCHAR"],
    f"{QUESTION}.responses.users": ["VARCHAR"],
    f"{QUESTION}.responses.status": ["VARCHAR"],
    EXTRA: "VARCHAR",
}
"""What is in the columns, as Parquet needs to know it."""
LOG = PairFormat("log", "conversation log, the actual and the corrected answer", _write_log, _read_log)
ARGILLA = PairFormat("argilla", "Argilla, a preference question", _write_argilla, _read_argilla, "parquet")

ALL = {**FORMATS, LOG.name: LOG, ARGILLA.name: ARGILLA}
"""Every format that pairs are read and written in."""
