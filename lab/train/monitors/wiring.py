"""From a recipe's `monitors:` to the monitors of a run."""

from __future__ import annotations

from collections.abc import Mapping

from lab.models.load import LoadedModel
from lab.train.hooks import Monitor
from lab.train.monitors.perplexity import Perplexity
from lab.train.monitors.probes import Probes
from lab.train.monitors.settings import from_mapping
from lab.train.settings import TrainSettings


def build_monitors(train: TrainSettings, loaded: LoadedModel) -> tuple[Monitor, ...]:
    """What is watched in this run; `loaded` is the base. Raises LabError for settings that cannot be met."""
    if not isinstance(train.monitors, Mapping) and train.monitors is not True:
        return ()
    settings = from_mapping(train.monitors if isinstance(train.monitors, Mapping) else {})
    probes: tuple[Monitor, ...] = ()
    if settings.probes or settings.prompts:
        probes = (Probes(settings, train, loaded),)
    return (Perplexity(settings, train, loaded), *probes)
