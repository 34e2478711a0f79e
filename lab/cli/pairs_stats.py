"""`lantern pairs stats`: what the verdicts say, each figure with its n and interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, number, say, show, table
from lab.cli.stored import open_store

if TYPE_CHECKING:
    from lab.measure.statistics import Estimate
    from lab.preference.stats import PairStats, RaterFigures

EVERYONE = "everyone"


def stats(
    rater: Annotated[
        list[str] | None, typer.Option(help="Only verdicts of this rater (repeatable).", show_default=False)
    ] = None,
    by: Annotated[
        Literal["model", "condition"],
        typer.Option(help="Compare models and adapters, or each under its kernel and temperature."),
    ] = "model",
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Say what the verdicts come to: wins, agreement, biases, scorers against people, strengths of models.

    Examples:

      lantern pairs stats

      lantern pairs stats --by condition --rater ada --json
    """
    from lab.preference.judged import condition_words, curate, model_words
    from lab.preference.stats import pair_stats
    from store.queries.pairs import judged_pairs, judgement_log

    with open_store(home) as store:
        store.ingest()
        curated = curate(store.query(judged_pairs), store.query(judgement_log), rater or ())
    found = pair_stats(curated, condition_words if by == "condition" else model_words, seed=seed)
    if as_json:
        emit(found)
    elif not found.raters:
        say("no verdicts yet: `lantern pairs suggest` puts pairs up, the Curate screen judges them")
    else:
        _show(found)


def _show(found: PairStats) -> None:
    figures = found.raters if len(found.raters) == 1 else (*found.raters, found.everyone)
    _show_verdicts(figures)
    _show_biases(figures)
    if found.matchups:
        cells = [
            (
                one.second,
                one.first,
                f"{one.rate.wins} / {one.rate.ties} / {one.rate.losses}",
                share(one.rate.decisive),
                share(one.rate.with_ties),
                number(one.rate.p_value, 3),
            )
            for one in found.matchups
        ]
        headers = ("side", "against", "won / tied / lost", "of decided", "(W + ½T) / N", "p")
        show(table(headers, cells, right=(2, 3, 4, 5), title="Between sides, one verdict a pair"))
    _show_strengths(found)
    _show_scorers(figures)
    _show_agreement(found)
    _say_power(found)


def _show_verdicts(figures: tuple[RaterFigures, ...]) -> None:
    cells = [
        (
            one.rater or EVERYONE,
            str(one.pairs),
            *(str(one.verdicts.get(name, 0)) for name in ("left", "right", "tie", "both_bad", "skip")),
            "–" if one.manner.median_s is None else f"{one.manner.median_s:.1f}",
            str(one.manner.faster_than_reading),
            str(one.manner.unblinded),
        )
        for one in figures
    ]
    headers = ("rater", "pairs", "left", "right", "tie", "both bad", "skip", "median s", "hasty", "unblinded")
    show(table(headers, cells, right=tuple(range(1, 10)), title="Verdicts (hasty: faster than reading)"))


def _show_biases(figures: tuple[RaterFigures, ...]) -> None:
    cells = [
        (
            one.rater or EVERYONE,
            share(one.manner.left_wins),
            share(one.length.longer_wins),
            *(share(one.length.by_gap.get(gap)) for gap in ("within 10 %", "over 50 %")),
            share(one.steady),
        )
        for one in figures
    ]
    headers = ("rater", "left wins", "longer wins", "… gap ≤ 10 %", "… gap > 50 %", "same when swapped")
    show(table(headers, cells, right=(1, 2, 3, 4, 5), title="Position, length and steadiness"))


def _show_strengths(found: PairStats) -> None:
    if not found.strengths:
        return
    cells = [
        (one.name, str(one.contests), number(one.strength.value), interval(one.strength))
        for one in found.strengths
    ]
    title = "Bradley–Terry strengths, nats of odds"
    show(table(("side", "n", "strength", "95 %"), cells, right=(1, 2, 3), title=title))
    groups = {one.group for one in found.strengths}
    if len(groups) > 1:
        notice(f"{len(groups)} groups of sides that no verdict links: strengths compare within one only")


def _show_scorers(figures: tuple[RaterFigures, ...]) -> None:
    cells = [
        (f"{by.instrument} {by.version}", one.rater or EVERYONE, share(by.agrees), str(by.equal))
        for one in figures
        for by in one.scorers
    ]
    if cells:
        headers = ("scorer", "rater", "prefers the same", "equal totals")
        show(table(headers, cells, right=(2, 3), title="People against scorers, decided pairs"))


def _show_agreement(found: PairStats) -> None:
    told = [(" and ".join(kappa.raters), kappa.agreement) for kappa in found.kappas]
    if found.alpha is not None:
        told.append(("all raters", found.alpha))
    for who, agreement in told:
        value = number(agreement.value) if agreement.value is not None else agreement.note
        observed = "" if agreement.observed is None else f", {agreement.observed:.0%} observed"
        spread = f" {interval(agreement)}" if agreement.lower is not None else ""
        say(f"{agreement.coefficient} of {who}: {value}{spread} (n = {agreement.n}{observed})")


def _say_power(found: PairStats) -> None:
    needed = ", ".join(f"{row.win_rate:.0%} {row.n}" for row in found.power)
    say(f"decided pairs so far: {found.decided}; to show a true win rate of … takes: {needed}")
    if found.undone:
        notice(f"{found.undone} judged pairs have no verdict that stands")


def share(estimate: Estimate | None) -> str:
    """A share with its interval and n, such as "62 % [48, 74] n 50"; "–" where nothing decides it."""
    if estimate is None or estimate.value is None:
        return "–"
    bounds = "" if estimate.lower is None else f" [{estimate.lower:.0%}, {estimate.upper:.0%}]"
    return f"{estimate.value:.0%}{bounds} n {estimate.n}".replace("%, ", ", ").replace("%]", "]")


def interval(estimate: Estimate) -> str:
    """[lower, upper], or why there is none."""
    if estimate.lower is None:
        return estimate.note or "–"
    return f"[{number(estimate.lower)}, {number(estimate.upper)}]"
