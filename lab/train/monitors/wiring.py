"""From a recipe's `monitors:` to the monitors of a run."""

from __future__ import annotations

from lab.models.load import LoadedModel
from lab.train.hooks import Monitor
from lab.train.monitors.perplexity import Perplexity
from lab.train.monitors.probes import Probes
from lab.train.monitors.settings import of_run
from lab.train.settings import TrainSettings


def build_monitors(train: TrainSettings, loaded: LoadedModel) -> tuple[Monitor, ...]:
    """What is watched in this run; `loaded` is the base. Raises LabError for settings that cannot be met."""
    settings = of_run(train.monitors)
    if settings is None:
        return ()
    probes: tuple[Monitor, ...] = ()
    if settings.asks:
        probes = (Probes(settings, train, loaded),)
    return (Perplexity(settings, train, loaded), *probes)
