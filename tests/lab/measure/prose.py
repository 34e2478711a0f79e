"""Ordinary prose that every machine with Python has: its documentation topics and its license."""

from __future__ import annotations

import random
import re
import sysconfig
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics

LICENSES = (
    Path(sysconfig.get_path("stdlib")) / "LICENSE.txt",
    Path(__file__).parents[3] / "LICENSE",
    *sorted(Path("/usr/share/common-licenses").glob("*")),
)


@cache
def texts() -> tuple[tuple[str, ...], ...]:
    """Each document as words with the white space that follows them."""
    documents = [
        *topics.values(),
        *(path.read_text("utf-8", "replace") for path in LICENSES if path.is_file()),
    ]
    split = (tuple(re.findall(r"\S+\s*", document)) for document in documents)
    return tuple(words for words in split if len(words) >= 100)


def prose_windows(n: int, seed: int, words: tuple[int, int] = (100, 2_000)) -> list[str]:
    """`n` windows of a random number of words (as many as the document has), a document by its length."""
    rng = random.Random(seed)
    documents = texts()
    weights = [len(document) for document in documents]
    windows = []
    for document in rng.choices(documents, weights, k=n):
        length = min(rng.randint(*words), len(document))
        start = rng.randint(0, len(document) - length)
        windows.append("".join(document[start : start + length]))
    return windows
