"""Deltas of several adapters on several layers in few products, against the definition row by row."""

from __future__ import annotations

import numpy as np
import pytest

from lab.decode import host_deltas
from lab.decode.host_deltas import Deltas, Factors, Variants

SIZE, OUTS = 12, (8, 5, 6)
RANKS = {"a": 2, "b": 3, "c": 4}
ON = {"a": (0, 1, 2), "b": (0, 2), "c": (1,)}
"""Which layers an adapter is on."""


def layers(rescaled: str = "") -> list[tuple[dict[str, Factors], slice]]:
    noise = np.random.default_rng(0)
    found, begin = [], 0
    for layer, out in enumerate(OUTS):
        factors = {}
        for name, rank in RANKS.items():
            a, b, m = (
                noise.standard_normal(of).astype(np.float32) for of in ((SIZE, rank), (rank, out), out)
            )
            if layer in ON[name]:
                factors[name] = Factors(a, b, m if name in rescaled else None)
        found.append((factors, slice(begin, begin + out)))
        begin += out
    return found


def expected(layers, y: np.ndarray, x: np.ndarray, on) -> np.ndarray:
    result = y.astype(np.float64)
    for position, name in enumerate(on):
        for factors, columns in layers:
            if name in factors:
                of = factors[name]
                result[position, columns] += x[position].astype(np.float64) @ of.a @ of.b
                if of.rescale is not None:
                    result[position, columns] *= of.rescale
    return result


@pytest.mark.parametrize("entries", [0, 1 << 16], ids=["apart", "one matrix"])
@pytest.mark.parametrize("rescaled", ["", "b", "abc"])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("on", ["a", "-a", "-b-", "c-c-c", "abc-", "-aab-bc", "bbbb"])
def test_each_position_has_its_own_adapters_delta(monkeypatch, entries, rescaled, n, on):
    monkeypatch.setattr(host_deltas, "BLOCKS_ENTRIES", entries)
    names = [None if name == "-" else name for name in on]
    noise = np.random.default_rng(1)
    x = noise.standard_normal((len(on) * n, SIZE)).astype(np.float32)
    y = noise.standard_normal((len(on) * n, sum(OUTS))).astype(np.float32)
    of = layers(rescaled)
    want = expected(of, y, x, np.repeat(names, n))
    deltas, variants = Deltas(of), Variants(names, n)
    again = y.copy()
    deltas.add(y, x, variants)
    deltas.add(again, x, variants)
    assert np.abs(y - want).max() < 1e-5
    assert (y == again).all()


def test_the_base_and_what_is_on_other_layers_leave_nothing():
    y = np.ones((2, OUTS[0]), dtype=np.float32)
    only_c = Deltas([({"c": Factors(np.ones((SIZE, 1)), np.ones((1, OUTS[0])), None)}, slice(0, OUTS[0]))])
    for on in ([None, None], ["a", None], ["a", "b"]):
        only_c.add(y, np.ones((2, SIZE), dtype=np.float32), Variants(on, 1))
    assert (y == 1).all()
