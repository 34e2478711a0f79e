"""Pairs from files of other tools into the store: answers, the pair, and the preference that is stated.

The answers are imported answers, as every answer is that the lab has not seen made; what the file says of
them stays beside them. Reading the same file again changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.preference.pairs import PreferencePair
from lab.preference.put_up import put_up
from lab.preference.reading import AUTO, FoundPair, PairFile, pairs_of, read_file, read_pairs
from lab.preference.sides import stands_swapped
from lab.preference.similarity import similarity
from lab.textfiles import BadRow
from store.ids import new_id, utc_now
from store.records import ImportedAnswerRecord, ImportedFileRecord, JudgementRecord, PairRecord, Record

if TYPE_CHECKING:
    from store.queries.pairs import KnownPair
    from store.service import StoreService

RATER = "imported"
"""Whose the preferences are that a file states."""
CHOSEN, REJECTED = "chosen", "rejected"
PARQUET = ".parquet"
FORM = "pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPairs:
    """What became of an import: its id, whether it was there already, and what to tell of it.

    `judged` pairs came with a preference that was kept; `here` of the file's pairs are in the store already,
    answers and all, and were not put up again.
    """

    id: str | None
    known: bool
    formats: tuple[str, ...]
    pairs: int
    judged: int
    here: int
    bad: tuple[BadRow, ...]


def import_pairs(service: StoreService, path: Path, *, form: str = AUTO, rater: str = RATER) -> ImportedPairs:
    """Bring in a file of pairs. Raises LabError when it has no pair that can be used.

    Pairs that the store holds (such as those of a file that was exported, judged elsewhere and comes back)
    get the verdicts of a `rater` of another name than the default who has not judged them here.
    """
    from store.queries.imports import import_of
    from store.queries.pairs import pairs_called

    data = read_file(path)
    file = _read(service, data, path, form)
    if not file.found:
        raise LabError(f"{path}: no usable pair" + (f"; {file.bad[0]}" if file.bad else ": it is empty"))
    service.ingest()
    digest = hashlib.sha256(b"\n".join((FORM.encode(), form.encode(), rater.encode(), data))).hexdigest()
    known = service.query(import_of, digest)
    stored = service.query(pairs_called, [one.pair.id for one in file.found])
    here = [(one.pair, stored[one.pair.id]) for one in file.found if _is_same(one, stored)]
    new = [one for one in file.found if not _is_same(one, stored)]
    records: list[Record] = []
    if rater != RATER:
        records += [_again(pair, there, rater) for pair, there in here if _has_news(pair, there, rater)]
    import_id = None
    if new and known is None:
        import_id = new_id()
        # The file comes last: an import that was cut off is not taken for a whole one.
        records += [*_records(import_id, new, rater), _file(import_id, path.name, digest, file)]
    if records:
        service.append(*records)
    return ImportedPairs(
        id=known or import_id,
        known=known is not None,
        formats=file.formats,
        pairs=len(new),
        judged=sum(isinstance(record, JudgementRecord) for record in records),
        here=len(here),
        bad=file.bad,
    )


def _is_same(one: FoundPair, stored: Mapping[str, KnownPair]) -> bool:
    there = stored.get(one.pair.id)
    return there is not None and {one.pair.chosen, one.pair.rejected} == {*there.texts.values()}


def _has_news(pair: PreferencePair, there: KnownPair, rater: str) -> bool:
    return pair.is_stated and rater not in there.raters


def _again(pair: PreferencePair, there: KnownPair, rater: str) -> JudgementRecord:
    """What another rater says of a pair that is stored."""
    chosen = next(answer_id for answer_id, text in there.texts.items() if text == pair.chosen)
    return _judgement(there.pair, chosen, rater)


def _read(service: StoreService, data: bytes, path: Path, form: str) -> PairFile:
    if path.suffix.lower() != PARQUET:
        return read_pairs(data, str(path), form)
    from store.parquet import read_parquet

    return pairs_of(list(enumerate(read_parquet(path, service.home), start=1)), form)


def _file(import_id: str, name: str, digest: str, file: PairFile) -> ImportedFileRecord:
    models = {model for one in file.found for model in (one.pair.chosen_model, one.pair.rejected_model)}
    return ImportedFileRecord(
        id=import_id,
        form=f"{FORM}: {', '.join(file.formats)}",
        sources=(name,),
        sha256=digest,
        # Only where every answer is said to be one model's.
        model_name=models.pop() if len(models) == 1 else None,
        at=utc_now(),
    )


def _records(import_id: str, found: Sequence[FoundPair], rater: str) -> Iterator[Record]:
    for one in found:
        pair = one.pair
        # Which answer has the lower id says nothing of which is preferred.
        ids = sorted((new_id(), new_id()), reverse=_coin(pair.id))
        chosen, rejected = (
            _answer(import_id, one, condition, answer_id)
            for condition, answer_id in zip((CHOSEN, REJECTED), ids, strict=True)
        )
        yield chosen
        yield rejected
        put_up = _pair(pair, chosen, rejected)
        yield put_up
        if pair.is_stated:
            yield _judgement(put_up, chosen.id, rater)


def _answer(import_id: str, one: FoundPair, condition: str, answer_id: str) -> ImportedAnswerRecord:
    pair = one.pair
    said = {
        name: value
        for name in ("model", "score")
        if (value := getattr(pair, f"{condition}_{name}")) is not None
    }
    of_probe: dict[str, object] = {"pair_id": pair.id}
    if pair.probe is not None:
        of_probe["probe"] = pair.probe
    if len(pair.messages) > 1:
        of_probe["messages"] = [asdict(message) for message in pair.messages]
    return ImportedAnswerRecord(
        id=answer_id,
        import_id=import_id,
        line=one.line,
        condition=condition,
        probe_id=pair.probe or f"line {one.line}",
        domain=FORM,
        prompt=pair.messages[-1].content,
        text=pair.chosen if condition == CHOSEN else pair.rejected,
        at=utc_now(),
        said=said,
        said_of_probe=of_probe,
    )


def _pair(pair: PreferencePair, chosen: ImportedAnswerRecord, rejected: ImportedAnswerRecord) -> PairRecord:
    first, second = sorted((chosen.id, rejected.id))
    gap = None
    if pair.chosen_score is not None and pair.rejected_score is not None:
        gap = (pair.chosen_score - pair.rejected_score) * (1 if first == chosen.id else -1)
    return replace(
        put_up(first, second, source="imported", probe_id=pair.probe),
        instrument=None if gap is None else RATER,
        score_gap=gap,
        similarity=similarity(pair.chosen, pair.rejected),
    )


def _judgement(pair: PairRecord, chosen_id: str, rater: str) -> JudgementRecord:
    left, right = pair.first_id, pair.second_id
    if stands_swapped(pair.id, rater, 0):
        left, right = right, left
    return JudgementRecord(
        id=new_id(),
        pair_id=pair.id,
        rater=rater,
        pass_number=0,
        action="verdict",
        left_id=left,
        right_id=right,
        at=utc_now(),
        verdict="left" if left == chosen_id else "right",
        blind=False,
    )


def _coin(text: str) -> bool:
    return bool(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] & 1)


def original_pair(said_of_probe: Mapping[str, object]) -> str | None:
    """The id that a pair had in the file that it came from."""
    found = said_of_probe.get("pair_id")
    return found if isinstance(found, str) else None
