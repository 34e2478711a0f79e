"""Attach adapters to a loaded model: base and tuned, any number of them, as rows of one batch.

The base's weights stay where they are, once; what is attached can be taken off again without reloading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.models.adapters import Adapter, read_adapter
from lab.models.gate import Gate, Replacement
from lab.models.gated_layers import (
    EMBEDDING,
    EXPERTS,
    LINEAR,
    SWITCH,
    Factors,
    Gated,
    GatedEmbedding,
    GatedExperts,
    GatedLinear,
    GatedSwitchLinear,
    dense_weight,
    low_rank_shapes,
)
from lab.models.layout import by_columns
from lab.models.runtime import mx, on_cpu, uses_reference_blas

if TYPE_CHECKING:
    from pathlib import Path

    from lab.models.load import LoadedModel
    from store.records import AdapterRecord

_KINDS: tuple[tuple[tuple[type, ...], type[Gated]], ...] = (
    (LINEAR, GatedLinear),
    (SWITCH, GatedSwitchLinear),
    (EMBEDDING, GatedEmbedding),
)


def attach(loaded: LoadedModel, adapters: Iterable[Adapter | str | Path]) -> tuple[AdapterRecord, ...]:
    """Attach exactly these adapters, given as read or by path; what was attached before is taken off.

    A row then runs on one of them with its id as `Row.variant`, and on the base with None. The same adapter
    given twice counts once. Raises LabError when one does not fit the model, and leaves all as it was.
    """
    wanted = {adapter.id: adapter for adapter in map(_read, adapters)}
    gate = loaded.gate
    if not gate.modules:
        gate.modules = dict(loaded.model.named_modules())
    layers: dict[str, Gated] = {}
    full: dict[str, tuple[Replacement, ...]] = {}
    for adapter in wanted.values():
        if adapter.record.fine_tune_type == "full":
            full[adapter.id] = _replacements(adapter, gate.modules)
        else:
            _add_low_rank(adapter, gate, layers)
    detach(loaded)
    _place(loaded, layers)
    gate.full = full
    gate.low_rank = tuple(id for id in wanted if id not in full)
    return tuple(adapter.record for adapter in wanted.values())


def detach(loaded: LoadedModel) -> None:
    """Take everything off; the model is again as it was loaded."""
    gate = loaded.gate
    for name in gate.placed:
        _put(gate.modules, name, gate.modules[name])
    gate.reset()


@contextmanager
def in_place_of(loaded: LoadedModel, path: str | Path) -> Iterator[AdapterRecord]:
    """Attach one adapter for a time, in place of whatever stands in its layers now.

    Those are the trainable layers of a model in training: they hold the very weights that `path` was saved
    from, know no gate, and come back afterwards as they were.
    """
    adapter = _read(path)
    standing = dict(loaded.model.named_modules())
    missing = [name for name in adapter.modules() if name not in standing]
    if missing:
        raise LabError(
            f"{adapter.weights}: this model has no {missing[0]}: the adapter was made for another one"
        )
    before = {name: standing[name] for name in adapter.modules()}
    try:
        (record,) = attach(loaded, [adapter])
        yield record
    finally:
        detach(loaded)
        for name, module in before.items():
            _put(loaded.gate.modules, name, module)


def shares_weights(loaded: LoadedModel, left: str | None, right: str | None) -> bool:
    """Whether rows on these two variants (adapter ids, None for the base) can be in one batch."""
    return loaded.gate.shares_weights((left, right))


def _read(adapter: Adapter | str | Path) -> Adapter:
    return adapter if isinstance(adapter, Adapter) else read_adapter(adapter)


def _add_low_rank(adapter: Adapter, gate: Gate, layers: dict[str, Gated]) -> None:
    """Put one adapter's factors into the gated layers, of which missing ones are made."""
    for name in adapter.modules():
        base = gate.modules.get(name)
        if base is None:
            raise LabError(
                f"{adapter.weights}: this model has no {name}: the adapter was made for another one"
            )
        if name not in layers:
            layers[name] = _gated(adapter, base, gate, name)
        _check_fit(adapter, name, base)
    tensors = {name: _ours(tensor) for name, tensor in adapter.load().items()}
    scale = adapter.record.scale
    for name, leaves in adapter.modules().items():
        a, b = tensors[leaves["lora_a"]], tensors[leaves["lora_b"]] * scale
        rescale = None
        if "m" in leaves:
            rescale = _dora_factor(gate.modules[name], a, b, tensors[leaves["m"]])
        mx.eval(a, b, *([] if rescale is None else [rescale]))
        layers[name].deltas.factors[adapter.id] = Factors(a, b, rescale)


