"""The five scales on which a person rates an answer, blind, from 1 to 5.

They are those of the protocol behind seed 000: its benchmark tasks ask for insight, empathy and synthesis,
and its raters judge depth and coherence besides.
"""

from __future__ import annotations

from collections.abc import Mapping

from store.records import RATING_VALUES

SCALES: Mapping[str, str] = {
    "depth": "Does it look at more than one layer of the matter?",
    "insight": "Does it show a connection that was not obvious?",
    "empathy": "Does it understand what the people in it feel?",
    "synthesis": "Does it join domains in a way that means something?",
    "coherence": "Does it hold together, however far it wanders?",
}
"""What each scale asks, in the order in which they are shown."""

LEAST, MOST = RATING_VALUES[0], RATING_VALUES[-1]
