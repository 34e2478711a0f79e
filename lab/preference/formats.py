"""Preference files of other tools, both ways: one pair, one row (KTO: two).

What a tool's own columns have no place for travels in one extra column, `lantern`, which those tools ignore;
so a file written here is read back without loss, and a file from elsewhere is read as far as it goes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lab.errors import LabError
from lab.preference.pairs import LeftOut, Message, PreferencePair, Role

Row = dict[str, Any]

EXTRA = "lantern"
_EXTRA_FIELDS = ("chosen_model", "rejected_model", "chosen_score", "rejected_score", "probe")
_SHAREGPT_ROLES: dict[str, Role] = {"human": "user", "gpt": "assistant", "system": "system"}
_ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class PairFormat:
    """One file format: `write` gives a pair's rows or the reason why it has none, `read` a row's pair."""

    name: str
    words: str
    write: Callable[[PreferencePair], list[Row] | LeftOut]
    read: Callable[[Row], PreferencePair]
    container: Literal["jsonl", "json", "parquet"] = "jsonl"


def write_rows(pairs: Iterable[PreferencePair], to: PairFormat) -> tuple[list[Row], list[LeftOut]]:
    """All pairs as rows of the format, and those it cannot carry with the reason."""
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    for pair in pairs:
        if pair.chosen == pair.rejected:
            left_out.append(LeftOut(pair.id, "both answers are the same text"))
            continue
        written = to.write(pair)
        if isinstance(written, LeftOut):
            left_out.append(written)
        else:
            rows.extend(written)
    return rows, left_out


def read_row(row: Any, of: PairFormat) -> PreferencePair:
    """The pair of one row. Raises LabError naming the field that is missing or of the wrong kind."""
    if not isinstance(row, dict):
        raise LabError(f"expected an object with the columns of {of.name}, got {type(row).__name__}")
    return of.read(row)


# TRL: explicit prompt, as strings or as conversations; implicit prompt; unpaired (KTO).


def _write_trl(pair: PreferencePair) -> list[Row] | LeftOut:
    if pair.system is not None or len(pair.turns) != 1:
        return LeftOut(
            pair.id, "plain strings have no place for a system message or earlier turns: use trl-chat"
        )
    return [
        {"prompt": pair.turns[0].content, "chosen": pair.chosen, "rejected": pair.rejected, **_extra(pair)}
    ]


def _read_trl(row: Row) -> PreferencePair:
    prompt = (Message("user", _text(row, "prompt")),)
    return _pair(row, prompt, _text(row, "chosen"), _text(row, "rejected"))


def _write_trl_chat(pair: PreferencePair) -> list[Row]:
    return [
        {
            "prompt": _chat(pair.messages),
            "chosen": [{"role": "assistant", "content": pair.chosen}],
            "rejected": [{"role": "assistant", "content": pair.rejected}],
            **_extra(pair),
        }
    ]


def _read_trl_chat(row: Row) -> PreferencePair:
    chosen, rejected = _messages(row, "chosen"), _messages(row, "rejected")
    for name, answer in (("chosen", chosen), ("rejected", rejected)):
        if len(answer) != 1 or answer[0].role != "assistant":
            raise LabError(f"{name}: expected the assistant's turn alone, since the row has a prompt")
    return _pair(row, _messages(row, "prompt"), chosen[0].content, rejected[0].content)


def _write_implicit(pair: PreferencePair) -> list[Row]:
    return [
        {
            "chosen": [*_chat(pair.messages), {"role": "assistant", "content": pair.chosen}],
            "rejected": [*_chat(pair.messages), {"role": "assistant", "content": pair.rejected}],
            **_extra(pair),
        }
    ]


def _read_implicit(row: Row) -> PreferencePair:
    return _implicit(row, _messages(row, "chosen"), _messages(row, "rejected"))


def _write_kto(pair: PreferencePair) -> list[Row]:
    prompt = _chat(pair.messages)
    return [
        {
            "prompt": prompt,
            "completion": [{"role": "assistant", "content": text}],
            "label": label,
            **_extra(pair),
        }
        for text, label in ((pair.chosen, True), (pair.rejected, False))
    ]


def _read_kto(row: Row) -> PreferencePair:
    raise LabError("a KTO row is one answer; read the file with kto_pairs, which joins rows of one pair")


def kto_pairs(rows: Sequence[Row]) -> tuple[list[PreferencePair], list[int]]:
    """The pairs of a KTO file, and the places of rows that have no partner."""
    partners, alone = kto_partners(rows)
    return [kto_pair(rows[chosen], rows[rejected]) for chosen, rejected in partners], alone


def kto_partners(rows: Sequence[Row]) -> tuple[list[tuple[int, int]], list[int]]:
    """The places of chosen and rejected answers that are partners, and of rows that have no partner.

    Two rows are partners when they carry the same pair id or, without one, the same prompt and other labels.
    """
    waiting: dict[tuple[str, bool], list[int]] = {}
    joined: list[tuple[int, int]] = []
    for place, row in enumerate(rows):
        label = row.get("label")
        if not isinstance(label, bool):
            raise LabError(f"row {place + 1}: label must be true or false")
        key = _identity(row)
        if partners := waiting.get((key, not label)):
            other = partners.pop(0)
            joined.append((place, other) if label else (other, place))
        else:
            waiting.setdefault((key, label), []).append(place)
    return sorted(joined, key=min), sorted(place for places in waiting.values() for place in places)


def kto_answer(row: Row) -> tuple[tuple[Message, ...], str, bool]:
    """The conversation, the answer and the label of one KTO row."""
    if not isinstance(row.get("label"), bool):
        raise LabError(f"label: expected true or false, got {_kind(row, 'label')}")
    pair = kto_pair(row, row)
    return pair.messages, pair.chosen, row["label"]


def kto_pair(chosen: Row, rejected: Row) -> PreferencePair:
    """The pair of two partners."""
    return _pair(
        chosen, _messages(chosen, "prompt"), _answer(chosen, "completion"), _answer(rejected, "completion")
    )


# mlx-lm-lora: strings with an optional system message; ORPO adds a preference score.


def _write_mlx_lm_lora(pair: PreferencePair) -> list[Row] | LeftOut:
    if len(pair.turns) != 1:
        return LeftOut(pair.id, "mlx-lm-lora takes one question; this conversation has earlier turns")
    row: Row = {"prompt": pair.turns[0].content, "chosen": pair.chosen, "rejected": pair.rejected}
    if pair.system is not None:
        row["system"] = pair.system
    if pair.chosen_score is not None and pair.rejected_score is not None:
        row["preference_score"] = pair.chosen_score - pair.rejected_score
    return [{**row, **_extra(pair)}]


def _read_mlx_lm_lora(row: Row) -> PreferencePair:
    system = _system(row)
    messages = (*system, Message("user", _text(row, "prompt")))
    return _pair(row, messages, _text(row, "chosen"), _text(row, "rejected"))


# alignment-handbook and distilabel: full chats, ratings and a hash of the prompt.


def _write_handbook(pair: PreferencePair) -> list[Row] | LeftOut:
    if pair.chosen_score is not None and pair.chosen_score == pair.rejected_score:
        return LeftOut(
            pair.id, "both answers have the same rating, of which distilabel makes chosen = rejected"
        )
    prompt = pair.turns[-1].content
    row: Row = {"prompt": prompt, "prompt_id": _sha256(prompt), **_write_implicit(pair)[0]}
    for name in ("chosen", "rejected"):
        if (score := getattr(pair, f"{name}_score")) is not None:
            row[f"{name}_rating"] = score
        if (model := getattr(pair, f"{name}_model")) is not None:
            row[f"{name}_model"] = model
    return [row]


# LLaMA-Factory: ShareGPT conversations, and Alpaca instructions.


def _write_sharegpt(pair: PreferencePair) -> list[Row]:
    names = {role: name for name, role in _SHAREGPT_ROLES.items()}
    row: Row = {
        "conversations": [{"from": names[turn.role], "value": turn.content} for turn in pair.turns],
        "chosen": {"from": "gpt", "value": pair.chosen},
        "rejected": {"from": "gpt", "value": pair.rejected},
    }
    if pair.system is not None:
        row["system"] = pair.system
    return [{**row, **_extra(pair)}]


def _read_sharegpt(row: Row) -> PreferencePair:
    turns = _list(row, "conversations")
    system = _system(row)
    messages = (*system, *(_sharegpt(turn, f"conversations[{n}]") for n, turn in enumerate(turns)))
    chosen, rejected = (_sharegpt(row.get(name), name) for name in ("chosen", "rejected"))
    return _pair(row, messages, chosen.content, rejected.content)


def _write_alpaca(pair: PreferencePair) -> list[Row] | LeftOut:
    *earlier, last = pair.turns
    asked, answered = earlier[0::2], earlier[1::2]
    if any(turn.role != "user" for turn in asked) or any(turn.role != "assistant" for turn in answered):
        return LeftOut(pair.id, "Alpaca's history takes user and assistant in turn: use sharegpt")
    row: Row = {"instruction": last.content, "input": "", "chosen": pair.chosen, "rejected": pair.rejected}
    if pair.system is not None:
        row["system"] = pair.system
    if earlier:
        row["history"] = [[a.content, b.content] for a, b in zip(asked, answered, strict=True)]
    return [{**row, **_extra(pair)}]


def _read_alpaca(row: Row) -> PreferencePair:
    given = row.get("input")
    asked = _text(row, "instruction") + (f"\n{given}" if given else "")
    messages = [*_system(row)]
    for number, turn in enumerate(row.get("history") or []):
        if not (isinstance(turn, list) and len(turn) == 2 and all(isinstance(text, str) for text in turn)):
            raise LabError(f"history[{number}]: expected a list of two texts")
        messages += [Message("user", turn[0]), Message("assistant", turn[1])]
    return _pair(row, (*messages, Message("user", asked)), _text(row, "chosen"), _text(row, "rejected"))


def dataset_info(name: str, file: str, of: PairFormat) -> dict[str, Any]:
    """LLaMA-Factory's `dataset_info.json` entry of a file written here in ShareGPT or Alpaca form."""
    if of.name == "sharegpt":
        columns = {
            "messages": "conversations",
            "chosen": "chosen",
            "rejected": "rejected",
            "system": "system",
        }
        return {name: {"file_name": file, "formatting": "sharegpt", "ranking": True, "columns": columns}}
    columns = {
        "prompt": "instruction",
        "query": "input",
        "chosen": "chosen",
        "rejected": "rejected",
        "system": "system",
        "history": "history",
    }
    return {name: {"file_name": file, "ranking": True, "columns": columns}}


