"""The engine protocol: every message survives the wire, and nothing else gets through."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.decode.types import Alternative, Sampling, TokenStat
from lab.errors import LabError
from lab.protocol import (
    Ask,
    Cancel,
    Failed,
    Generate,
    Load,
    Loaded,
    Overlaid,
    Overlay,
    OverlayToken,
    Progress,
    Shutdown,
    Spell,
    Spelled,
    Token,
    View,
    decode,
    encode,
)
from tests.hostile import HOSTILE

anything = st.text(st.characters())
nats = st.floats(0, 20)
alternatives = st.lists(st.builds(Alternative, st.integers(0), anything, st.floats(0, 1))).map(tuple)
token_ids = st.lists(st.integers(0)).map(tuple)
tokens = st.builds(
    TokenStat,
    index=st.integers(0, 4096),
    token_id=st.integers(0, 300_000),
    text=anything,
    entropy_nats=nats,
    sampling_entropy_nats=nats,
    surprisal_nats=nats,
    p_top1=st.floats(0, 1),
    margin=st.floats(0, 1),
    rank=st.integers(0, 300_000),
    alternatives=alternatives,
)
overlay_tokens = st.builds(
    OverlayToken,
    index=st.integers(0, 4096),
    token_id=st.integers(0, 300_000),
    text=anything,
    **dict.fromkeys(
        (
            "left_entropy_nats",
            "right_entropy_nats",
            "left_surprisal_nats",
            "right_surprisal_nats",
            "kl_nats",
        ),
        nats,
    ),
    left_rank=st.integers(0),
    right_rank=st.integers(0),
    left_alternatives=alternatives,
    right_alternatives=alternatives,
)
views = st.builds(View, adapter=st.none() | anything, kernel_text=st.none() | anything)
asks = st.builds(
    Ask,
    prompt=anything,
    sampling=st.builds(Sampling),
    seed=st.integers(),
    kernel_text=st.none() | anything,
    prefix_token_ids=token_ids,
    adapter=st.none() | anything,
    run_id=st.none() | anything,
)
paths = st.lists(anything, max_size=3).map(tuple)
records = st.dictionaries(anything, anything | st.integers(), max_size=3)
messages = st.one_of(
    st.builds(Load, request_id=anything, model=anything, adapters=paths),
    st.builds(
        Loaded,
        request_id=anything,
        model=records,
        load_ms=nats,
        adapters=st.lists(records, max_size=2).map(tuple),
    ),
    st.builds(
        Overlay,
        request_id=anything,
        prompt=anything,
        token_ids=token_ids,
        left=views,
        right=views,
        generation_id=st.none() | anything,
    ),
    st.builds(
        Overlaid,
        request_id=anything,
        generation_id=st.none() | anything,
        tokens=st.lists(overlay_tokens, max_size=3).map(tuple),
        left_end=alternatives,
        right_end=alternatives,
    ),
    st.builds(Generate, request_id=anything, asks=st.lists(asks, max_size=3).map(tuple)),
    st.builds(Cancel, request_id=anything),
    st.builds(Spell, request_id=anything, token_ids=token_ids),
    st.builds(Spelled, request_id=anything, texts=st.lists(anything, max_size=3).map(tuple)),
    st.just(Shutdown()),
    st.builds(Token, request_id=anything, generation_id=anything, token=tokens),
    st.builds(
        Progress,
        request_id=anything,
        done=st.integers(0),
        total=st.integers(0),
        tokens_per_second=nats,
        eta_s=st.none() | nats,
    ),
    st.builds(Failed, request_id=st.none() | anything, message=anything),
)


@given(messages)
def test_every_message_survives_the_wire(message: object) -> None:
    line = encode(message)  # type: ignore[arg-type]
    assert "\n" not in line
    assert line.isascii()
    assert decode(line) == message


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_prompts_are_data(text: str) -> None:
    message = Generate(request_id="r", asks=(Ask(prompt=text, sampling=Sampling(), seed=0),))
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"type":"nonsense"}',
        '{"type":"load"}',
        '{"type":"cancel","request":"x"}',
        "\x00",
    ],
)
def test_a_line_that_is_no_message_is_a_clear_error(line: str) -> None:
    with pytest.raises(LabError, match="engine protocol: not a message"):
        decode(line)


@given(st.binary() | anything)
def test_noise_never_escapes_as_another_exception(line: str | bytes) -> None:
    with contextlib.suppress(LabError):
        decode(line)
