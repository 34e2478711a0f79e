"""From settings to the objective, regularizer and monitors of a run: the one place where they are chosen."""

from __future__ import annotations

from lab.errors import LabError
from lab.models.load import LoadedModel
from lab.train.hooks import Hooks
from lab.train.settings import TrainSettings
from lab.train.sft import Sft


def build_hooks(settings: TrainSettings, loaded: LoadedModel) -> Hooks:
    """What `settings` names. Raises LabError for what this lab does not have."""
    if settings.objective != Sft.name:
        raise LabError(f"objective: {settings.objective!r} is not known; there is {Sft.name}")
    for name in ("scu", "monitors"):
        if getattr(settings, name) is not None:
            raise LabError(f"{name}: nothing of this name can be trained with yet; leave it out")
    return Hooks(objective=Sft())
