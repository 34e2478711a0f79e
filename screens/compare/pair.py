"""One pair as it is shown: both answers, what either side is, and what is known of each place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.decode.types import Alternative
from lab.protocol import Overlaid, OverlayToken
from screens.compare.alternatives import Place
from screens.compare.score_panel import PairScores, SideScore
from screens.compare.texts import Parting
from screens.workbench import Answer
from store.records import SideName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.records import ScoreRecord

OTHER: Mapping[SideName, SideName] = {"left": "right", "right": "left"}
MODE_INSTRUMENTS = ("degeneration", "topic-evasion")


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair. An answer is None before it is begun; `same_tokens`: both sides number tokens alike."""

    comparison_id: str
    place: int
    name: str
    prompt: str
    seed: int
    domain: str | None = None
    left: Answer | None = None
    right: Answer | None = None
    same_tokens: bool = True
    scores: PairScores | None = None
    overlays: Mapping[SideName, Overlaid] = field(default_factory=dict)

    def answer(self, side: SideName) -> Answer | None:
        return self.left if side == "left" else self.right

    @property
    def is_over(self) -> bool:
        """Whether both answers are finished."""
        return all(a is not None and a.state == "finished" for a in (self.left, self.right))


def place_of(pair: Pair, at: Parting | None, side: SideName | None, token: int | None) -> Place:
    """What is known of the place under the cursor of a side, or else of the one where the answers part."""
    if side is None or token is None:
        if at is None:
            return Place(_not_parted(pair))
        side, token = "left", at.left
        title = f"Where they part · token {token + 1:,}"
    else:
        title = f"Token {token + 1:,} of the {side} answer"
    other = OTHER[side]
    overlaid = _overlay_token(pair, side, token)
    if overlaid is not None:
        left, right = overlaid.left_alternatives, overlaid.right_alternatives
    else:
        left, right = _end_alternatives(pair, side, token)
    note = ""
    if not left and not right:
        own = _alternatives(pair, side, token)
        same_context = at is not None and at.by_tokens and token <= at.left
        others = _alternatives(pair, other, token) if same_context or at is None else ()
        left, right = (own, others) if side == "left" else (others, own)
        note = "H asks both sides what they think of every token" if not others else ""
    at_parting = at is not None and token == (at.left if side == "left" else at.right)
    other_token = (at.right if side == "left" else at.left) if at_parting and at is not None else None
    said = {side: _said(pair, side, token)}
    said[other] = _said(pair, other, other_token) if other_token is not None else None
    return Place(title, said["left"], said["right"], left, right, overlaid, note)


def _not_parted(pair: Pair) -> str:
    return "The same text" if pair.is_over else "Not parted so far"


def _said(pair: Pair, side: SideName, token: int) -> str | None:
    """The token said there; empty where the answer had ended, None where it is not known."""
    answer = pair.answer(side)
    if answer is None:
        return None
    if token < len(answer.tokens):
        return answer.tokens[token].text
    return "" if answer.state == "finished" and answer.tokens else None


def _alternatives(pair: Pair, side: SideName, token: int) -> tuple[Alternative, ...]:
    answer = pair.answer(side)
    return answer.tokens[token].alternatives if answer and token < len(answer.tokens) else ()


def _overlay_token(pair: Pair, side: SideName, token: int) -> OverlayToken | None:
    overlay = pair.overlays.get(side)
    return overlay.tokens[token] if overlay is not None and token < len(overlay.tokens) else None


def _end_alternatives(
    pair: Pair, side: SideName, token: int
) -> tuple[tuple[Alternative, ...], tuple[Alternative, ...]]:
    """What either side would say behind the last token of an answer."""
    overlay = pair.overlays.get(side)
    if overlay is None or token != len(overlay.tokens):
        return (), ()
    return overlay.left_end, overlay.right_end


def side_score(scores: Iterable[ScoreRecord], instrument: str, version: str) -> SideScore | None:
    """The latest score of an answer by this instrument and version, with what detectors say of it."""
    latest: dict[str, ScoreRecord] = {}
    for score in scores:
        if score.instrument in MODE_INSTRUMENTS or (score.instrument, score.version) == (instrument, version):
            latest[score.instrument] = score
    found = latest.get(instrument)
    if found is None:
        return None
    contributions = found.detail.get("contributions")
    dimensions: Mapping[str, float | None] = found.dimensions
    if isinstance(contributions, Mapping) and contributions:
        dimensions = {name: contributions.get(name, 0.0) for name in found.dimensions}
    return SideScore(found.total, dimensions, _modes(latest))


def _modes(latest: Mapping[str, ScoreRecord]) -> tuple[str, ...]:
    modes = []
    evasion, loops = (latest.get(name) for name in ("topic-evasion", "degeneration"))
    if evasion is not None and evasion.total == 1:
        modes.append("topic evasion")
    if loops is not None and loops.total == 1:
        modes.append("collapse" if loops.dimensions.get("collapse") == 1 else "token loops")
    return tuple(modes)
