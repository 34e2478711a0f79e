"""`lantern probes`: list, show, add, edit, import and export probes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, number, say, show, table
from lab.cli.stored import matching_probes, one_probe, open_store
from lab.errors import LabError

if TYPE_CHECKING:
    from store.queries import HistoryCell, ProbeRow
    from store.records import ProbeRecord

LISTED = 20
PROMPT_COLUMN_CHARACTERS = 46
USER_BATTERY = "user"

app = typer.Typer(
    help="Browse and keep probes: the shipped batteries and your own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

TextOption = Annotated[str, typer.Option("--text", help="Only probes with this in prompt, id or domain.")]
BatteriesOption = Annotated[
    list[str] | None, typer.Option("--battery", help="Only this battery (repeatable).")
]
DomainsOption = Annotated[list[str] | None, typer.Option("--domain", help="Only this domain (repeatable).")]
OneBatteryOption = Annotated[
    str | None, typer.Option("--battery", help="Its battery, where several have the id.")
]
SubjectsOption = Annotated[
    list[str] | None, typer.Option("--subject", help="A phrase an answer is about (repeatable).")
]


@app.command("list")
def list_probes(
    text: TextOption = "",
    battery: BatteriesOption = None,
    domain: DomainsOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List probes by battery and id, with the number of answers to each.

    Examples:

      lantern probes list --battery core --domain Hypnos

      lantern probes list --text "home server" --json
    """
    with open_store(home) as service:
        probes = matching_probes(service, text, battery, domain)
    if as_json:
        emit(probes)
        return
    rows = [(probe.battery, probe.id, probe.domain, str(probe.n_answers), _start(probe)) for probe in probes]
    show(table(("battery", "id", "domain", "answers", "prompt"), rows, right=(3,)))
    notice(f"{len(probes)} probes")


@app.command("show")
def show_probe(
    probe_id: Annotated[str, typer.Argument(metavar="ID", help="The probe's id, in any case.")],
    battery: OneBatteryOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show a probe in full, and how it was answered under each model and condition.

    Example:

      lantern probes show P01_IDENTITY_TWO_NAMES
    """
    from store.queries import history_summary

    with open_store(home) as service:
        probe = one_probe(service, probe_id, battery)
        history = service.query(history_summary, probe.battery, probe.id)
    if as_json:
        emit({"probe": probe, "history": history})
        return
    _show_probe(probe)
    _show_history(history)


@app.command("add")
def add_probe(
    probe_id: Annotated[str, typer.Argument(metavar="ID", help="A new id, such as MINE01_LAST_TRAIN.")],
    prompt: Annotated[str, typer.Option("--prompt", help="The prompt; - reads it from stdin.")],
    domain: Annotated[str, typer.Option("--domain", help="The domain to list it under.")],
    battery: Annotated[str, typer.Option("--battery", help="The battery to keep it in.")] = USER_BATTERY,
    subject: SubjectsOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Add a probe of your own.

    Example:

      lantern probes add MINE01_LAST_TRAIN --domain Travel --prompt "The last train left. Who waits, and why?"
    """
    from lab.probes import make
    from store.queries import probe as stored_probe

    fields = {"id": probe_id, "domain": domain, "prompt": _given(prompt), "subjects": subject or []}
    probe = make(fields, battery=battery, origin="user")
    with open_store(home) as service:
        if service.query(stored_probe, probe.battery, probe.id):
            raise LabError(
                f"{probe.battery} has a probe {probe.id} already: `lantern probes edit` changes it"
            )
        service.append(probe)
    _report(probe, "added", as_json)


@app.command("edit")
def edit_probe(
    probe_id: Annotated[str, typer.Argument(metavar="ID", help="The probe's id, in any case.")],
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="A new prompt; - reads it from stdin.")
    ] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="A new domain.")] = None,
    subject: SubjectsOption = None,
    battery: OneBatteryOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Change a probe, without options in your $EDITOR. Its answers stay, with the wording they answered.

    Example:

      lantern probes edit MINE01_LAST_TRAIN --subject "last train" --subject platform
    """
    from lab.editor import edit_text
    from lab.probes import edited, from_row
    from lab.probes.page import as_page, from_page

    changes: dict[str, Any] = {"domain": domain, "subjects": subject}
    changes["prompt"] = None if prompt is None else _given(prompt)
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes and not sys.stdin.isatty():
        raise LabError("nothing to change: give --prompt, --domain or --subject, or run it on a terminal")
    with open_store(home) as service:
        before = from_row(one_probe(service, probe_id, battery))
    # Nothing is held open while somebody writes.
    probe = edited(before, **(changes or from_page(edit_text(as_page(before)))))
    changed = probe.sha256 != before.sha256
    if changed:
        with open_store(home) as service:
            service.append(probe)
    _report(probe, "changed" if changed else "unchanged", as_json)


@app.command("import")
def import_probes(
    file: Annotated[Path, typer.Argument(help="A .yaml, .json or .jsonl file of probes.")],
    battery: Annotated[str | None, typer.Option("--battery", help="Put them all in this battery.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Read a file of probes into the store. Good rows are kept, bad ones listed by line.

    Example:

      lantern probes import regional.json --battery regional
    """
    from lab.probes import load
    from lab.probes.batteries import stored

    loaded = load(file, battery)
    if not loaded.probes:
        raise LabError(f"{file}: no usable probe; {loaded.bad[0]}")
    with open_store(home) as service:
        known = {(row.battery, row.id): row.sha256 for row in stored(service)}
        new = [probe for probe in loaded.probes if (probe.battery, probe.id) not in known]
        changed = [
            probe
            for probe in loaded.probes
            if known.get((probe.battery, probe.id), probe.sha256) != probe.sha256
        ]
        if new or changed:
            service.append(*new, *changed)
    unchanged = len(loaded.probes) - len(new) - len(changed)
    if as_json:
        counts = {"added": len(new), "changed": len(changed), "unchanged": unchanged}
        emit({"file": file, **counts, "bad": loaded.bad})
        return
    for bad in loaded.bad[:LISTED]:
        notice(f"{file}: {bad}")
    if len(loaded.bad) > LISTED:
        notice(f"{file}: {len(loaded.bad) - LISTED} more bad rows; --json lists all")
    say(f"{len(new)} added, {len(changed)} changed, {unchanged} unchanged, {len(loaded.bad)} bad")


