"""Rubrics: instruments as data, run by one engine."""

from lab.measure.rubric.engine import RubricInstrument, score
from lab.measure.rubric.explain import Account, DimensionAccount, Match, explain
from lab.measure.rubric.model import Rubric
from lab.measure.rubric.reading import load, parse

__all__ = [
    "Account",
    "DimensionAccount",
    "Match",
    "Rubric",
    "RubricInstrument",
    "explain",
    "load",
    "parse",
    "score",
]
