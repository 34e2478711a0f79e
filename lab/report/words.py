"""Numbers as reports say them: a true minus sign, as many decimals everywhere, "–" where there is none."""

from __future__ import annotations

from lab.measure.statistics import Estimate

NONE = "–"
_LEAST_P = 0.001


def number(value: float | None, decimals: int = 2) -> str:
    """2.50, −1.00; a value that rounds to zero has no sign."""
    if value is None:
        return NONE
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def signed(value: float | None, decimals: int = 2) -> str:
    """+2.50, −1.00, 0.00: for differences."""
    text = number(value, decimals)
    return f"+{text}" if value is not None and float(f"{value:.{decimals}f}") > 0 else text


def percent(value: float | None, decimals: int = 0) -> str:
    """A share as 25%."""
    return NONE if value is None else f"{number(100 * value, decimals)}%"


def signed_percent(value: float | None, decimals: int = 0) -> str:
    """A difference of shares in percentage points: +25 pp."""
    return NONE if value is None else f"{signed(100 * value, decimals)} pp"


def interval(estimate: Estimate, decimals: int = 2, *, share: bool = False) -> str:
    """The interval as "1.20 to 3.40", or as percent; "–" where there is no honest one."""
    if estimate.lower is None or estimate.upper is None:
        return NONE
    show = percent if share else number
    if share:
        return f"{show(estimate.lower)} to {show(estimate.upper)}"
    return f"{number(estimate.lower, decimals)} to {number(estimate.upper, decimals)}"


def p_value(value: float | None) -> str:
    """0.042; "< 0.001" below that."""
    if value is None:
        return NONE
    return f"< {_LEAST_P}" if value < _LEAST_P else f"{value:.3f}"


def sentence(text: str) -> str:
    """`text` with a capital letter in front."""
    return f"{text[:1].upper()}{text[1:]}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """1 probe, 2 probes."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
