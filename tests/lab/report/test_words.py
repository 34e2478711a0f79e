"""Numbers as reports say them."""

from __future__ import annotations

import pytest

from lab.measure.statistics import Estimate
from lab.report.words import interval, number, p_value, percent, plural, signed, signed_percent


@pytest.mark.parametrize(
    ("value", "said", "said_signed"),
    [
        (2.5, "2.50", "+2.50"),
        (-1.0, "−1.00", "−1.00"),
        (-0.001, "0.00", "0.00"),
        (0.0, "0.00", "0.00"),
        (0.004, "0.00", "0.00"),
        (0.005001, "0.01", "+0.01"),
        (None, "–", "–"),
    ],
)
def test_signs(value: float | None, said: str, said_signed: str) -> None:
    assert (number(value), signed(value)) == (said, said_signed)


def test_shares_and_p() -> None:
    assert (percent(0.254), percent(None), signed_percent(-0.05), signed_percent(0.126, 1)) == (
        "25%",
        "–",
        "−5 pp",
        "+12.6 pp",
    )
    assert (p_value(0.0004), p_value(0.0016), p_value(1.0), p_value(None)) == (
        "< 0.001",
        "0.002",
        "1.000",
        "–",
    )
    assert (plural(1, "probe"), plural(2_000, "probe"), plural(0, "reply", "replies")) == (
        "1 probe",
        "2,000 probes",
        "0 replies",
    )


def test_intervals() -> None:
    found = Estimate(value=0.5, lower=-0.25, upper=0.75, confidence=0.95, n=9, method="m")
    assert (interval(found), interval(found, share=True)) == ("−0.25 to 0.75", "−25% to 75%")
    assert interval(Estimate(value=0.5, lower=None, upper=None, confidence=0.95, n=1, method="m")) == "–"
