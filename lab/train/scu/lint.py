"""Reading a published adapter card: which of its rows contradict the formulas it states.

A printed figure stands for every number that rounds to it, so a row is flagged only where no such numbers
satisfy the formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lab.train.scu.quantities import LN2


@dataclass(frozen=True, slots=True)
class Span:
    """All numbers that round to a printed one."""

    low: float
    high: float

    @staticmethod
    def of(printed: str) -> Span:
        digits = printed.partition(".")[2]
        half = 0.5 * 10.0 ** -len(digits)
        return Span(float(printed) - half, float(printed) + half)

    def meets(self, other: Span) -> bool:
        # A hair of slack: the ends themselves are decimal fractions that floats miss by their last bit.
        slack = 1e-9 * max(abs(self.high), abs(other.high), 1e-12)
        return self.low <= other.high + slack and other.low <= self.high + slack


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """One row of a training table as printed; a column that the table lacks is None."""

    line: int
    step: int
    loss: str | None
    data_bpt: str | None
    param_bpt: str | None
    s_percent: str | None
    lambda_: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One contradiction: where, which rule, what is printed and what follows from the other figures."""

    line: int
    step: int | None
    rule: str
    message: str


_COLUMNS = {
    "step": ("step",),
    "loss": ("loss", "loss (nats)"),
    "data_bpt": ("data bpt", "databpt"),
    "param_bpt": ("param bpt", "parambpt", "parameter bpt"),
    "s_percent": ("s-ratio", "s ratio", "s"),
    "lambda_": ("lambda", "λ"),
}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_TARGET = re.compile(r"target\s*(?:s-ratio)?\W{0,8}(\d+(?:\.\d+)?)\s*%", re.IGNORECASE)
_CLOSER = re.compile(
    r"step\s+([\d,]+)[^.\n]{0,80}?(?:\([^)]*\)[^.\n]{0,40}?)?\bclos(?:er|est)\b", re.IGNORECASE
)
_SUM_SQUARES = re.compile(r"(?:Σ\s*\(?\s*w²?\^?2?\)?|sum of squares)\s*=\s*([\d.,]+)")
_SIGMA = re.compile(r"σ\s*=\s*([\d.]+)")
_TOKENS = re.compile(r"\bN\s*=\s*([\d,]+)")
_RESULT = re.compile(r"Result:\s*([\d.]+)\s*bits")


def rows_of(card: str) -> list[CardRow]:
    """The rows of every Markdown table in `card` that has a step column and at least one bits column."""
    rows: list[CardRow] = []
    header: dict[str, int] | None = None
    for number, line in enumerate(card.splitlines(), start=1):
        if "|" not in line:
            header = None
            continue
        cells = [cell.strip(" *`").lower() for cell in line.strip().strip("|").split("|")]
        if header is None:
            header = _header(cells)
        elif header and (row := _row(number, cells, header)):
            rows.append(row)
    return rows


def lint(card: str) -> list[Finding]:
    """Every contradiction in `card`, in the order of its lines."""
    rows = rows_of(card)
    findings = [finding for row in rows for finding in _row_findings(row)]
    findings += [*_closest_claims(card, rows), *_description_length(card)]
    return sorted(findings, key=lambda finding: (finding.line, finding.rule))


def _header(cells: list[str]) -> dict[str, int]:
    found = {
        name: cells.index(title) for name, titles in _COLUMNS.items() for title in titles if title in cells
    }
    return found if "step" in found and {"data_bpt", "param_bpt", "s_percent"} & found.keys() else {}


def _row(line: int, cells: list[str], header: dict[str, int]) -> CardRow | None:
    def number(column: str) -> str | None:
        place = header.get(column)
        found = _NUMBER.search(cells[place]) if place is not None and place < len(cells) else None
        return found.group() if found else None

    step = number("step")
    if step is None or "." in step:
        return None
    return CardRow(
        line=line,
        step=int(step),
        loss=number("loss"),
        data_bpt=number("data_bpt"),
        param_bpt=number("param_bpt"),
        s_percent=number("s_percent"),
        lambda_=number("lambda_"),
    )


def _row_findings(row: CardRow) -> Iterator[Finding]:
    if row.loss and row.data_bpt:
        loss = Span.of(row.loss)
        if not Span(loss.low / LN2, loss.high / LN2).meets(Span.of(row.data_bpt)):
            message = f"data BPT {row.data_bpt} is printed, loss {row.loss} gives {float(row.loss) / LN2:.3f}"
            yield Finding(line=row.line, step=row.step, rule="data_bpt = loss / ln 2", message=message)
    if row.data_bpt and row.param_bpt and row.s_percent:
        data, param = Span.of(row.data_bpt), Span.of(row.param_bpt)
        share = Span(100 * param.low / (data.high + param.low), 100 * param.high / (data.low + param.high))
        if not share.meets(Span.of(row.s_percent)):
            d, p = float(row.data_bpt), float(row.param_bpt)
            message = f"S {row.s_percent} % is printed, {p:g} / ({d:g} + {p:g}) is {100 * p / (d + p):.3f} %"
            yield Finding(line=row.line, step=row.step, rule="S = P / (D + P)", message=message)


def _closest_claims(card: str, rows: list[CardRow]) -> Iterator[Finding]:
    target = _TARGET.search(card)
    shares = {row.step: float(row.s_percent) for row in rows if row.s_percent}
    if target is None or not shares:
        return
    goal = float(target.group(1))
    for number, line in enumerate(card.splitlines(), start=1):
        for claim in _CLOSER.finditer(line):
            claimed = int(claim.group(1).replace(",", ""))
            best = min(shares, key=lambda step: abs(shares[step] - goal))
            if claimed in shares and abs(shares[best] - goal) < abs(shares[claimed] - goal):
                message = (
                    f"step {claimed} ({shares[claimed]:g} %) is called closest to the target {goal:g} %, "
                    f"step {best} ({shares[best]:g} %) is closer"
                )
                yield Finding(line=number, step=claimed, rule="closest to target", message=message)


def _description_length(card: str) -> Iterator[Finding]:
    parts = [pattern.search(card) for pattern in (_SUM_SQUARES, _SIGMA, _TOKENS, _RESULT)]
    if not all(parts):
        return
    squares, sigma, tokens, printed = (part.group(1).rstrip(".,") for part in parts if part)
    bits = float(squares.replace(",", "")) / (2 * float(sigma) ** 2 * float(tokens.replace(",", "")) * LN2)
    if not Span.of(printed).meets(Span(bits, bits)):
        line = card[: parts[3].start()].count("\n") + 1 if parts[3] else 1
        message = f"parameter BPT {printed} is printed, Σw² / (2σ²N ln 2) is {bits:.6f}"
        yield Finding(line=line, step=None, rule="P = Σw² / (2σ²N ln 2)", message=message)
