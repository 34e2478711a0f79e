"""What the terminal remembers and lets a person change: state.json, keymap.yaml, themes.

Nothing in a broken file stops the lab: what can be used is used, and one clear line says what was wrong.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from screens.actions import ACTIONS, BY_ID, Action

STATE_FILE = "state.json"
KEYMAP_FILE = "keymap.yaml"
THEMES_FOLDER = "themes"
PANES_OF = {
    "probes": ("list",),
    "live": ("tape", "list"),
    "compare": ("list", "pair", "text"),
    "training": ("list", "text"),
    "curate": ("list", "card"),
    "score": ("list", "text"),
}
# On a card of Curate its own keys win over those that are live everywhere.
OVER_THE_APP = frozenset(("card",))
# A window of its own: while it is open, no other keys are live.
WINDOWS = frozenset(("rating",))


@dataclass(slots=True)
class LabState:
    """What is restored at the next start."""

    screen: str = "probes"
    theme: str = ""
    model: str = ""
    search: str = ""
    batteries: list[str] = field(default_factory=lambda: ["core"])
    domains: list[str] = field(default_factory=list)
    kernel: str = ""
    sampling: dict[str, float] = field(default_factory=dict)
    rater: str = ""
    queue: str = ""
    queue_only: list[str] = field(default_factory=list)
    card: list[str] = field(default_factory=list)


def load_state(folder: Path) -> LabState:
    """The state of the last session; fields that are missing or of another type keep their defaults."""
    state = LabState()
    try:
        stored = json.loads((folder / STATE_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return state
    if isinstance(stored, dict):
        for entry in fields(state):
            value = stored.get(entry.name)
            if _fits(value, getattr(state, entry.name)):
                setattr(state, entry.name, value)
    return state


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, list):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(default, dict):
        return isinstance(value, dict) and all(
            isinstance(number, int | float) and not isinstance(number, bool) for number in value.values()
        )
    return isinstance(value, type(default))


def save_state(folder: Path, state: LabState) -> None:
    """Write the state at once or not at all (temporary file, then `os.replace`), mode 0600."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".state-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, indent=2)
        Path(name).replace(folder / STATE_FILE)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def lasting_name(model: str) -> str:
    """A model's name as it means the same wherever the lab is started: folders by their whole path."""
    path = Path(model).expanduser()
    return str(path.absolute()) if path.name != model and path.is_dir() else model


def load_keymap(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The keymap file as action id → keys, and a line for each entry that cannot be used."""
    path = folder / KEYMAP_FILE
    if not path.exists():
        return {}, []
    import yaml

    try:
        entries = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return {}, [
            f"{KEYMAP_FILE}: not readable as YAML ({str(error).splitlines()[0]}); default keys are used"
        ]
    if not isinstance(entries, dict):
        return {}, [f"{KEYMAP_FILE}: expected a mapping of action ids to keys; default keys are used"]
    return check_keymap(entries)


def check_keymap(entries: Mapping[Any, Any]) -> tuple[dict[str, str], list[str]]:
    """The usable part of a keymap, and what is wrong with the rest."""
    keymap: dict[str, str] = {}
    faults: list[str] = []
    for action_id, keys in entries.items():
        action = BY_ID.get(action_id) if isinstance(action_id, str) else None
        if action is None:
            faults.append(f"{action_id!r} is no action; F1 lists the ids")
        elif not isinstance(keys, str) or not all(_is_key(key) for key in keys.split(",")):
            faults.append(f'{action_id}: {keys!r} is no key; write for example "ctrl+g" or "j,down"')
        elif other := _taken(action, keys, keymap):
            faults.append(f"{action_id}: {keys!r} already does {other.id}")
        else:
            keymap[action_id] = keys
    return keymap, [f"{KEYMAP_FILE}: {fault}" for fault in faults]


def _is_key(key: str) -> bool:
    """A key name of Textual's ("ctrl+g", "f5", "slash", "enter") or one printable character."""
    from textual.keys import Keys

    *modifiers, name = key.split("+") if key != "+" else ["+"]
    if any(modifier not in ("ctrl", "shift", "alt", "super") for modifier in modifiers):
        return False
    if len(name) == 1:
        return name.isprintable() and not name.isspace()
    return name in _KEY_NAMES or name in {member.value for member in Keys} or name in _character_names()


_KEY_NAMES = frozenset(("space", "enter", "tab", "escape", "backspace", "delete", "insert", "home", "end"))


def _character_names() -> frozenset[str]:
    """The long names of printable ASCII ("slash", "question_mark"), as Textual spells them."""
    from textual.keys import _character_to_key

    return frozenset(_character_to_key(chr(code)) for code in range(33, 127))


def _taken(action: Action, keys: str, keymap: Mapping[str, str]) -> Action | None:
    """Another action that is live at the same time and has one of `keys`."""
    wanted = {_normal(key) for key in keys.split(",")}
    for other in ACTIONS:
        if other.id == action.id or not _meet(action.scope, other.scope):
            continue
        taken = keymap[other.id].split(",") if other.id in keymap else other.keys
        if wanted & {_normal(key) for key in taken}:
            return other
    return None


def _meet(one: str, other: str) -> bool:
    """Can both scopes be live at once? Screens exclude each other; each has some kinds of panes."""
    if one == other:
        return True
    if WINDOWS & {one, other}:
        return False
    if "app" in (one, other):
        return not OVER_THE_APP & {one, other}
    return other in PANES_OF.get(one, ()) or one in PANES_OF.get(other, ())


def _normal(key: str) -> str:
    from textual.keys import _character_to_key

    return _character_to_key(key) if len(key) == 1 else key
