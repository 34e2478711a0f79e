"""Give the layers of one model other functions to call, without a copy of their code.

mlx-lm's layers call `swiglu` and `scaled_dot_product_attention` by name. Here a model's layers get classes of
their own whose `__call__` is mlx-lm's code with these names bound to the lab's functions. Other models of the
process are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from lab.models.mlx_lm_api import scaled_dot_product_attention, swiglu
from lab.train.exponentials import attention, exponentials_are_slow, silu_times

Exchange = tuple[Callable[..., Any], Callable[..., Any]]
"""A function that layers name, and what they are to call instead."""

_QUICK: Sequence[Exchange] = ((swiglu, silu_times), (scaled_dot_product_attention, attention))


def use_quick_functions(model: Any) -> None:
    """Where MLX's exponentials are slow, let this model's layers call those of `lab.train.exponentials`."""
    if exponentials_are_slow():
        rebind(model, _QUICK)


def rebind(model: Any, exchanges: Sequence[Exchange]) -> None:
    """Exchange functions in the code of all layers of `model`."""
    classes: dict[type, type] = {}
    for module in model.modules():
        cls = type(module)
        if cls not in classes:
            classes[cls] = _bound(cls, exchanges)
        module.__class__ = classes[cls]


def _bound(cls: type, exchanges: Sequence[Exchange]) -> type:
    """A class whose `__call__` finds other functions by the names in its code; `cls` where it names none."""
    call: Any = cls.__call__
    if not isinstance(call, FunctionType):
        return cls
    names, known = call.__code__.co_names, call.__globals__
    other = {name: new for name in names for old, new in exchanges if known.get(name) is old}
    if not other:
        return cls
    bound = FunctionType(
        call.__code__, {**known, **other}, call.__name__, call.__defaults__, call.__closure__
    )
    bound.__kwdefaults__ = call.__kwdefaults__
    return type(cls.__name__, (cls,), {"__call__": bound})