FORMATS: Mapping[str, PairFormat] = {
    made.name: made
    for made in (
        PairFormat("trl", "TRL, explicit prompt as text", _write_trl, _read_trl),
        PairFormat("trl-chat", "TRL, explicit prompt as conversation", _write_trl_chat, _read_trl_chat),
        PairFormat("trl-implicit", "TRL, prompt repeated in both chats", _write_implicit, _read_implicit),
        PairFormat("kto", "TRL, one labeled answer a row", _write_kto, _read_kto),
        PairFormat("mlx-lm-lora", "mlx-lm-lora", _write_mlx_lm_lora, _read_mlx_lm_lora),
        PairFormat("handbook", "alignment-handbook and distilabel", _write_handbook, _read_implicit),
        PairFormat("sharegpt", "LLaMA-Factory, ShareGPT", _write_sharegpt, _read_sharegpt, "json"),
        PairFormat("alpaca", "LLaMA-Factory, Alpaca", _write_alpaca, _read_alpaca, "json"),
    )
}


def _pair(row: Row, messages: Sequence[Message], chosen: str, rejected: str) -> PreferencePair:
    if not messages or messages[-1].role != "user":
        raise LabError("the conversation must end with the user's turn")
    if any(message.role == "system" for message in messages[1:]):
        raise LabError("a system message may only come first")
    extra = row.get(EXTRA)
    known = extra if isinstance(extra, dict) else {}
    ratings = [_number(row.get(f"{name}_rating")) for name in ("chosen", "rejected")]
    scores = [
        _number(known.get(f"{name}_score", row.get(f"{name}_score", rating)))
        for name, rating in zip(("chosen", "rejected"), ratings, strict=True)
    ]
    identity = known.get("id") or _identity(
        {"prompt": _chat(messages), "chosen": chosen, "rejected": rejected}
    )
    return PreferencePair(
        id=str(identity),
        messages=tuple(messages),
        chosen=chosen,
        rejected=rejected,
        chosen_model=_name(known.get("chosen_model", row.get("chosen_model"))),
        rejected_model=_name(known.get("rejected_model", row.get("rejected_model"))),
        chosen_score=scores[0],
        rejected_score=scores[1],
        probe=_name(known.get("probe", row.get("probe"))),
        is_stated=known.get("is_stated") is not False and (ratings[0] is None or ratings[0] != ratings[1]),
    )


