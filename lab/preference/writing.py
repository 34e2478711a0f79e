"""Curated pairs into files: of any format, whole or split, and as the data directory of a training run."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.outfiles import write_file
from lab.preference.elsewhere import ALL, ARGILLA_COLUMNS
from lab.preference.formats import PairFormat, Row, dataset_info, write_rows
from lab.preference.judged import curate
from lab.preference.pairs import LeftOut, PreferencePair
from lab.preference.selection import VALID_SHARE, Selection, count_reasons, select, split
from lab.textfiles import parse_json, read_text
from lab.thermometer.overlap import ProbeIndex

if TYPE_CHECKING:
    from store.home import Home
    from store.service import StoreService

DATASET_INFO = "dataset_info.json"
LLAMA_FACTORY = ("sharegpt", "alpaca")
TRAINING_FORMAT = "trl-chat"
PAIRS_FOLDER = "pairs"
"""Under the lab's home: the data directories of runs on curated pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written where, and what was left out with its reason; `valid` pairs are held out."""

    files: tuple[Path, ...]
    train: int
    valid: int
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """How many were left out for which reason, the most frequent first."""
        return count_reasons(self.left_out)


def selection_of(
    service: StoreService,
    *,
    raters: Collection[str] = (),
    policy: str | None = None,
    gates: Sequence[str] | None = None,
    instrument: tuple[str, str] | None = None,
) -> Selection:
    """The curated pairs of the store.

    `gates` are batteries whose probes must not be trained on; those of the shipped gates where not given.
    """
    from lab.probes import from_row
    from store.queries import ProbeFilter, count_probes, page_probes
    from store.queries.pairs import judged_pairs, judgement_log

    service.ingest()
    gate = None
    of_gates = gate_batteries() if gates is None else tuple(gates)
    if of_gates:
        which = ProbeFilter(batteries=of_gates)
        rows = service.query(page_probes, which, 0, service.query(count_probes, which))
        gate = ProbeIndex([from_row(row) for row in rows])
    log = service.query(judgement_log)
    unknown = sorted(set(raters) - {judgement.rater for judgement in log})
    if unknown:
        known = ", ".join(sorted({judgement.rater for judgement in log})) or "nobody"
        raise LabError(f"{', '.join(unknown)} has judged nothing: there is {known}")
    curated = curate(service.query(judged_pairs), log, raters)
    return select(curated, gate=gate, policy=policy, instrument=instrument)


def gate_batteries() -> tuple[str, ...]:
    """The batteries that any shipped plan of gates asks."""
    from lab.curriculum.gate_plan import load_gates, preset_names

    plans = [load_gates(name) for name in preset_names()]
    return tuple(sorted({gate.battery for plan in plans for gate in plan.gates if gate.battery}))


def kept_for_gates(batteries: Collection[str]) -> str:
    """For somebody about to curate these batteries: which of them gates ask, in words; or nothing."""
    found = sorted(set(batteries) & set(gate_batteries()))
    if not found:
        return ""
    return (
        f"gates ask {' and '.join(found)}: what you curate of it can be exported, but `lantern train` leaves "
        "it out; suggest without naming a battery for pairs to train on"
    )


def write_pairs(
    pairs: Sequence[PreferencePair], path: Path, form: str, home: Home
) -> tuple[int, list[LeftOut]]:
    """Write pairs to one file in the format `form`; how many, and those that the format cannot carry.

    Raises LabError, and StoreError for a Parquet file, when it cannot be written.
    """
    of = format_named(form)
    rows, left_out = write_rows(pairs, of)
    if of.container == "parquet":
        from store.parquet import write_parquet

        write_parquet(path, rows, ARGILLA_COLUMNS, home)
    else:
        write_file(path, _text(rows, of))
    return len(pairs) - len(left_out), left_out


def write_selection(
    selection: Selection, out: Path, form: str, home: Home, *, share: float = 0.0, seed: int = 0
) -> Written:
    """Write selected pairs to the file `out`, or, to hold out a `share` of them, into the folder `out`.

    LLaMA-Factory's formats get their entries in the folder's dataset_info.json; what it holds stays.
    """
    of = format_named(form)
    train, valid = split(selection.pairs, selection.clusters, share, seed)
    wanted = [(out, train)]
    if share:
        wanted = [
            (out / f"{name}.{of.container}", part) for name, part in (("train", train), ("valid", valid))
        ]
    files: list[Path] = []
    counts: list[int] = []
    left_out = list(selection.left_out)
    for path, part in wanted:
        if share and not part:
            counts.append(0)
            continue
        written, dropped = write_pairs(part, path, form, home)
        counts.append(written)
        left_out += dropped
        files.append(path)
        if form in LLAMA_FACTORY:
            described = _describe(path, of)
            files += [described] if described not in files else []
    notes = selection.notes
    if share and not valid:
        notes = (*notes, "all pairs belong to one probe: none is held out")
    return Written(
        files=tuple(files),
        train=counts[0],
        valid=sum(counts[1:]),
        left_out=tuple(left_out),
        notes=notes,
    )


def write_pair_dataset(
    service: StoreService,
    folder: Path,
    *,
    raters: Collection[str] = (),
    policy: str | None = None,
    gates: Sequence[str] | None = None,
    share: float = VALID_SHARE,
    seed: int = 0,
) -> Written:
    """The curated pairs of the store as a data directory to train on: train.jsonl and valid.jsonl.

    Raises LabError where no pair is left, saying why.
    """
    selection = selection_of(service, raters=raters, policy=policy, gates=gates)
    if not selection.pairs:
        why = "; ".join(f"{n}: {reason}" for reason, n in selection.reasons.items())
        if not why:
            raise LabError(
                "no pair has a verdict yet: `lantern pairs suggest` puts pairs up, the Curate screen judges"
            )
        raise LabError(
            f"no curated pair to train on ({why}); to choose otherwise, `lantern pairs export` them and "
            "train on that with --data"
        )
    for place in (folder.parent, folder):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return write_selection(selection, folder, TRAINING_FORMAT, service.home, share=share, seed=seed)


def format_named(form: str) -> PairFormat:
    """A format by its name. Raises LabError with the names there are."""
    if form not in ALL:
        raise LabError(f"no format {form!r}: there is {', '.join(ALL)}")
    return ALL[form]


def _text(rows: Sequence[Row], of: PairFormat) -> str:
    if of.container == "json":
        return json.dumps(rows, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _describe(path: Path, of: PairFormat) -> Path:
    """Add the file to the folder's dataset_info.json."""
    info = path.with_name(DATASET_INFO)
    known: Any = {}
    if info.exists():
        try:
            known = parse_json(read_text(info))
        except LabError as error:
            raise LabError(f"{info}: {error}: mend or remove it") from error
        if not isinstance(known, dict):
            raise LabError(f"{info}: expected an object of data sets: mend or remove it")
    entries = {**known, **dataset_info(path.stem, path.name, of)}
    return write_file(info, json.dumps(entries, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
