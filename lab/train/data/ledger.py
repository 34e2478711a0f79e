"""The no-repeat ledger: which examples earlier runs have seen, so that none is learned twice by accident."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.errors import LabError
from lab.outfiles import write_file
from lab.train.folder import list_runs
from lab.train.hooks import Corpus
from lab.train.settings import TrainSettings
from store.home import Home


def write_ledger(path: Path, seen: Iterable[str]) -> None:
    """Write the hashes of the examples seen, one a line, sorted."""
    write_file(path, "".join(f"{digest}\n" for digest in sorted(seen)))


def read_ledger(path: Path) -> frozenset[str]:
    """The hashes in a ledger; none where there is no file."""
    try:
        return frozenset(path.read_text(encoding="ascii").split())
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError) as error:
        raise LabError(f"{path}: the ledger of seen examples cannot be read: {error}") from error


def seen_before(home: Home, model: str, but: str) -> dict[str, frozenset[str]]:
    """What the runs on this model saw, by their names; `but` is the run that asks.

    A run whose settings cannot be read hinders no other.
    """
    seen = {}
    for run in list_runs(home):
        try:
            planned = run.read_plan()["settings"]
        except (LabError, KeyError):
            continue
        if run.run_id != but and planned.get("model") == model:
            seen[f"{planned.get('name')} ({run.run_id[-8:]})"] = read_ledger(run.ledger)
    return seen


def repeats(home: Home, settings: TrainSettings, corpus: Corpus, passes: float, but: str = "") -> str | None:
    """`refuse_repeats` of a corpus against all runs of this home on the same model but the one that asks."""
    examples = [item.sha256 for item in corpus.train]
    return refuse_repeats(examples, seen_before(home, settings.model, but), settings, passes)


def refuse_repeats(
    examples: Iterable[str], earlier: Mapping[str, frozenset[str]], settings: TrainSettings, passes: float
) -> str | None:
    """Raise LabError when examples would be seen again and the settings do not allow it.

    `earlier` maps the names of earlier runs on this model to what they saw, `passes` is how often this run
    goes over its data. Returns the notice for people when repeats are allowed and there are some.
    """
    ours = set(examples)
    overlaps = {name: len(ours & seen) for name, seen in earlier.items()}
    name, most = max(overlaps.items(), key=lambda item: item[1], default=("", 0))
    said = []
    if most:
        said.append(f"{most:,} of {len(ours):,} examples were seen by run {name}")
    if passes > 1.0:
        said.append(f"every example would be seen {passes:.3g} times")
    if not said:
        return None
    words = " and ".join(said)
    if not settings.allow_repeats:
        raise LabError(f"{words}: set allow_repeats (--allow-repeats) to do it all the same")
    return f"{words}, as allowed"
