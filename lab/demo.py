"""What `lantern demo` asks: twelve core probes of different domains, plainly and under the kernel."""

from __future__ import annotations

from dataclasses import replace

from lab.asks import ask_probe
from lab.kernels import Kernel
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


def demo_asks(seed: int = 0, max_tokens: int | None = None) -> list[Ask]:
    """Every demo probe at baseline and then under the kernel: pairs side by side, one seed a pair."""
    sampling = load_preset("default")
    sampling = replace(sampling, max_tokens=max_tokens or sampling.max_tokens)
    conditions: tuple[Kernel | None, ...] = (None, load_kernel(DEMO_KERNEL))
    return [
        ask_probe(probe, kernel, sampling, seed + number)
        for number, probe in enumerate(demo_probes())
        for kernel in conditions
    ]
