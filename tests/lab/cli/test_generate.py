"""`lantern generate`: what is streamed is what is kept, and hostile prompts are data."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.home import Home
from store.queries import generation
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.cli.shell import json_lines, lantern
from tests.models import tiny_model


def test_json_streams_every_token_and_the_store_holds_the_same(tmp_path: Path) -> None:
    model = tiny_model("llama")
    result = lantern(
        "generate",
        "What is kept?",
        "--model",
        model,
        "--seed",
        "3",
        "--max-tokens",
        "20",
        "--json",
        home=tmp_path,
    )
    lines = json_lines(result)
    assert [line["type"] for line in lines] == ["started", *["token"] * (len(lines) - 2), "finished"]
    tokens, finished = lines[1:-1], lines[-1]
    service = StoreService(Home.resolve(tmp_path))
    kept = service.query(generation, finished["id"])
    service.close()
    assert kept is not None
    assert kept.generation.trace is not None
    assert kept.generation.text == "".join(token["text"] for token in tokens) == finished["text"]
    assert list(kept.generation.trace.token_ids) == [token["token_id"] for token in tokens]
    assert kept.generation.seed == 3
    assert all(len(token["alternatives"]) == 5 for token in tokens)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answer_and_another_seed_another(tmp_path: Path) -> None:
    def answer(seed: str) -> str:
        arguments = ("--model", tiny_model("llama"), "--preset", "explore", "--max-tokens", "24", "--json")
        return str(
            json_lines(lantern("generate", "Say.", "--seed", seed, *arguments, home=tmp_path))[-1]["text"]
        )

    first = answer("1")
    assert answer("1") == first
    assert answer("2") != first


def test_plain_output_is_the_answer_alone_and_holds_no_escape_codes(tmp_path: Path) -> None:
    prompt = "".join(text for text in HOSTILE.values() if len(text) < 200)
    result = lantern(
        "generate",
        "-",
        "--model",
        tiny_model("llama"),
        "--max-tokens",
        "8",
        home=tmp_path,
        stdin=prompt.encode("utf-8", "surrogatepass"),
    )
    assert not {byte for byte in result.stdout + result.stderr if byte < 32} - {10}
    assert b"kept as" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "needs a prompt or --probe"),
        (("hello", "--probe", "P01"), "one of the two"),
        (("--probe", "NO_SUCH"), "no probe 'NO_SUCH'"),
        ((" ",), "the prompt is empty"),
        (("hello", "--kernel", "nowhere"), "no kernel 'nowhere'"),
        (("hello", "--preset", "nowhere"), "nowhere"),
        (("hello", "--model", "./no/such/folder"), "no model at ./no/such/folder"),
    ],
)
def test_wrong_input_is_one_clear_line(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = lantern("generate", *arguments, home=tmp_path, check=False)
    assert result.returncode == 1
    assert result.stdout == b""
    error = result.stderr.decode()
    assert error.count("\n") == 1
    assert said in error
