"""`lantern compare judge`: a model reads the pairs of a comparison and says which answer is better."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, progress_bar, say
from lab.cli.workbench import workbench

if TYPE_CHECKING:
    from lab.judging import StoredJudgement

LISTED_ERRORS = 5


def judge(
    comparison_id: Annotated[
        str, typer.Argument(metavar="ID", help="The comparison: its id, a beginning of it, or last.")
    ],
    model: Annotated[
        str, typer.Option("--model", help="The judge: a model folder or a hub id.", show_default=False)
    ],
    template: Annotated[
        Path | None,
        typer.Option(
            help="A question of your own: text with {question}, {answer_a} and {answer_b}.",
            show_default=False,
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=8, help="Cut replies here.")] = 400,
    batch_size: Annotated[int, typer.Option(min=1, help="Replies made at a time.")] = 8,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Have a model judge every pair, in both orders; orders that disagree are a tie.

    A reply that cannot be read is an error and never a number. A stopped run goes on where it was.

    Example:

      lantern compare judge last --model mlx-community/Qwen3-8B-4bit
    """
    from lab.cli.compare import stored_comparison
    from lab.judging import judge_comparison, judgements
    from lab.measure.judge import load_template

    question = load_template(template)
    with workbench(home, model) as bench:
        comparison = stored_comparison(bench.store, comparison_id)
        judge_id = bench.session.loaded.record.id
        with progress_bar("replies") as bar:
            task = bar.add_task(bench.session.loaded.record.name, total=None, note="")
            judge_comparison(
                bench.store,
                bench.session,
                judge_id,
                comparison.id,
                question,
                max_tokens=max_tokens,
                batch_size=batch_size,
                on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        found = [
            judgement
            for judgement in judgements(bench.store, comparison.id)
            if (judgement.judge_model_id, judgement.template_sha256) == (judge_id, question.sha256)
        ]
    if as_json:
        emit({"comparison": comparison.id, "judgements": found})
        return
    for judgement in found:
        _tell(judgement)
    if not found:
        say("All pairs have equal texts: there was nothing to judge.")


def _tell(judgement: StoredJudgement) -> None:
    from lab.report.sentences import judged

    say(f"judge {judgement.judge_name}, template {judgement.template}: {judged(judgement)}")
    errors = [reply for reply in judgement.replies if reply.error]
    for reply in errors[:LISTED_ERRORS]:
        notice(f"pair {reply.place + 1}, {reply.shown_first} first: {reply.error}")
    if len(errors) > LISTED_ERRORS:
        notice(f"{len(errors) - LISTED_ERRORS} more replies could not be read; --json lists all")
