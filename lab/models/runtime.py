"""The one place where MLX is imported: a real BLAS goes first.

Everything in the lab that needs MLX takes it from here (`from lab.models.runtime import mx`), and everything
that needs mlx-lm takes it from `lab.models.mlx_lm_api`, so that no import order can leave the BLAS behind.
"""
# ruff: noqa: E402

from __future__ import annotations

import sys
from typing import Any

from lab.blas import BlasReport, preload, verify_and_measure

_blas = preload()

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten, tree_map

__all__ = [
    "async_eval",
    "backend_name",
    "device_name",
    "measure_gflops",
    "mx",
    "nn",
    "on_cpu",
    "tree_flatten",
    "tree_map",
    "uses_reference_blas",
]


def async_eval(*arrays: Any) -> None:
    """Start computing and return; MLX's own has no types."""
    mx.async_eval(*arrays)  # type: ignore[no-untyped-call]


def on_cpu() -> bool:
    """Whether MLX computes on the CPU."""
    return bool(mx.default_device().type == mx.DeviceType.cpu)


def uses_reference_blas() -> bool:
    """Whether products go through the slow reference BLAS of the Linux CPU wheel."""
    return on_cpu() and _blas.bundled and sys.platform.startswith("linux")


def device_name() -> str:
    """ "cpu" or "gpu"."""
    return "cpu" if on_cpu() else "gpu"


def backend_name() -> str:
    """Device and what computes there: "cpu openblas 0.3.21", "cpu bundled blas", "gpu metal"."""
    if not on_cpu():
        return "gpu metal" if mx.metal.is_available() else "gpu cuda"
    if not _blas.bundled:
        return f"cpu {_blas.name}"
    return "cpu accelerate" if sys.platform == "darwin" else "cpu bundled blas"


def measure_gflops() -> BlasReport:
    """The BLAS in use with its measured float32 speed and whether its products are right."""
    return verify_and_measure()
