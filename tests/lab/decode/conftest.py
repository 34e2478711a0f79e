"""Loaded tiny models, shared by the tests of decoding."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from lab.models.load import LoadedModel, load
from tests.models import tiny_model

Loader = Callable[..., LoadedModel]


@functools.cache
def _load(arch: str, quantized: bool) -> LoadedModel:
    return load(str(tiny_model(arch, quantized)))


@pytest.fixture(scope="session")
def loaded() -> Loader:
    """`loaded(arch, quantized=False)`: a tiny model, loaded once."""
    return lambda arch="llama", quantized=False: _load(arch, quantized)
