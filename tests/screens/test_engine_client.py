"""The engine process from the terminal's side: real processes that answer, hang, lie and die."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from pathlib import Path

import pytest

from lab.decode.types import Sampling
from lab.errors import LabError
from lab.protocol import Ask, Done, Event, Failed, Finished, Loaded, Ready, Started, Token
from screens import engine_client
from screens.engine_client import EngineClient, EngineDiedError
from tests.screens.fakes import engine_command

ASK = Ask(prompt="why?", sampling=Sampling(max_tokens=5), seed=0)


async def next_of(client: EngineClient, *kinds: type[object]) -> Event | EngineDiedError:
    async with asyncio.timeout(20):
        while not isinstance(event := await client.events.get(), kinds):
            pass
    return event


def script(tmp_path: Path, body: str) -> list[str]:
    path = tmp_path / "engine.py"
    path.write_text(textwrap.dedent(body), "utf-8")
    return [sys.executable, str(path)]


async def test_it_loads_and_answers_in_order(tmp_path: Path) -> None:
    client = EngineClient(tmp_path, engine_command())
    await client.start()
    ready = await next_of(client, Ready)
    assert isinstance(ready, Ready) and ready.backend == "cpu fake blas"
    request = await client.load("wick")
    loaded = await next_of(client, Loaded)
    assert isinstance(loaded, Loaded) and loaded.request_id == request
    request = await client.generate([ASK, ASK])
    kinds = [type(await client.events.get()) for _ in range(14)]
    assert kinds.count(Started) == 2 and kinds.count(Token) == 10 and kinds.count(Finished) == 2
    done = await next_of(client, Done)
    assert isinstance(done, Done) and (done.request_id, done.done) == (request, 2)
    await client.close()
    assert not client.alive


async def test_cancelling_ends_a_request_early(tmp_path: Path) -> None:
    client = EngineClient(tmp_path, engine_command("--tokens", "100000", "--pace", "0.005"))
    await client.start()
    request = await client.generate([Ask(prompt="x", sampling=Sampling(max_tokens=100_000), seed=0)])
    await next_of(client, Token)
    await client.cancel(request)
    done = await next_of(client, Done)
    assert isinstance(done, Done) and done.cancelled
    await client.close()


async def test_a_death_carries_the_exit_code_and_the_last_words(tmp_path: Path) -> None:
    client = EngineClient(tmp_path, engine_command("--die-after", "1"))
    await client.start()
    await client.load("wick")
    died = await next_of(client, EngineDiedError)
    assert "exit code 3" in str(died) and "told to die" in str(died)
    with pytest.raises(EngineDiedError, match="not running"):
        await client.load("wick")
    await client.close()


async def test_a_killed_engine_is_named_by_its_signal(tmp_path: Path) -> None:
    client = EngineClient(tmp_path, engine_command())
    await client.start()
    await next_of(client, Ready)
    assert client._process is not None
    client._process.kill()
    assert "SIGKILL" in str(await next_of(client, EngineDiedError))
    await client.close()


async def test_nonsense_on_its_stdout_is_a_fault_and_not_the_end(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        """
        import sys, time
        print("this is no message [/]", flush=True)
        print('{"type":"ready","pid":1,"device":"cpu","backend":"b"}', flush=True)
        sys.stdin.read()
        """,
    )
    client = EngineClient(tmp_path, command)
    await client.start()
    failed = await next_of(client, Failed)
    assert isinstance(failed, Failed) and "not a message" in failed.message
    assert isinstance(await next_of(client, Ready), Ready)
    await client.close()


async def test_closing_kills_an_engine_that_will_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client, "GRACE_S", 0.2)
    command = script(
        tmp_path,
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('{"type":"ready","pid":1,"device":"cpu","backend":"b"}', flush=True)
        while True:
            time.sleep(60)
        """,
    )
    client = EngineClient(tmp_path, command)
    await client.start()
    await next_of(client, Ready)
    async with asyncio.timeout(20):
        await client.close()
    assert client._process is not None and client._process.returncode == -9


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    client = EngineClient(tmp_path, [str(tmp_path / "nothing")])
    with pytest.raises(LabError, match="cannot be started"):
        await client.start()
    await client.close()


async def test_closing_before_starting_is_harmless(tmp_path: Path) -> None:
    await EngineClient(tmp_path, engine_command()).close()


async def test_a_burst_of_events_leaves_turns_to_the_keys(tmp_path: Path) -> None:
    events = 20 * engine_client.EVENTS_A_TURN
    body = f"""
        import sys, time
        sys.stdout.write('{{"type":"ready","pid":1,"device":"cpu","backend":"b"}}\\n' * {events})
        sys.stdout.flush()
        time.sleep(60)
    """
    client = EngineClient(tmp_path, script(tmp_path, body))
    most, before = 0, 0

    async def count_between_turns() -> None:
        nonlocal most, before
        while client.events.qsize() < events:
            most = max(most, client.events.qsize() - before)
            before = client.events.qsize()
            await asyncio.sleep(0)

    await client.start()
    async with asyncio.timeout(20):
        await count_between_turns()
    await client.close()
    assert 0 < most <= engine_client.EVENTS_A_TURN
