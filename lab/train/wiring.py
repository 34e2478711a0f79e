"""From settings to the objective, regularizer and monitors of a run: the one place where they are chosen."""

from __future__ import annotations

from lab.errors import LabError
from lab.models.load import LoadedModel
from lab.preference.settings import OBJECTIVES
from lab.train.hooks import Hooks, Objective
from lab.train.monitors.wiring import build_monitors
from lab.train.preference.objective import Preference
from lab.train.scu.regularizer import Scu
from lab.train.scu.settings import from_mapping
from lab.train.settings import TrainSettings
from lab.train.sft import Sft


def build_hooks(settings: TrainSettings, loaded: LoadedModel) -> Hooks:
    """What `settings` names. Raises LabError for what this lab does not have."""
    objective = _objective(settings)
    scu = None if settings.scu is None else Scu(from_mapping(settings.scu))
    return Hooks(objective=objective, regularizer=scu, monitors=build_monitors(settings, loaded))


def _objective(settings: TrainSettings) -> Objective:
    if settings.objective == Sft.name:
        return Sft()
    if settings.objective in OBJECTIVES:
        return Preference(settings.objective, settings.objective_settings)
    known = ", ".join((Sft.name, *OBJECTIVES))
    raise LabError(f"objective: {settings.objective!r} is not known; there are {known}")
