"""Word entropy as a stored score: the instrument "word-entropy"."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

from lab.measure.words import measure
from lab.measure.zones import ZoneTable, zone_of
from lab.textfiles import replace_surrogates
from store.journal import new_id, utc_now
from store.records import GenerationRecord, ScoreRecord

INSTRUMENT = "word-entropy"
VERSION = "1"


def word_entropy_score(generation: GenerationRecord, table: ZoneTable) -> ScoreRecord:
    """The score of an answer's text; dimensions are the fields of `WordEntropy`.

    `text_sha256` is that of the text as it is stored, lone surrogates replaced. `detail` keeps the zone's
    name (None: too short to zone) and the table that named it.
    """
    figures = measure(generation.text)
    zone = zone_of(figures.word_entropy_nats, figures.words, table)
    return ScoreRecord(
        id=new_id(),
        generation_id=generation.id,
        instrument=INSTRUMENT,
        version=VERSION,
        text_sha256=hashlib.sha256(replace_surrogates(generation.text).encode()).hexdigest(),
        dimensions=asdict(figures),
        at=utc_now(),
        detail={"zone": zone.name if zone else None, "zone_table": table.label},
    )
