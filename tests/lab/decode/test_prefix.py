"""Shared prompt beginnings: found, kept, bounded, and handed out as copies."""

from __future__ import annotations

from lab.decode.forward import prefill
from lab.decode.loop import never
from lab.decode.prefix import BLOCK, MIN_SHARED, PrefixCache

KERNEL = list(range(100, 180))


class Part:
    """A stand-in for one layer's cache."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.tokens: list[int] = []


def test_the_second_prompt_that_begins_alike_shows_what_is_shared():
    cache = PrefixCache()
    assert cache.split_at("m", [*KERNEL, 1, 2, 3], 0) is None
    assert cache.split_at("m", [*KERNEL, 1, 9, 9], 0) == 80
    assert cache.split_at("other model", [*KERNEL, 1, 9, 9], 0) is None


def test_short_overlaps_are_not_worth_keeping():
    cache = PrefixCache()
    short = list(range(MIN_SHARED - 1))
    cache.split_at("m", [*short, 500, 501], 0)
    assert cache.split_at("m", [*short, 600, 601], 0) is None
    cache.split_at("m", KERNEL, 0)
    assert cache.split_at("m", KERNEL, 64) is None


def test_a_token_is_always_left_to_run():
    cache = PrefixCache()
    cache.keep("m", KERNEL[:48], [Part(1)])
    assert cache.longest("m", KERNEL[:48]) == (0, None)
    assert cache.longest("m", KERNEL[:49])[0] == 48
    cache.split_at("m", KERNEL, 0)
    assert cache.split_at("m", KERNEL, 0) == (len(KERNEL) - 1) // BLOCK * BLOCK


def test_the_longest_fitting_beginning_is_handed_out_as_a_copy():
    cache = PrefixCache()
    for length in (32, 64):
        cache.keep("m", KERNEL[:length], [Part(1)])
    length, parts = cache.longest("m", [*KERNEL, 1])
    assert length == 64
    parts[0].tokens.append(1)
    assert cache.longest("m", [*KERNEL, 1])[1][0].tokens == []


def test_it_is_bounded_and_forgets_the_least_recently_used():
    cache = PrefixCache(max_bytes=100, max_entries=3)
    for first in range(3):
        cache.keep("m", [first, *KERNEL], [Part(30)])
    cache.longest("m", [0, *KERNEL, 1])
    cache.keep("m", [3, *KERNEL], [Part(30)])
    assert [cache.longest("m", [first, *KERNEL, 1])[0] for first in range(4)] == [81, 0, 81, 81]
    cache.keep("m", [4, *KERNEL], [Part(1000)])
    assert (len(cache), cache.nbytes) == (3, 90)


def test_a_kernel_is_read_once(loaded):
    """Counted in tokens that go through the model."""
    from dataclasses import replace

    model = loaded()
    seen = []

    class Counting:
        layers = model.model.layers

        def __call__(self, tokens, cache=None):
            seen.append(tokens.size)
            return model.model(tokens, cache=cache)

    counting = replace(model, model=Counting())
    cache = PrefixCache()
    work = []
    for i in range(4):
        seen.clear()
        prefill(counting, [*KERNEL, 10 + i, 20 + i, 30], None, cache, never)
        work.append(sum(seen))
    assert work == [83, 83, 3, 3]