def _gated(adapter: Adapter, base: Any, gate: Gate, name: str) -> Gated:
    for kinds, gated in _KINDS:
        if isinstance(base, kinds):
            return gated(base, gate, name)
    raise LabError(f"{adapter.weights}: {name} is a {type(base).__name__}, which takes no low-rank adapter")


def _check_fit(adapter: Adapter, name: str, base: Any) -> None:
    """The shapes of A, B and m are those that mlx-lm gives them on this layer."""
    rank = adapter.record.rank
    assert rank is not None
    for leaf, shape in low_rank_shapes(base, rank).items():
        found = adapter.shapes.get(f"{name}.{leaf}", shape)
        if found != shape:
            raise LabError(
                f"{adapter.weights}: {name}.{leaf} is {found}, this model needs {shape}: "
                "the adapter was made for a base of another size"
            )
    if adapter.record.fine_tune_type == "dora" and isinstance(base, SWITCH):
        raise LabError(f"{adapter.weights}: {name} are experts, which take no dora adapter")


def _dora_factor(base: Any, a: Any, b: Any, magnitude: Any) -> Any:
    """m / ‖W + s B A‖ `(out,)` for a linear layer, and by entry for an embedding; the norm is over inputs."""
    delta = a @ b if isinstance(base, EMBEDDING) else (a @ b).T
    return magnitude / mx.linalg.norm(dense_weight(base) + delta, axis=1)


def _replacements(adapter: Adapter, modules: Mapping[str, Any]) -> tuple[Replacement, ...]:
    """Where a full fine-tune's tensors go."""
    places = []
    for name, shape in adapter.shapes.items():
        owner, _, key = name.rpartition(".")
        base = modules[owner].get(key) if owner in modules else None
        if not isinstance(base, mx.array):
            raise LabError(f"{adapter.weights}: this model has no {name}: the fine-tune is of another one")
        if base.shape != shape:
            raise LabError(
                f"{adapter.weights}: {name} is {shape}, this model's is {base.shape}: "
                "the fine-tune is of a base of another size or quantization"
            )
        places.append((modules[owner], key, base, name))
    tensors = adapter.load()
    tuned = {name: _ours(tensors[name], base.dtype) for _, _, base, name in places}
    if uses_reference_blas():
        tuned = {name: by_columns(tensor) for name, tensor in tuned.items()}
    mx.eval(tuned)
    return tuple(Replacement(module, key, base, tuned[name]) for module, key, base, name in places)


def _ours(tensor: Any, dtype: Any = None) -> Any:
    """A tensor in the precision that this device computes in."""
    return tensor.astype(mx.float32) if on_cpu() else tensor.astype(dtype or tensor.dtype)


def _place(loaded: LoadedModel, layers: Mapping[str, Gated]) -> None:
    """Put the gated layers into the model, and wrap the experts that own some of them."""
    gate = loaded.gate
    placed: dict[str, Any] = dict(layers)
    for name, layer in layers.items():
        owner = name.rpartition(".")[0]
        if isinstance(layer, GatedSwitchLinear) and isinstance(gate.modules.get(owner), EXPERTS):
            placed[owner] = GatedExperts(gate.modules[owner], gate)
    for name, module in placed.items():
        _put(gate.modules, name, module)
    gate.placed = tuple(placed)


def _put(modules: Mapping[str, Any], name: str, module: Any) -> None:
    """Make `module` what the model's own modules call `name`, in its parent or in a list of it."""
    path: Sequence[str] = name.split(".")
    depth = max(i for i in range(len(path)) if ".".join(path[:i]) in modules)
    parent = modules[".".join(path[:depth])]
    for part in path[depth:-1]:
        parent = parent[int(part) if isinstance(parent, list) else part]
    if isinstance(parent, list):
        parent[int(path[-1])] = module
    else:
        parent[path[-1]] = module
