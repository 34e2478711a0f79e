"""From Compare to Curate: the shown pair, or all of a comparison, put up to be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.formats import plural

if TYPE_CHECKING:
    from lab.preference.compared import PutUp
    from screens.store_link import StoreLink
    from store.records import ComparisonRecord

STRATUM = "compared"


async def put_up(
    store: StoreLink, record: ComparisonRecord, place: int | None = None, stratum: str = STRATUM
) -> PutUp:
    """Put up the pairs of a comparison that have both answers, or that of one place."""
    from lab.preference.compared import pairs_of_comparison
    from store.queries import compared_answers
    from store.queries.pairs import known_pairs, pairable

    await store.read_now()
    answers = [one for one in await store.query(compared_answers, record.id) if place in (None, one.place)]
    ids = [one.generation_id for one in answers if one.generation_id is not None]
    texts = await store.query(pairable, ids, record.instrument, record.version)
    known = await store.query(known_pairs)
    found = pairs_of_comparison(answers, texts, instrument=record.instrument, stratum=stratum, known=known)
    if found.pairs:
        await store.save(found.pairs)
    return found


def words(found: PutUp) -> str:
    """What came of it, for people."""
    said = [f"{plural(len(found.pairs), 'pair')} put up: 5 opens Curate"] if found.pairs else []
    if found.known:
        said.append(f"{found.known:,} put up before")
    if found.equal_texts:
        said.append(f"{found.equal_texts:,} said the same twice")
    return "; ".join(said) or "No pair has both answers yet."
