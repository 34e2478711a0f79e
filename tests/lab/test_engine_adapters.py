"""The engine with adapters: attached without reloading, any two sides in one request, overlays."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from lab.decode.types import Sampling
from lab.protocol import Ask, Done, Event, Failed, Finished, Generate, Load, Loaded, Overlaid, Overlay, View
from store.home import Home
from store.queries import counts, generation
from store.service import StoreService
from tests.lab.compare.adapters import write_adapter
from tests.lab.engine_process import EngineProcess
from tests.models import tiny_model

SAMPLED = Sampling(temperature=1.0, top_p=1.0, max_tokens=12)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def engine(home: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(home)
    yield process
    process.kill()


def load(engine: EngineProcess, model: Path, *adapters: Path) -> Loaded | Failed:
    engine.send(Load(request_id="l", model=str(model), adapters=tuple(map(str, adapters))))
    return next(event for event in engine.events() if isinstance(event, Loaded | Failed))


def generate(engine: EngineProcess, *asks: Ask) -> list[Finished] | Failed:
    engine.send(Generate(request_id="g", asks=asks))
    events: list[Event] = []
    for event in engine.events():
        if isinstance(event, Failed):
            return event
        if isinstance(event, Done):
            break
        events.append(event)
    return sorted((e for e in events if isinstance(e, Finished)), key=lambda event: event.ask)


def ask(adapter: str | None = None, seed: int = 1, run_id: str | None = None) -> Ask:
    return Ask(prompt="What is kept?", sampling=SAMPLED, seed=seed, adapter=adapter, run_id=run_id)


def test_sides_are_rows_of_one_request_and_kept_apart(
    engine: EngineProcess, home: Path, tmp_path: Path
) -> None:
    model = tiny_model("llama")
    tuned = write_adapter(tmp_path / "tuned", model)
    idle = write_adapter(tmp_path / "idle", model, strength=0.0)
    loaded = load(engine, model, tuned, idle)
    assert isinstance(loaded, Loaded)
    assert [adapter["name"] for adapter in loaded.adapters] == ["tuned", "idle"]
    tuned_id, idle_id = (adapter["id"] for adapter in loaded.adapters)
    asks = [
        ask(adapter, seed, run)
        for seed in range(4)
        for adapter, run in ((None, "base"), (tuned_id, "tuned"), (idle_id, None))
    ]
    finished = generate(engine, *asks)
    assert isinstance(finished, list)
    service = StoreService(Home.resolve(home))
    service.ingest()
    base, tuned_answers, idle_answers = ([finished[i].generation for i in range(k, 12, 3)] for k in range(3))
    assert [answer["text"] for answer in idle_answers] == [answer["text"] for answer in base]
    assert [answer["text"] for answer in tuned_answers] != [answer["text"] for answer in base]
    assert {answer["run_id"] for answer in base} == {"base"}
    assert len({answer["run_id"] for answer in idle_answers} - {"base", "tuned", None}) == 1
    stored = service.query(generation, tuned_answers[0]["id"])
    assert stored is not None
    assert (stored.generation.run_id, stored.generation.adapter_sha256) == ("tuned", tuned_id)
    assert service.query(counts)["adapter"] == 2
    service.close()


def test_the_same_model_again_only_changes_the_adapters(
    engine: EngineProcess, home: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(tiny_model("llama"), tmp_path / "model")
    first = load(engine, model)
    tuned = write_adapter(tmp_path / "tuned", model)
    # Were the model read again, this would be noticed; its size and time are as they were.
    weights = model / "model.safetensors"
    status = weights.stat()
    content = weights.read_bytes()
    weights.write_bytes(b"\0" * len(content))
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = load(engine, model, tuned)
    assert isinstance(first, Loaded)
    assert isinstance(again, Loaded)
    assert (again.model, len(again.adapters)) == (first.model, 1)
    # Other files under the same name are another model.
    weights.write_bytes(content)
    (model / "chat_template.jinja").write_text("{{ messages[-1]['content'] }}", encoding="utf-8")
    other = load(engine, model)
    assert isinstance(other, Loaded)
    assert other.model["template_sha256"] != first.model["template_sha256"]


def test_a_bad_adapter_is_one_line_and_the_model_stays(engine: EngineProcess, tmp_path: Path) -> None:
    model = tiny_model("llama")
    load(engine, model)
    failed = load(engine, model, tmp_path / "nowhere")
    assert isinstance(failed, Failed)
    assert failed.message == (
        f"no adapter at {tmp_path / 'nowhere'}: give a folder that holds adapters.safetensors and "
        "adapter_config.json"
    )
    refused = generate(engine, ask(), ask("f" * 64))
    assert isinstance(refused, Failed)
    assert refused.message == "no adapter ffffffffffff is attached to this model: load it first"
    finished = generate(engine, ask())
    assert isinstance(finished, list)
    assert len(finished) == 1


def test_full_fine_tunes_take_turns_with_the_base(engine: EngineProcess, tmp_path: Path) -> None:
    model = tiny_model("llama")
    folder = tmp_path / "full"
    folder.mkdir()
    weights = load_file(model / "model.safetensors")
    name = "model.layers.0.mlp.down_proj.weight"
    save_file({name: weights[name] * 3}, folder / "adapters.safetensors")
    (folder / "adapter_config.json").write_text('{"fine_tune_type": "full", "num_layers": -1}')
    loaded = load(engine, model, folder)
    assert isinstance(loaded, Loaded)
    full_id = loaded.adapters[0]["id"]
    finished = generate(engine, ask(), ask(full_id), ask(seed=2), ask(full_id, seed=2))
    assert isinstance(finished, list)
    assert [event.generation["adapter_sha256"] for event in finished] == [None, full_id, None, full_id]
    alone = generate(engine, ask(seed=2))
    assert isinstance(alone, list)
    assert alone[0].generation["text"] == finished[2].generation["text"]
    assert finished[2].generation["text"] != finished[3].generation["text"]


def test_an_overlay_shows_both_sides_where_two_answers_part(engine: EngineProcess, tmp_path: Path) -> None:
    model = tiny_model("llama")
    loaded = load(engine, model, write_adapter(tmp_path / "tuned", model))
    assert isinstance(loaded, Loaded)
    tuned_id = loaded.adapters[0]["id"]
    engine.send(
        Overlay(
            request_id="o",
            generation_id="g1",
            prompt="What is kept?",
            token_ids=(70, 71, 72),
            left=View(),
            right=View(adapter=tuned_id, kernel_text="Be brief."),
        )
    )
    overlaid = next(event for event in engine.events() if isinstance(event, Overlaid | Failed))
    assert isinstance(overlaid, Overlaid)
    assert (overlaid.request_id, overlaid.generation_id) == ("o", "g1")
    assert [token.token_id for token in overlaid.tokens] == [70, 71, 72]
    assert all(
        len(token.left_alternatives) == len(token.right_alternatives) == 5 for token in overlaid.tokens
    )
    assert max(token.kl_nats for token in overlaid.tokens) > 0
    engine.send(dataclasses.replace(overlaid_request(), left=View(adapter="0" * 64)))
    failed = next(event for event in engine.events() if isinstance(event, Overlaid | Failed))
    assert isinstance(failed, Failed)


def overlaid_request() -> Overlay:
    return Overlay(request_id="o2", prompt="What?", token_ids=(70,), left=View(), right=View())
