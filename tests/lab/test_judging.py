"""A stored comparison judged: both orders asked, errors never numbers, a stopped run gone on with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mlx.optimizers as optim
import pytest

from lab.errors import LabError
from lab.judging import ORDERS, judge_comparison, judgements
from lab.measure.judge import JudgeSummary, JudgeTemplate, PairToJudge, judge_prompt, load_template
from lab.models.load import LoadedModel, load
from lab.models.runtime import mx, nn
from lab.models.template import render
from lab.protocol import Ask, Done, Event, Finished, Started
from lab.session import Session
from store.home import Home
from store.journal import Journal
from store.queries.judges import judge_replies
from store.records import ComparisonRecord
from store.service import StoreService
from tests.lab.comparisons import store_comparison, texts
from tests.models import tiny_model
from tests.store import facts

TEMPLATE = load_template()
JUDGE = facts.sha("judge")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StoreService]:
    with StoreService(Home.resolve(tmp_path / "home"), "test") as service:
        yield service


class Replies:
    """The face of a session whose model says what `reply` says to a prompt; it keeps what it was asked."""

    def __init__(self, service: StoreService, reply: Callable[[str], str], stop_after: int = 1_000) -> None:
        self.asked: list[Ask] = []
        self._service = service
        self._reply = reply
        self._stop_after = stop_after

    def generate(
        self,
        request_id: str,
        asks: Sequence[Ask],
        batch_size: int = 8,
        should_stop: Callable[[], bool] = lambda: False,
        run_id: str | None = None,
    ) -> Iterator[Event]:
        for index, ask in enumerate(asks[: self._stop_after]):
            self.asked.append(ask)
            kept = facts.generation(0, run_id=run_id, model_id=JUDGE, text=self._reply(ask.prompt))
            self._service.append(kept)
            yield Started(
                request_id=request_id,
                generation_id=kept.id,
                ask=index,
                prompt_tokens=9,
                kernel_placement="none",
            )
            fields = dataclasses.asdict(dataclasses.replace(kept, trace=None))
            yield Finished(request_id=request_id, generation_id=kept.id, ask=index, generation=fields)
        yield Done(request_id=request_id, done=len(asks), total=len(asks), cancelled=False)


def likes_length(prompt: str) -> str:
    """An impartial judge: the longer answer, whatever its place."""
    first, second = prompt.partition("ANSWER A\n")[2].partition("===== END")[0].split("===== ANSWER B\n")
    return "Longer.\n" + ("[[A]]" if len(first) > len(second) else "[[B]]")


def judged(service: StoreService, decoder: Replies, comparison_id: str) -> int:
    return judge_comparison(service, decoder, JUDGE, comparison_id, TEMPLATE)


def test_an_impartial_judge(service: StoreService) -> None:
    left = ["Short.", "A much longer answer of the base.", "Same.", "One."]
    right = ["A longer answer.", "Brief.", "Same.", "Two, and more."]
    record = store_comparison(service, left, right)
    decoder = Replies(service, likes_length)
    assert judged(service, decoder, record.id) == 6
    assert [(ask.sampling.temperature, ask.seed, ask.alternatives) for ask in decoder.asked] == [
        (0, 0, 0)
    ] * 6
    (found,) = judgements(service, record.id)
    assert [pair.verdict for pair in found.summary.pairs] == ["right", "left", "tie", "right"]
    assert (found.summary.win_rate.wins, found.summary.win_rate.ties, found.summary.win_rate.losses) == (
        2,
        1,
        1,
    )
    assert (found.summary.equal_texts, found.summary.errors, found.summary.disagreements) == (1, 0, 0)
    assert found.summary.first_shown.value == 0.5
    assert (found.template, found.template_sha256) == ("pair-v1", TEMPLATE.sha256)
    assert found.replies[0].reply == "Longer.\n[[B]]"
    assert found.summary.agreement is not None and found.summary.agreement.n == 4
    # Judged once is judged: nothing is asked again, and another template is another judge.
    assert judged(service, Replies(service, likes_length), record.id) == 0
    other = dataclasses.replace(TEMPLATE, name="mine", sha256=facts.sha("mine"))
    assert judge_comparison(service, Replies(service, likes_length), JUDGE, record.id, other) == 6
    assert [judgement.template for judgement in judgements(service, record.id)] == ["mine", "pair-v1"]


def test_what_cannot_be_read_is_kept_as_an_error(service: StoreService) -> None:
    record = store_comparison(service, ["One.", "Two."], ["Uno.", "Dos."])
    replies = iter(["[[A]]", "I like them", "[[B]] no [[A]]", "[[C]]"])
    judged(service, Replies(service, lambda _: next(replies)), record.id)
    assert [
        (row.place, row.shown_first, row.verdict, row.error)
        for row in service.query(judge_replies, record.id)
    ] == [
        (0, "left", "left", None),
        (0, "right", None, "no verdict [[A]], [[B]] or [[C]] in “I like them”"),
        (1, "left", None, "several verdicts: [[B]], [[A]]"),
        (1, "right", "tie", None),
    ]
    (found,) = judgements(service, record.id)
    assert (found.summary.judged, found.summary.errors) == (0, 2)
    assert found.summary.win_rate.with_ties.value is None


def test_a_stopped_run_is_gone_on_with(service: StoreService) -> None:
    record = store_comparison(service, texts(5, rich=False), texts(5, rich=True))
    assert judged(service, Replies(service, likes_length, stop_after=3), record.id) == 3
    (found,) = judgements(service, record.id)
    assert (found.summary.judged, found.summary.errors) == (1, 4)
    rest = Replies(service, likes_length)
    assert judged(service, rest, record.id) == 7
    assert len(rest.asked) == 7
    assert judgements(service, record.id)[0].summary.errors == 0


def test_nothing_to_judge(service: StoreService) -> None:
    with pytest.raises(LabError, match="no pair has both answers"):
        judged(service, Replies(service, likes_length), "none")
    assert judgements(service, "none") == []


SHORT = JudgeTemplate("short", "{question}\nA: {answer_a}\nB: {answer_b}\n", facts.sha("short"))


def test_a_real_model_that_follows_places(tmp_path: Path) -> None:
    """A tiny model, taught to say [[A]] whatever it is shown: both orders disagree, so that all is a tie."""
    home = Home.resolve(tmp_path / "home")
    with StoreService(home, "test") as service, Journal.open(home, "cli") as journal:
        record = store_comparison(service, ["One.", "Two."], ["Uno.", "Dos."])

        def summary_by(loaded: LoadedModel) -> JudgeSummary:
            session = Session(loaded, journal)
            judge = loaded.record.id
            assert judge_comparison(service, session, judge, record.id, SHORT, max_tokens=12) == 4
            found = {
                judgement.judge_model_id: judgement.summary for judgement in judgements(service, record.id)
            }
            return found[judge]

        untaught = summary_by(load(str(tiny_model("llama"))))
        assert (untaught.judged, untaught.errors) == (0, 2)
        replies = service.query(judge_replies, record.id)
        assert all(reply.error and reply.verdict is None and reply.reply for reply in replies)

        loaded = load(str(tiny_model("llama", seed=1)))
        teach(loaded, "[[A]]", record)
        taught = summary_by(loaded)
        assert (taught.judged, taught.disagreements, taught.win_rate.ties) == (2, 2, 2)
        assert (taught.first_shown.value, taught.first_shown.n) == (1.0, 4)


def teach(loaded: LoadedModel, reply: str, record: ComparisonRecord) -> None:
    """Train a loaded model for a moment until it gives `reply` to what it is asked, in either order."""
    said = [*loaded.tokenizer.encode(reply, add_special_tokens=False), *loaded.tokenizer.eos_token_ids]
    prompts = [
        render(loaded, judge_prompt(SHORT, PairToJudge(pair.prompt, left, right), first)).token_ids
        for pair, left, right in zip(record.pairs, ("One.", "Two."), ("Uno.", "Dos."), strict=True)
        for first in ORDERS
    ]
    batches = [mx.array([[*prompt, *said]]) for prompt in prompts]

    def loss(model: Any) -> Any:
        answers = (model(batch[:, :-1])[:, -len(said) :] for batch in batches)
        return sum(
            nn.losses.cross_entropy(logits, batch[:, -len(said) :]).mean()
            for logits, batch in zip(answers, batches, strict=True)
        )

    step = nn.value_and_grad(loaded.model, loss)
    optimizer = optim.Adam(learning_rate=3e-3)
    for _ in range(400):
        value, gradients = step(loaded.model)
        optimizer.update(loaded.model, gradients)
        mx.eval(loaded.model.parameters(), optimizer.state)
        if value.item() < 0.1:
            return
    raise AssertionError("it did not learn to say so")
