"""The lab's own themes and a person's own, read from YAML files with a clear notice where one is wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

DARK = Theme(
    name="lantern-dark",
    primary="#E6B566",
    secondary="#7FA7C9",
    accent="#E6B566",
    foreground="#D6D9E0",
    background="#12141B",
    surface="#171A23",
    panel="#1F232F",
    success="#8CC29A",
    warning="#E6B566",
    error="#E58080",
    variables={
        "muted": "#8D93A1",
        "faint": "#4C5263",
        "block-cursor-background": "#E6B566",
        "block-cursor-foreground": "#12141B",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#2A3040",
        "border": "#4A5266",
        "border-blurred": "#2A2F3D",
        "input-cursor-background": "#E6B566",
        "scrollbar": "#2F3546",
        "scrollbar-hover": "#434B61",
        "scrollbar-active": "#E6B566",
        "scrollbar-background": "#171A23",
        "scrollbar-background-hover": "#171A23",
        "scrollbar-background-active": "#171A23",
        "footer-key-foreground": "#E6B566",
    },
)

LIGHT = Theme(
    name="lantern-light",
    primary="#8A5A00",
    secondary="#2F5F86",
    accent="#8A5A00",
    foreground="#23262E",
    background="#FBFAF7",
    surface="#F4F2EC",
    panel="#E9E6DD",
    success="#2E7040",
    warning="#8A5A00",
    error="#A93232",
    dark=False,
    variables={
        "muted": "#66676D",
        "faint": "#B3AFA3",
        "block-cursor-background": "#8A5A00",
        "block-cursor-foreground": "#FFFFFF",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#DDD8CA",
        "border": "#A09A8A",
        "border-blurred": "#D5D0C2",
        "scrollbar": "#CFC9BA",
        "scrollbar-hover": "#B5AE9C",
        "scrollbar-active": "#8A5A00",
        "scrollbar-background": "#F4F2EC",
        "scrollbar-background-hover": "#F4F2EC",
        "scrollbar-background-active": "#F4F2EC",
        "footer-key-foreground": "#8A5A00",
    },
)

CONTRAST = Theme(
    name="lantern-contrast",
    primary="#FFD75F",
    secondary="#87D7FF",
    accent="#FFD75F",
    foreground="#FFFFFF",
    background="#000000",
    surface="#000000",
    panel="#1C1C1C",
    success="#87FF87",
    warning="#FFD75F",
    error="#FF8787",
    text_alpha=1.0,
    variables={
        "muted": "#C6C6C6",
        "faint": "#8A8A8A",
        "block-cursor-background": "#FFD75F",
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#444444",
        "border": "#FFFFFF",
        "border-blurred": "#808080",
        "footer-key-foreground": "#FFD75F",
    },
)

VARIABLE_DEFAULTS = {"muted": "#8A8A8A", "faint": "#6A6A6A"}
SHIPPED = (DARK, LIGHT, CONTRAST)
DEFAULT = DARK.name

_BRAND = ("primary", "secondary", "accent", "success", "warning", "error")
_GROUND = ("foreground", "background", "surface", "panel", "boost")
_COLOR_FIELDS = frozenset((*_BRAND, *_GROUND))
_FIELDS = frozenset(field.name for field in dataclasses.fields(Theme))


def user_themes(folder: Path) -> Iterator[Theme | str]:
    """The themes of `folder`/*.yaml; for a file that is none, the notice that says why."""
    import yaml

    for path in sorted(folder.glob("*.yaml")):
        try:
            yield _theme(yaml.safe_load(path.read_text("utf-8")), path.stem)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            yield f"theme {path.name}: not readable as YAML ({str(error).splitlines()[0]}); left out"
        except ValueError as error:
            yield f"theme {path.name}: {error}; left out"


def _theme(fields: Any, name: str) -> Theme:
    if not isinstance(fields, dict):
        raise ValueError("expected a mapping of names to colors")
    unknown = sorted(str(key) for key in fields if key not in _FIELDS)
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    if "primary" not in fields:
        raise ValueError("field 'primary' is missing; expected a color such as '#E6B566'")
    for key in _COLOR_FIELDS & fields.keys():
        try:
            Color.parse(fields[key])
        except (ColorParseError, TypeError, AttributeError):
            raise ValueError(
                f"field {key!r}: {fields[key]!r} is no color, expected one such as '#E6B566'"
            ) from None
    if not isinstance(fields.get("dark", True), bool):
        raise ValueError("field 'dark': expected true or false")
    variables = fields.get("variables", {})
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise ValueError("field 'variables': expected a mapping of names to texts")
    return Theme(**{"name": name, **fields})
