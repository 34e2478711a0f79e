"""What commands ask of a model: probes by battery, domain or id, and prompts of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.cli.stored import matching_probes, one_probe
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.compare.plan import Question
    from lab.measure.instrument import Instrument
    from store.queries import ProbeRow
    from store.service import StoreService

CORE = "core"


def questions_of(
    store: StoreService,
    batteries: Sequence[str] | None,
    domains: Sequence[str] | None,
    probes: Sequence[str] | None,
    prompts: Sequence[str] | None,
    limit: int | None,
    default: Sequence[str] = (CORE,),
) -> tuple[list[Question], str]:
    """What is asked, and that in words: the probes of the `default` batteries unless something is named.

    Several batteries take turns, so that the first so many are some of each.
    """
    from lab.probes import from_row

    rows = [one_probe(store, name, None) for name in dict.fromkeys(probes or ())]
    words = [row.id for row in rows] if len(rows) <= 2 else [f"{len(rows)} probes"]
    if batteries or domains or not (probes or prompts):
        of = [*dict.fromkeys(batteries or default)]
        known = {(row.battery, row.id) for row in rows}
        found = [row for row in matching_probes(store, "", of, domains) if (row.battery, row.id) not in known]
        rows += _in_turns(found)
        words.append(", ".join(of) + (f" ({', '.join(domains)})" if domains else ""))
    if prompts:
        words.append("1 prompt" if len(prompts) == 1 else f"{len(prompts)} prompts")
    questions: list[Question] = [*(from_row(row) for row in rows), *_checked(prompts or ())]
    if limit is not None and limit < len(questions):
        return questions[:limit], f"{' + '.join(words)}, first {limit}"
    return questions, " + ".join(words)


def _in_turns(rows: Sequence[ProbeRow]) -> list[ProbeRow]:
    """The first probe of every battery, then the second of every, and so on."""
    turn: Counter[str] = Counter()
    numbered = []
    for place, row in enumerate(rows):
        numbered.append((turn[row.battery], place, row))
        turn[row.battery] += 1
    return [row for _, _, row in sorted(numbered, key=lambda item: item[:2])]


def refuse_unscorable(questions: Sequence[Question], by: Instrument) -> None:
    """Before an hour of answers is made that nothing can be said of."""
    from lab.compare.scores import can_score

    asked = [(one, {}) if isinstance(one, str) else (one.prompt, one.extra) for one in questions]
    if asked and not any(can_score(by, prompt, probe) for prompt, probe in asked):
        raise LabError(
            f"{by.name} gives no total for any of these probes ({by.description[:1].lower()}"
            f"{by.description[1:].rstrip('.')}): choose other probes or another --instrument"
        )


def _checked(prompts: Sequence[str]) -> Sequence[str]:
    if any(not prompt.strip() for prompt in prompts):
        raise LabError("--prompt is empty: give some text")
    return prompts
