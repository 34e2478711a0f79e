"""What `lantern demo` asks: twelve core probes of different domains, plainly and under the kernel. Pure."""

from __future__ import annotations

from dataclasses import replace

from lab.asks import ask_probe
from lab.compare.sides import Side
from lab.kernels import load as load_kernel
from lab.probes import shipped
from lab.protocol import Ask
from lab.sampling import load_preset
from store.records import ProbeRecord

DEMO_KERNEL = "lantern"
DEMO_PROBES = 12


def demo_probes() -> list[ProbeRecord]:
    """The first core probe of each of the first twelve domains."""
    firsts: dict[str, ProbeRecord] = {}
    for probe in shipped():
        if probe.battery == "core":
            firsts.setdefault(probe.domain, probe)
    return list(firsts.values())[:DEMO_PROBES]


def demo_sides(model: str, max_tokens: int | None = None) -> tuple[Side, Side]:
    """The demo as a comparison: the model plainly (left) and under the kernel (right)."""
    sampling = load_preset("default")
    plain = Side(model, replace(sampling, max_tokens=max_tokens or sampling.max_tokens))
    return plain, replace(plain, kernel=load_kernel(DEMO_KERNEL))


def demo_tuned_sides(model: str, adapter: str, max_tokens: int | None = None) -> tuple[Side, Side]:
    """The model plainly (left), and with what it has learned but still without the kernel (right)."""
    plain, _ = demo_sides(model, max_tokens)
    return plain, replace(plain, adapter=adapter)


def demo_asks(seed: int = 0, max_tokens: int | None = None) -> list[Ask]:
    """Every demo probe at baseline and then under the kernel: pairs side by side, one seed a pair."""
    plain, under_kernel = demo_sides("", max_tokens)
    return [
        ask_probe(probe, side.kernel, side.sampling, seed + number)
        for number, probe in enumerate(demo_probes())
        for side in (plain, under_kernel)
    ]
