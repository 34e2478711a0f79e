"""What is foreseen of a run from its settings alone."""

from __future__ import annotations

import pytest

from lab.train.outlook import epochs_for_few
from lab.train.recipe import find_recipe


@pytest.mark.parametrize(("rows", "epochs"), [(0, 10), (8, 10), (24, 10), (80, 3), (233, None), (5000, None)])
def test_few_pairs_are_to_be_seen_more_often(rows: int, epochs: int | None) -> None:
    assert epochs_for_few(find_recipe("orpo").settings(data="pairs"), rows) == epochs


def test_who_says_how_many_updates_gets_these() -> None:
    recipe = find_recipe("orpo")
    assert epochs_for_few(recipe.settings(data="pairs", iters=3), 24) is None
    assert epochs_for_few(recipe.settings(data="pairs", epochs=10), 24) is None
    assert epochs_for_few(recipe.settings(data="pairs", grad_accumulation_steps=2), 80) == 6
