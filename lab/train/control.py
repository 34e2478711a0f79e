"""Commands to a running run: appended to a file by anyone, read by the run at every step."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lab.errors import LabError
from lab.train.folder import RunFolder, append_line
from store.ids import new_id, utc_now

CommandName = Literal["pause", "resume", "stop", "save", "set"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a run is asked to do; `key` and `value` belong to "set" ("learning_rate", "scu.target" …)."""

    name: CommandName
    key: str = ""
    value: float | str | bool | None = None
    id: str = ""


def send(folder: RunFolder, command: Command) -> str:
    """Ask the run; the id of the command, which the answering event carries in its detail."""
    identity = command.id or new_id()
    line = {"id": identity, "at": utc_now(), "name": command.name, "key": command.key, "value": command.value}
    try:
        append_line(folder.control, line)
    except OSError as error:
        raise LabError(f"{folder.control} cannot be written: {error.strerror or error}") from error
    return identity


def parse_set(text: str) -> Command:
    """KEY=VALUE as a command; numbers become numbers."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip() or not value.strip():
        raise LabError(f"{text!r}: expected KEY=VALUE, such as learning_rate=2e-5")
    try:
        return Command(name="set", key=key.strip(), value=float(value))
    except ValueError:
        return Command(name="set", key=key.strip(), value=value.strip())


class ControlReader:
    """Reads what was not read yet; half-written and senseless lines are left alone."""

    def __init__(self, folder: RunFolder, answered: Collection[str] = (), *, from_end: bool = False) -> None:
        """`answered` are ids to leave out; `from_end` leaves out everything sent before now."""
        self._path, self._answered = folder.control, set(answered)
        self._offset = self._size() if from_end else 0

    def poll(self) -> list[Command]:
        """The commands since the last call, in order."""
        if self._size() <= self._offset:
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = (_command(line) for line in whole.splitlines())
        return [command for command in found if command is not None and command.id not in self._answered]

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def _command(line: bytes) -> Command | None:
    try:
        fields: dict[str, Any] = json.loads(line)
        command = Command(
            name=fields["name"],
            key=str(fields.get("key", "")),
            value=fields.get("value"),
            id=str(fields["id"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
    return command if command.name in get_args(CommandName) else None
