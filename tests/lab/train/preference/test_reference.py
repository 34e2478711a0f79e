"""The reference: the untouched model's own values, computed once, kept whatever happens, shared by ranks."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.models.runtime import mx
from lab.train.layers import make_trainable
from lab.train.net import split
from lab.train.preference.reference import Logps, ReferenceFile, compute_missing
from lab.train.ranks import Ranks
from lab.train.settings import TrainSettings
from tests.lab.train.models import loaded
from tests.lab.train.preference import reference as slow
from tests.lab.train.preference.pairs import pairs

LENGTHS = tuple((3 + n % 5, 2 + n % 4, 1 + n % 3) for n in range(11))


def computed(known: dict[str, Logps], ranks: Ranks | None = None) -> list[list[tuple[str, Logps]]]:
    kept: list[list[tuple[str, Logps]]] = []
    net = split(loaded().model)
    compute_missing(
        net, pairs(LENGTHS), known, 4, False, ranks or Ranks(), lambda found: kept.append(list(found)), str
    )
    return kept


def test_values_are_those_of_single_unpadded_answers() -> None:
    model, known = loaded().model, dict[str, Logps]()
    computed(known)
    for pair in pairs(LENGTHS):
        for tokens, found in zip((pair.chosen, pair.rejected), known[pair.key], strict=True):
            assert found == pytest.approx(slow.answer_logp(model, pair, tokens).item(), abs=1e-4)


def test_after_any_kill_the_rest_is_computed_to_the_same_bits() -> None:
    whole: dict[str, Logps] = {}
    blocks = computed(whole)
    assert [len(block) for block in blocks] == [4, 4, 3]
    for done in range(len(blocks) + 1):
        known = dict(pair for block in blocks[:done] for pair in block)
        assert computed(known) == blocks[done:]
        assert known == whole


class TwoRanks(Ranks):
    """Both ranks' blocks, one after the other, as the exchange would bring them together."""

    def __init__(self, rank: int, others: list[object]) -> None:
        super().__init__()
        self._own, self._others = rank, others

    @property
    def rank(self) -> int:
        return self._own

    @property
    def size(self) -> int:
        return 2

    def sum(self, arrays: object) -> list[object]:
        (own,) = arrays  # type: ignore[misc]
        if self._own:
            self._others.append(own)
            return [own]
        return [own + self._others.pop(0)]


def test_ranks_share_the_work_and_get_the_bits_of_one() -> None:
    alone: dict[str, Logps] = {}
    computed(alone)
    others: list[object] = []
    computed({}, TwoRanks(1, others))
    together: dict[str, Logps] = {}
    computed(together, TwoRanks(0, others))
    assert together == alone and others == []


def test_the_file_gives_back_the_very_numbers_and_heals_torn_lines(tmp_path: Path) -> None:
    model = loaded()
    file = ReferenceFile(tmp_path, model.record, "cpu")
    assert file.read() == {}
    values: dict[str, Logps] = {}
    computed(values)
    first, *rest = values.items()
    file.append([first])
    with file.path.open("ab") as torn:
        torn.write(b'{"key": "half')
    file.append(rest)
    assert file.read() == values
    assert file.path.stat().st_mode & 0o077 == 0
    other = ReferenceFile(tmp_path, loaded("mistral").record, "cpu")
    assert other.path != file.path and ReferenceFile(tmp_path, model.record, "gpu").path != file.path


def test_the_reference_is_the_model_before_anything_is_made_trainable() -> None:
    """A fresh adapter changes nothing, so that at the first step every log-ratio is 0."""
    known: dict[str, Logps] = {}
    computed(known)
    model = loaded()
    make_trainable(model, TrainSettings(data="x"))
    model.model.eval()
    pair = pairs(LENGTHS)[3]
    assert slow.answer_logp(model.model, pair, pair.chosen).item() == pytest.approx(
        known[pair.key][0], abs=1e-4
    )
    assert mx.any(mx.array(known[pair.key]) < 0).item()
