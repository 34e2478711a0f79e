"""The Curate screen over a real store: judged, taken back, edited, revealed, restored, by keys."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from lab.preference.desk import Card
from lab.preference.put_up import put_up
from screens.compare.texts import SideText
from screens.config import load_state
from screens.curate.card_texts import card_texts, normalized, trimmed
from screens.curate.edit_dialog import EditDialog
from screens.curate.screen import CurateScreen
from screens.curate.strip import SessionStrip
from screens.dialogs import ChoiceDialog, LineDialog
from screens.probes.screen import ProbesScreen
from screens.widgets.prompt_box import SafeTextArea
from store.ids import utc_now
from store.queries.judgements import PairAnswer, PairToJudge, Turn
from store.records import BY_HAND, ImportedAnswerRecord, PairRecord, Record
from tests.hostile import HOSTILE
from tests.screens.fakes import opened, screen_text, until
from tests.screens.judging import (
    ONE,
    OTHER,
    curate_lab,
    first_card,
    judged_records,
    pairs_of,
    press,
    shown,
    written,
)

CONTROL = {chr(code) for code in (*range(32), *range(127, 160))} - {"\n"}


def strip_text(screen: CurateScreen) -> str:
    return screen.query_one(SessionStrip).render().plain


async def test_a_key_judges_writes_and_moves_on_and_undo_comes_back(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(6)) as (app, pilot, screen):
        await first_card(pilot, screen)
        first, texts = screen.card, shown(screen)
        await press(pilot, screen, "a")
        second = screen.card
        assert second != first
        (entry,) = written(app.home)
        assert first is not None
        assert (entry["pair_id"], entry["verdict"], entry["blind"]) == (first.pair_id, "left", True)
        assert (entry["left_id"], entry["right_id"]) == first.sides(screen.rater)
        assert entry["reading_ms"] > 0
        await press(pilot, screen, "u")
        assert screen.card == first and shown(screen) == texts
        assert "no verdict" in screen_text(app)
        await press(pilot, screen, "ctrl+r")
        assert screen.card == second
        assert [entry["action"] for entry in written(app.home)] == ["verdict", "undo", "redo"]
        await until(pilot, lambda: "1 done │ 5 left" in strip_text(screen))


async def test_every_key_of_a_verdict(tmp_path: Path) -> None:
    keys = {"left": "a left 1", "right": "b right 2", "tie": "t 0", "both_bad": "x 9", "skip": "space"}
    async with curate_lab(tmp_path, judged_records(12)) as (app, pilot, screen):
        await first_card(pilot, screen)
        for names in keys.values():
            await press(pilot, screen, *names.split())
        said = [verdict for verdict in keys for _ in keys[verdict].split()]
        assert [entry["verdict"] for entry in written(app.home)] == said
        await press(pilot, screen, "ctrl+z", "u", "ctrl+y", "ctrl+r")
        undone = [entry["action"] for entry in written(app.home)][len(said) :]
        assert undone == ["undo", "undo", "redo", "redo"] and app.screen is screen


async def test_a_key_before_the_card_is_drawn_judges_nothing(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(4)) as (app, pilot, screen):
        await first_card(pilot, screen)
        for _ in range(3):
            screen.judge("left")
        await until(pilot, lambda: not screen.busy)
        assert len(written(app.home)) == 1


async def test_cards_win_over_the_keys_of_the_app_and_the_list_gives_them_back(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(4)) as (app, pilot, screen):
        await first_card(pilot, screen)
        await press(pilot, screen, "1", "x")
        assert app.screen is screen and len(written(app.home)) == 2
        await pilot.press("escape")
        await until(pilot, lambda: screen.place == "list" and screen.pairs.total == 4)
        assert "✓" in screen_text(app) and "✗" in screen_text(app)
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, ProbesScreen))
        await pilot.press("5")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("enter")
        await first_card(pilot, screen)
        await pilot.press("alt+1")
        await until(pilot, lambda: isinstance(app.screen, ProbesScreen))
        assert len(written(app.home)) == 2


async def test_nothing_is_lost_over_an_end_and_the_very_card_is_there_again(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(8)) as (app, pilot, screen):
        await first_card(pilot, screen)
        await press(pilot, screen, "a", "b", "t", "left_square_bracket", "left_square_bracket")
        card = screen.card
        await until(pilot, lambda: card is not None and app.state.card[1:2] == [card.pair_id])
    async with curate_lab(tmp_path) as (app, pilot, screen):
        await first_card(pilot, screen)
        assert screen.card == card
        assert screen.desk is not None and screen.desk.verdict is not None
        assert screen.desk.verdict.verdict == "right"
        await press(pilot, screen, "u", "u", "u")
        assert screen.desk.judged == 0
        await press(pilot, screen, "ctrl+r")
        assert screen.desk.judged == 1


async def test_an_end_between_verdict_and_next_card_goes_on_to_the_next_card(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(4)) as (app, pilot, screen):
        await first_card(pilot, screen)
        kept = list(app.state.card)
        await press(pilot, screen, "a")
        following = screen.card
        app.state.card = kept
        app.remember()
        await until(pilot, lambda: load_state(app.home.config).card == kept)
    async with curate_lab(tmp_path) as (app, pilot, screen):
        await first_card(pilot, screen)
        assert screen.card == following and screen.desk is not None and screen.desk.verdict is None


async def test_flag_note_and_next_open(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(5)) as (app, pilot, screen):
        await first_card(pilot, screen)
        card = screen.card
        await press(pilot, screen, "f")
        assert screen.card == card and "⚑ flagged" in screen_text(app)
        await pilot.press("c")
        await opened(app, pilot, LineDialog)
        await pilot.press(*"abx1 [/b]")
        await pilot.press("enter")
        await until(pilot, lambda: "✎ abx1 [/b]" in screen_text(app) and not screen.busy)
        assert screen.card == card
        await press(pilot, screen, "n")
        assert screen.card != card
        entries = written(app.home)
        assert [(e["action"], e["flagged"], e["note"]) for e in entries] == [
            ("flag", True, None),
            ("note", None, "abx1 [/b]"),
        ]
        await press(pilot, screen, "left_square_bracket", "f")
        assert "flagged" not in screen_text(app)


async def test_showing_the_sides_names_them_is_written_down_and_unblinds_what_follows(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(5)) as (app, pilot, screen):
        await first_card(pilot, screen)
        assert "tuned" not in screen_text(app) and "wick" not in screen_text(app).split("no verdict")[0]
        await press(pilot, screen, "v")
        assert "Left · wick" in screen_text(app) and "wick + tuned" in screen_text(app)
        await press(pilot, screen, "a", "v", "a")
        assert [(e["action"], e["blind"]) for e in written(app.home)] == [
            ("reveal", False),
            ("verdict", False),
            ("reveal", False),
            ("verdict", False),
        ]
        await press(pilot, screen, "a")
        assert written(app.home)[-1]["blind"]


async def test_entropies_are_shown_only_after_the_verdict_and_count_as_seen(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(3)) as (app, pilot, screen):
        await first_card(pilot, screen)
        await press(pilot, screen, "h")
        assert all(tape.look.plain for tape in screen.view.tapes) and "judge first" in screen_text(app)
        await press(pilot, screen, "a", "left_square_bracket", "h")
        assert not any(tape.look.plain for tape in screen.view.tapes)
        assert all(tape.side.entropies_nats for tape in screen.view.tapes)
        assert [e["action"] for e in written(app.home)] == ["verdict", "reveal"]
        await press(pilot, screen, "b")
        assert all(tape.look.plain for tape in screen.view.tapes)
        assert [(e["action"], e["blind"]) for e in written(app.home)][-1] == ("verdict", False)


async def test_the_diff_goes_through_words_and_tokens_and_stays_for_the_next_card(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(3)) as (app, pilot, screen):
        await first_card(pilot, screen)
        left, _ = screen.view.tapes
        await press(pilot, screen, "d")
        assert left.look.changed and "diff by words" in screen_text(app)
        await press(pilot, screen, "a")
        assert left.look.changed
        await press(pilot, screen, "d")
        assert left.look.changed and left.side.token_ids and "diff by tokens" in screen_text(app)
        await press(pilot, screen, "d")
        assert left.look.changed is None
        assert "words that both begin with" in screen_text(app)
        await press(pilot, screen, "z")
        assert "words that both begin with" not in screen_text(app)


async def test_a_better_answer_is_kept_beside_its_parent_and_preferred(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(3)) as (app, pilot, screen):
        await first_card(pilot, screen)
        card = screen.card
        assert card is not None
        left_id, right_id = card.sides(screen.rater)
        await pilot.press("e")
        await opened(app, pilot, EditDialog)
        await pilot.press("ctrl+t")
        assert "over the right one" in screen_text(app)
        app.screen.query_one(SafeTextArea).text = "A much better answer."
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is screen and len(written(app.home)) == 1 and not screen.busy)
        assert screen.card == card
        (made,) = [g for g in written(app.home, "generation") if g["model_id"] == BY_HAND]
        assert (made["parent_id"], made["text"]) == (right_id, "A much better answer.")
        (entry,) = written(app.home)
        chosen = entry["left_id"] if entry["verdict"] == "left" else entry["right_id"]
        assert chosen == made["id"] and {entry["left_id"], entry["right_id"]} == {made["id"], left_id}
        await press(pilot, screen, "u")
        await first_card(pilot, screen)
        assert "A much better answer." in shown(screen)
        assert screen.desk is not None and screen.desk.verdict is None


async def test_the_persons_own_editor_changes_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib\npathlib.Path(sys.argv[-1]).write_text('From outside.\\n')", "utf-8"
    )
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    async with curate_lab(tmp_path, judged_records(2)) as (app, pilot, screen):
        await first_card(pilot, screen)
        monkeypatch.setattr(type(app._driver), "can_suspend", True)
        monkeypatch.setattr(type(app._driver), "suspend_application_mode", lambda self: None, raising=False)
        monkeypatch.setattr(type(app._driver), "resume_application_mode", lambda self: None, raising=False)
        await pilot.press("e")
        await opened(app, pilot, EditDialog)
        await pilot.press("ctrl+e")
        await until(pilot, lambda: app.screen.query_one(SafeTextArea).raw_text == "From outside.")
        await pilot.press("escape")
        assert not written(app.home)


async def test_raters_have_logs_of_their_own(tmp_path: Path) -> None:
    async with curate_lab(tmp_path, judged_records(3)) as (app, pilot, screen):
        await first_card(pilot, screen)
        await press(pilot, screen, "a")
        await pilot.press("r")
        await opened(app, pilot, LineDialog)
        app.screen.query_one(Input).value = "bob [/b]"
        await pilot.press("enter")
        await until(pilot, lambda: screen.desk is not None and screen.desk.rater == "bob [/b]")
        await first_card(pilot, screen)
        assert screen.desk is not None and screen.desk.judged == 0 and screen.desk.undo() is None


@pytest.mark.parametrize("place", [0, 3])
async def test_queues_and_filters_change_what_comes(tmp_path: Path, place: int) -> None:
    """The one pair of the other queue comes, also where it is the very card that lies there."""
    records = judged_records(6)
    pairs = pairs_of(records)
    special = dataclasses.replace(pairs[place], stratum="after tuned", score_gap=0.1)
    records[records.index(pairs[place])] = special
    async with curate_lab(tmp_path, records) as (app, pilot, screen):
        await first_card(pilot, screen)
        await press(pilot, screen, "s")
        await until(pilot, lambda: screen.card is not None and screen.card.pair_id == special.id)
        assert "uncertain" in strip_text(screen)
        await press(pilot, screen, "a")
        await until(pilot, lambda: screen.place == "list")
        await pilot.press("s", "s", "s")
        await until(pilot, lambda: "5 left" in strip_text(screen))
        await pilot.press("o")
        await opened(app, pilot, ChoiceDialog)
        assert "stratum after tuned" in screen_text(app)
        await pilot.press("escape")


async def test_an_imported_conversation_is_shown_whole_with_its_last_turn_in_sight(tmp_path: Path) -> None:
    turns = [
        ("system", "Be brief."),
        ("user", "Who has the key?"),
        ("assistant", f"The nurse. {HOSTILE['clear screen']}"),
    ]
    messages = [{"role": role, "content": text} for role, text in (*turns, ("user", "And at night?"))]
    answers = [
        ImportedAnswerRecord(
            id=f"{name:0>32}",
            import_id="f" * 32,
            line=1,
            condition=name,
            probe_id="line 1",
            domain="pairs",
            prompt="And at night?",
            text=text,
            at=utc_now(),
            said_of_probe={"pair_id": "one", "messages": messages},
        )
        for name, text in (("chosen", "The guard."), ("rejected", "Nobody."))
    ]
    pair = put_up(answers[0].id, answers[1].id, source="imported")
    async with curate_lab(tmp_path, [*answers, pair]) as (app, pilot, screen):
        await first_card(pilot, screen)
        drawn = screen_text(app)
        for words in ("Be brief.", "Who has the key?", "The nurse.", "And at night?"):
            assert words in drawn
        assert not CONTROL & set(drawn)
        copied = screen.copy_text() or ""
        assert (
            "[system]\nBe brief.\n\n[user]\nWho has the key?" in copied and "[user]\nAnd at night?" in copied
        )
    short = pair_of(answer_of("So.", "a"), answer_of("No.", "b"))
    long = dataclasses.replace(short, earlier=(Turn("user", "one two three"),))
    card = Card("p", "a", "b", 0)
    words = [card_texts(card, pair, "ada", "off").words_to_read for pair in (short, long)]
    assert words[1] == words[0] + 5


def answer_of(text: str, name: str = "a", **changes: Any) -> PairAnswer:
    fields = {
        "generation_id": name,
        "text": text,
        "model_id": "m",
        "model_name": "wick",
        "adapter_name": None,
    }
    return PairAnswer(**{**fields, "condition_name": "plain", **changes})


def pair_of(first: PairAnswer, second: PairAnswer) -> PairToJudge:
    return PairToJudge("p", "sweep", "", "Why?", None, None, first, second)


def test_formats_are_matched_and_both_sides_are_in_the_same_pieces() -> None:
    first, second = answer_of("So.  \r\nIt is.\n\n  ", "a"), answer_of("So.\nIt was.", "b", model_id="n")
    texts = card_texts(Card("p", "a", "b", 0), pair_of(first, second), "ada", "tokens")
    assert {side.text for side in texts.sides} == {"So.\nIt is.", "So.\nIt was."}
    assert texts.diff == "words" and not texts.by_tokens
    assert not any(side.entropies_nats or side.token_ids for side in texts.sides)
    assert normalized("\n a \t\r\n b\t") == "a\n b"


def test_tokens_lose_blanks_at_the_ends_and_keep_their_places() -> None:
    side = SideText(("  ", " a", "\r\n", "b ", "\n", " "), (1, 2, 3, 4, 5, 6), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    assert trimmed(side) == SideText(("", "a", "\n", "b"), (1, 2, 3, 4), (0.1, 0.2, 0.3, 0.4))
    assert trimmed(SideText((" ", "\n"), (1, 2), (0.1, 0.2))).pieces == ()


def test_words_to_read_are_those_that_are_new() -> None:
    texts = card_texts(
        Card("p", "a", "b", 0), pair_of(answer_of("a b c d"), answer_of("a b x", "b")), "ada", "off"
    )
    left = texts.sides[0].text.split()
    right = texts.sides[1].text.split()
    assert texts.words_to_read == 1 + len(left) + len(right) - 2


async def test_nothing_on_the_screen_tells_the_sides_apart(tmp_path: Path) -> None:
    """The same texts with owners exchanged give the very same screen, styles included, text for text."""
    pictures: list[dict[frozenset[str], list[str]]] = []
    for swap in (False, True):
        texts = [(f"{ONE} ({n})", f"{OTHER} ({n})\n\n") for n in range(4)]
        records = judged_records(4, [pair[::-1] for pair in texts] if swap else texts)
        seen: dict[frozenset[str], list[str]] = {}
        async with curate_lab(tmp_path / str(swap), records) as (_app, pilot, screen):
            await first_card(pilot, screen)
            await press(pilot, screen, *["d" for _ in range(1 + swap * 3)])
            for _ in range(4):
                left, right = screen.view.tapes
                order = [left, right] if left.text < right.text else [right, left]
                lines = []
                for tape in order:
                    box = tape.parent
                    assert box is not None
                    lines += [str(tape.render_line(y)) for y in range(4)]
                    lines += [str(box.border_title).removeprefix("Left").removeprefix("Right")]  # type: ignore[attr-defined]
                    lines += [str(box.border_subtitle)]  # type: ignore[attr-defined]
                seen[frozenset(shown(screen))] = lines
                await press(pilot, screen, "right_square_bracket")
        pictures.append(seen)
    assert len(pictures[0]) == 4 and pictures[0] == pictures[1]


async def test_hostile_texts_harm_no_pane(tmp_path: Path) -> None:
    """Each as prompt, answer, probe, stratum and note, and some as the rater's name."""
    texts = list(HOSTILE.values())
    records: list[Record] = []
    for one, other, third in zip(texts[::3], texts[1::3], [*texts[2::3], "?"], strict=True):
        made = judged_records(1, [(one, f"{other} x")], prompt=third or "?", words=(one, other))
        records += [
            dataclasses.replace(record, stratum=one, probe_id=other)
            if isinstance(record, PairRecord)
            else record
            for record in made
        ]
    async with curate_lab(tmp_path, records) as (app, pilot, screen):
        app.state.rater = "".join(texts)[:400]
        screen.action_refresh()
        await until(pilot, lambda: screen.desk is not None and screen.desk.rater == screen.rater)
        await first_card(pilot, screen)
        await press(pilot, screen, "v")
        for n in range(len(pairs_of(records))):
            desk = screen.desk
            assert desk is not None
            record = desk.note("".join(texts[3 * n : 3 * n + 3]))
            assert record is not None
            screen._write(desk, [record])
            await until(pilot, lambda: not screen.busy)
            assert not CONTROL & set(screen_text(app))
            await press(pilot, screen, "a")
        assert len(written(app.home)) == 3 * len(pairs_of(records))
        await until(pilot, lambda: screen.place == "list" and screen.pairs.current is not None)
        assert not CONTROL & set(screen_text(app))
        await pilot.press("o")
        await opened(app, pilot, ChoiceDialog)
        assert not CONTROL & set(screen_text(app))
        await pilot.press("escape", "enter")
        await first_card(pilot, screen)
        await press(pilot, screen, "d", "h")
        assert not CONTROL & set(screen_text(app))
        await pilot.press("e")
        await opened(app, pilot, EditDialog)
        assert not CONTROL & set(screen_text(app))
