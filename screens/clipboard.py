"""The clipboard where the terminal does not take it: OSC 52 is not understood everywhere."""

from __future__ import annotations

from collections.abc import Mapping

from lab.errors import LabError


def takes_osc52(environment: Mapping[str, str]) -> bool:
    """False for the terminals known not to: Apple's Terminal, those of VTE (GNOME), the Linux console.

    Over SSH the clipboard that is meant is not on this machine, so nothing but the terminal can do it.
    """
    if environment.get("SSH_CONNECTION"):
        return True
    return not (
        environment.get("TERM_PROGRAM") == "Apple_Terminal"
        or environment.get("VTE_VERSION")
        or environment.get("TERM") == "linux"
    )


def copy_locally(text: str) -> None:
    """Copy by the platform's own tools, through pyperclip. Raises LabError with what to install."""
    try:
        import pyperclip
    except ImportError:
        raise LabError(
            "this terminal takes no copies from programs: pip install 'lantern-lab[clipboard]', or select "
            "with the mouse and Shift"
        ) from None
    try:
        pyperclip.copy(text)
    except pyperclip.PyperclipException as error:
        raise LabError(f"nothing to copy with: {' '.join(str(error).split())}") from error