@app.command("export")
def export_probes(
    file: Annotated[Path, typer.Argument(help="The file to write; .yaml, .json or .jsonl says the form.")],
    text: TextOption = "",
    battery: BatteriesOption = None,
    domain: DomainsOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write probes to a file that reads back as the same probes.

    Example:

      lantern probes export core.json --battery core
    """
    from lab.probes import export, from_row

    with open_store(home) as service:
        probes = [from_row(row) for row in matching_probes(service, text, battery, domain)]
    export(probes, file)
    if as_json:
        emit({"file": file, "probes": len(probes)})
    else:
        say(f"{len(probes)} probes written to {file}")


def _given(text: str) -> str:
    from lab.textfiles import decode

    return decode(sys.stdin.buffer.read(), "stdin").strip() if text == "-" else text


def _start(probe: ProbeRow) -> str:
    line = " ".join(probe.prompt.split())
    return line if len(line) <= PROMPT_COLUMN_CHARACTERS else f"{line[: PROMPT_COLUMN_CHARACTERS - 1]}…"


def _report(probe: ProbeRecord, verb: str, as_json: bool) -> None:
    if as_json:
        emit({"probe": probe, "result": verb})
    else:
        say(f"{probe.id} {verb} in {probe.battery}")


def _show_probe(probe: ProbeRow) -> None:
    say(f"{probe.id} · {probe.battery} · {probe.domain} · {probe.origin}")
    if probe.source_probe:
        say(f"rephrased from {probe.source_probe} ({probe.rephrase_type})")
    if probe.subjects:
        say(f"subjects: {', '.join(probe.subjects)}")
    for name, value in probe.extra.items():
        say(f"{name}: {value}")
    say(f"\n{probe.prompt}\n")


def _show_history(history: Sequence[HistoryCell]) -> None:
    if not history:
        say("No answers yet.")
        return
    rows = [
        (
            cell.model_name,
            cell.condition_name,
            str(cell.n),
            number(cell.mean_entropy_nats),
            number(cell.mean_word_entropy_nats),
            number(cell.mean_words, 0),
        )
        for cell in history
    ]
    headers = ("model", "condition", "answers", "mean H_t, nats", "mean H_w, nats", "mean words")
    show(table(headers, rows, right=(2, 3, 4, 5)))
