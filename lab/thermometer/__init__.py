"""The entropy thermometer for files: a text, or a data set of training rows (entropy.md, 2 and 3)."""

from lab.thermometer.dataset import DataSetReading, RowReading, Spread, read_data_set
from lab.thermometer.overlap import Duplicate, ProbeOverlap
from lab.thermometer.structure import Structure
from lab.thermometer.text import TextReading, read_text_entropy

__all__ = [
    "DataSetReading",
    "Duplicate",
    "ProbeOverlap",
    "RowReading",
    "Spread",
    "Structure",
    "TextReading",
    "read_data_set",
    "read_text_entropy",
]
