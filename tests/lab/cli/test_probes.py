"""`lantern probes` against a real store in a home of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.probes import load, shipped, sync_shipped
from store.home import Home
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.cli.calls import call, feed
from tests.store import facts

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def fresh_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the shipped probes, made once and copied for each test."""
    path = tmp_path_factory.mktemp("fresh") / "home"
    service = StoreService(Home.resolve(path))
    sync_shipped(service)
    service.close()
    return path


@pytest.fixture(autouse=True)
def home(fresh_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(fresh_home, tmp_path / "home")
    monkeypatch.setattr("lab.cli.main.COMMANDS", {"probes": "lab.cli.probes"})
    monkeypatch.setenv("LANTERN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def listed(capsys: Capture, *filters: str) -> list[str]:
    return [probe["id"] for probe in json.loads(call(capsys, "probes", "list", *filters, "--json").out)]


def add(capsys: Capture, identity: str, prompt: str = "Who waits?", *more: str) -> None:
    ran = call(capsys, "probes", "add", identity, "--domain", "Travel", "--prompt", prompt, *more)
    assert ran.code == 0, ran.err


def test_a_new_home_gets_the_shipped_probes(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANTERN_HOME", str(tmp_path / "new"))
    assert len(listed(capsys)) == len(shipped())


def test_list_filters_by_text_battery_and_domain(capsys: Capture) -> None:
    assert len(listed(capsys)) == len(shipped())
    core = listed(capsys, "--battery", "CORE")
    ids = [probe.id for probe in shipped() if probe.battery == "core"]
    assert core == sorted(ids, key=lambda name: (int(name[1:].split("_")[0]), name))
    assert len(listed(capsys, "--battery", "core", "--domain", "hypnos")) == 8
    both = listed(capsys, "--battery", "core", "--domain", "hypnos", "--domain", "Identity")
    assert len(both) == 11
    assert listed(capsys, "--text", "p11_hypnos_dream", "--battery", "core") == ["P11_HYPNOS_DREAM"]


def test_list_as_a_table(capsys: Capture) -> None:
    ran = call(capsys, "probes", "list", "--battery", "core", "--domain", "Identity")
    assert ran.code == 0
    assert "P01_IDENTITY_TWO_NAMES" in ran.out
    assert ran.err == "3 probes\n"


def test_show_has_the_whole_prompt_and_the_history(capsys: Capture, home: Path) -> None:
    ran = call(capsys, "probes", "show", "p01_identity_two_names")
    prompt = next(probe.prompt for probe in shipped() if probe.id == "P01_IDENTITY_TWO_NAMES")
    assert prompt in ran.out
    assert "No answers yet." in ran.out
    service = StoreService(Home.resolve(home))
    answer = facts.generation(probe_battery="core", probe_id="P01_IDENTITY_TWO_NAMES")
    service.append(facts.model(), facts.condition(), answer)
    service.close()
    shown = json.loads(call(capsys, "probes", "show", "P01_IDENTITY_TWO_NAMES", "--json").out)
    assert shown["probe"]["n_answers"] == 1
    (cell,) = shown["history"]
    assert (cell["condition_name"], cell["n"], cell["mean_entropy_nats"]) == ("baseline", 1, 1.5)
    assert "1.50" in call(capsys, "probes", "show", "P01_IDENTITY_TWO_NAMES").out


def test_add_edit_and_show(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    add(capsys, "MINE01", "Who waits?", "--subject", "waits")
    ran = call(capsys, "probes", "add", "MINE01", "--domain", "D", "--prompt", "Again?")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "has a probe MINE01 already" in ran.err
    feed(monkeypatch, "Who stays, and für whom?\n".encode())
    assert call(capsys, "probes", "edit", "mine01", "--prompt", "-").out == "MINE01 changed in user\n"
    probe = json.loads(call(capsys, "probes", "show", "MINE01", "--json").out)["probe"]
    assert probe["prompt"] == "Who stays, and für whom?"
    assert (probe["domain"], probe["subjects"], probe["origin"]) == ("Travel", ["waits"], "user")
    same = call(capsys, "probes", "edit", "MINE01", "--domain", "Travel")
    assert same.out == "MINE01 unchanged in user\n"
    assert call(capsys, "probes", "edit", "MINE01").code == 1


def test_an_edited_shipped_probe_stays_edited(capsys: Capture) -> None:
    assert call(capsys, "probes", "edit", "P01_IDENTITY_TWO_NAMES", "--domain", "Mine").code == 0
    assert listed(capsys, "--domain", "Mine") == ["P01_IDENTITY_TWO_NAMES"]


def test_an_id_in_two_batteries_asks_which(capsys: Capture) -> None:
    add(capsys, "SAME", "One?", "--battery", "one")
    add(capsys, "SAME", "Two?", "--battery", "two")
    ran = call(capsys, "probes", "show", "SAME")
    assert (ran.code, ran.err) == (1, "lantern: SAME is in one, two: say --battery\n")
    shown = json.loads(call(capsys, "probes", "show", "SAME", "--battery", "two", "--json").out)
    assert shown["probe"]["prompt"] == "Two?"


def test_import_keeps_good_rows_lists_bad_ones_and_is_idempotent(tmp_path: Path, capsys: Capture) -> None:
    rows = [
        {"id": n, "domain": "Water", "ethical_tension": "t", "prompt": f"Whose well {n}?"} for n in (1, 2)
    ]
    file = tmp_path / "regional.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + '\n{"id": 3}\nnot json\n')
    ran = call(capsys, "probes", "import", str(file))
    assert (ran.code, ran.out) == (0, "2 added, 0 changed, 0 unchanged, 2 bad\n")
    assert ran.err.splitlines()[0] == f"{file}: line 3: domain: missing"
    assert "line 4: not JSON" in ran.err
    file.write_text(file.read_text().replace("well 2", "spring 2"))
    again = json.loads(call(capsys, "probes", "import", str(file), "--json").out)
    assert (again["added"], again["changed"], again["unchanged"], len(again["bad"])) == (0, 1, 1, 2)
    assert listed(capsys, "--battery", "regional", "--text", "spring") == ["2"]


def test_export_and_import_into_another_battery(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "core.yaml"
    assert call(capsys, "probes", "export", str(file), "--battery", "core").code == 0
    assert {probe.sha256 for probe in load(file).probes} == {
        probe.sha256 for probe in shipped() if probe.battery == "core"
    }
    assert call(capsys, "probes", "import", str(file)).out == "0 added, 0 changed, 101 unchanged, 0 bad\n"
    assert call(capsys, "probes", "import", str(file), "--battery", "copy").out.startswith("101 added")


def test_hostile_probes_reach_the_terminal_as_text(tmp_path: Path, capsys: Capture) -> None:
    hostile = {name: text for name, text in HOSTILE.items() if text.strip()}
    rows = [
        {"id": f"H{n}", "domain": "D", "prompt": text, "note": text}
        for n, text in enumerate(hostile.values())
    ]
    file = tmp_path / "hostile.json"
    file.write_text(json.dumps(rows))
    assert (
        call(capsys, "probes", "import", str(file)).out
        == f"{len(rows)} added, 0 changed, 0 unchanged, 0 bad\n"
    )
    outputs = [call(capsys, "probes", "list", "--battery", "hostile")]
    worst = {"clipboard", "clear screen", "c1 controls", "nul", "right to left", "backspace and return"}
    shown = [f"H{n}" for n, name in enumerate(hostile) if name in worst]
    outputs += [call(capsys, "probes", "show", identity) for identity in shown]
    for ran in outputs:
        assert ran.code == 0
        assert not set(ran.out) & {"\x1b", "\x07", "\x00", "\b", "\r", "\x9b", "\x9d", "\u202e"}
    assert "[bold red]loud[/bold red]" in "".join(ran.out for ran in outputs)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "NOPE"), "no probe 'NOPE'"),
        (("list", "--battery", "nope"), "no battery 'nope': there is alignment"),
        (("import", "/nowhere.yaml"), "cannot be read: No such file or directory"),
        (("export", "/tmp/probes.txt"), "end the name in .yaml, .json or .jsonl"),
        (("add", "a\nb", "--domain", "D", "--prompt", "x"), "id: expected one line"),
        (("add", "A", "--domain", "D", "--prompt", " "), "prompt: empty"),
    ],
)
def test_faults_are_one_line_and_exit_1(capsys: Capture, arguments: tuple[str, ...], said: str) -> None:
    ran = call(capsys, "probes", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert said in ran.err


@pytest.mark.parametrize("command", ["list", "show", "add", "edit", "import", "export"])
def test_help_shows_an_example(capsys: Capture, command: str) -> None:
    ran = call(capsys, "probes", command, "--help")
    assert ran.code == 0
    assert f"lantern probes {command} " in ran.out