def _number(value: Any) -> float | None:
    """A finite number; of anything else that a foreign file has in its place nothing is known."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _implicit(row: Row, chosen: Sequence[Message], rejected: Sequence[Message]) -> PreferencePair:
    for name, chat in (("chosen", chosen), ("rejected", rejected)):
        if len(chat) < 2 or chat[-1].role != "assistant":
            raise LabError(f"{name}: expected a chat that ends with the assistant's turn")
    if chosen[:-1] != rejected[:-1]:
        raise LabError("chosen and rejected part before their last turn: they answer different conversations")
    return _pair(row, chosen[:-1], chosen[-1].content, rejected[-1].content)


def _extra(pair: PreferencePair) -> Row:
    known = {name: getattr(pair, name) for name in _EXTRA_FIELDS}
    known["is_stated"] = None if pair.is_stated else False
    return {EXTRA: {"id": pair.id, **{name: value for name, value in known.items() if value is not None}}}


def _chat(messages: Iterable[Message]) -> list[Row]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _identity(row: Row) -> str:
    extra = row.get(EXTRA)
    if isinstance(extra, dict) and extra.get("id"):
        return str(extra["id"])
    return _sha256(
        json.dumps({key: row.get(key) for key in ("prompt", "chosen", "rejected")}, sort_keys=True)
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _text(row: Row, name: str) -> str:
    if not isinstance(row.get(name), str):
        raise LabError(f"{name}: expected text, got {_kind(row, name)}")
    return str(row[name])


def _list(row: Row, name: str) -> list[Any]:
    if not isinstance(row.get(name), list):
        raise LabError(f"{name}: expected a list, got {_kind(row, name)}")
    return list(row[name])


def _answer(row: Row, name: str) -> str:
    if isinstance(row.get(name), str):
        return str(row[name])
    turns = _messages(row, name)
    if len(turns) != 1 or turns[0].role != "assistant":
        raise LabError(f"{name}: expected the assistant's turn alone")
    return turns[0].content


def _messages(row: Row, name: str) -> tuple[Message, ...]:
    if isinstance(row.get(name), str) and name == "prompt":
        return (Message("user", str(row[name])),)
    return tuple(_messages_of(_list(row, name), name))


def _messages_of(turns: Iterable[Any], name: str) -> Iterator[Message]:
    for number, turn in enumerate(turns):
        role, content = (turn.get("role"), turn.get("content")) if isinstance(turn, dict) else (None, None)
        if role not in _ROLES or not isinstance(content, str):
            raise LabError(f"{name}[{number}]: expected a role of {', '.join(_ROLES)} and content as text")
        yield Message(role, content)


def _sharegpt(turn: Any, name: str) -> Message:
    sender = turn.get("from") if isinstance(turn, dict) else None
    if sender not in _SHAREGPT_ROLES or not isinstance(turn.get("value"), str):
        raise LabError(f"{name}: expected from (human, gpt or system) and value as text")
    return Message(_SHAREGPT_ROLES[sender], turn["value"])


def _system(row: Row) -> tuple[Message, ...]:
    # Files from elsewhere write an empty system text, or null, where they mean none.
    has_system = "system" in row if EXTRA in row else bool(row.get("system"))
    return (Message("system", _text(row, "system")),) if has_system else ()


def _kind(row: Row, name: str) -> str:
    return type(row[name]).__name__ if name in row else "nothing"
