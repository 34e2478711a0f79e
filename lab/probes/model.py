"""What makes a probe: fields checked once, here, wherever it comes from, and a hash of its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from lab.errors import LabError
from lab.textfiles import replace_surrogates
from store.journal import utc_now
from store.records import ProbeRecord

MAX_PROMPT_CHARACTERS = 100_000
MAX_NAME_CHARACTERS = 200
MAX_EXTRA_DEPTH = 16

_NAMES_OF_ID = ("id", "seed_id")
_NAMES_OF_DOMAIN = ("domain", "category")
_OWN_FIELDS = {"battery", "prompt", "subjects", "source_probe", "rephrase_type"}
_CONTENT = ("battery", "id", "domain", "prompt", "subjects", "source_probe", "rephrase_type", "extra")


def probe_sha256(probe: ProbeRecord) -> str:
    """The hash of a probe's content: every field but hash, origin, time and retirement, as sorted JSON."""
    content = {name: getattr(probe, name) for name in _CONTENT}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def make(fields: Mapping[str, Any], *, battery: str, origin: str) -> ProbeRecord:
    """A probe from a row of a file or a form.

    Takes `id` (or `seed_id`; a whole number becomes text), `domain` (or `category`), `prompt`, and optionally
    `subjects`, `source_probe`, `rephrase_type`; what else the row holds is kept in `extra`. `battery` is used
    where the row names none. Raises LabError naming the field and what was expected.
    """
    id_name = _first_given(fields, _NAMES_OF_ID)
    domain_name = _first_given(fields, _NAMES_OF_DOMAIN)
    own = {id_name, domain_name} | _OWN_FIELDS
    return _hashed(
        ProbeRecord(
            battery=_name(fields.get("battery", battery), "battery"),
            id=_name(_id_as_text(fields.get(id_name)), id_name),
            domain=_name(fields.get(domain_name), domain_name),
            prompt=_prompt(fields.get("prompt")),
            subjects=_subjects(fields.get("subjects")),
            source_probe=_optional_name(fields.get("source_probe"), "source_probe"),
            rephrase_type=_optional_name(fields.get("rephrase_type"), "rephrase_type"),
            extra={str(key): _plain(value, str(key)) for key, value in fields.items() if key not in own},
            sha256="",
            origin=origin,
            at=utc_now(),
        )
    )


def edited(probe: ProbeRecord, *, origin: str = "user", **changes: Any) -> ProbeRecord:
    """A new revision of `probe` with some fields changed, checked like any other and stamped now."""
    fields: dict[str, Any] = {**probe.extra, **{name: getattr(probe, name) for name in _CONTENT[:-1]}}
    return make({**fields, **changes}, battery=probe.battery, origin=origin)


def _hashed(probe: ProbeRecord) -> ProbeRecord:
    return dataclasses.replace(probe, sha256=probe_sha256(probe))


def _first_given(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((name for name in names if name in fields), names[0])


def _id_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _name(value: Any, field: str) -> str:
    text = _text(value, field).strip()
    if len(text) > MAX_NAME_CHARACTERS:
        raise LabError(f"{field}: {len(text):,} characters; at most {MAX_NAME_CHARACTERS}")
    if not text.isprintable():
        raise LabError(f"{field}: expected one line without control characters")
    return text


def _optional_name(value: Any, field: str) -> str | None:
    return None if value is None else _name(value, field)


def _prompt(value: Any) -> str:
    text = _text(value, "prompt")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise LabError(f"prompt: {len(text):,} characters; at most {MAX_PROMPT_CHARACTERS:,}")
    return text


def _subjects(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise LabError(f"subjects: expected a list of phrases, not {_kind(value)}")
    return tuple(_name(item, "subjects") for item in value)


def _text(value: Any, field: str) -> str:
    if value is None:
        raise LabError(f"{field}: missing")
    if not isinstance(value, str):
        raise LabError(f"{field}: expected text, not {_kind(value)}; put it in quotes if it is meant as text")
    if not value.strip():
        raise LabError(f"{field}: empty")
    return replace_surrogates(value)


def _plain(value: Any, field: str, depth: int = 0) -> Any:
    """`value` as JSON can hold it: text, finite numbers, booleans, null, lists and mappings of these."""
    if depth > MAX_EXTRA_DEPTH:
        raise LabError(f"{field}: nested more than {MAX_EXTRA_DEPTH} levels deep")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise LabError(f"{field}: expected a finite number, not {value}")
        return value
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{field}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(item, field, depth + 1) for item in value]
    raise LabError(f"{field}: expected text, a number, a list or fields, not {_kind(value)}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, Mapping):
        return "fields"
    if isinstance(value, list | tuple):
        return "a list"
    return f"a {type(value).__name__}"
