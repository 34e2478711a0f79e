"""The `lantern` command: opens the lab on a terminal, and hands everything else to the command line.

The lab itself is opened without importing the command line, so that its first paint stays fast.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ESCAPE_DELAY_MS = "10"
FRAMES_PER_SECOND = "120"


def main() -> None:
    """Entry point of the `lantern` script."""
    if len(sys.argv) == 1:
        sys.exit(open_lab())
    from lab.cli.main import run

    sys.exit(run(sys.argv[1:], open_lab=open_lab))


def terminal_fault() -> str | None:
    """Why the lab cannot be drawn here, in words, or None when it can."""
    if os.environ.get("TEXTUAL_DRIVER"):
        return None  # Somebody else draws: `lantern --serve` for a browser.
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "the lab needs a terminal"
    if os.environ.get("TERM", "dumb") == "dumb":
        return "the lab cannot draw on TERM=dumb"
    return None


def open_lab(home: Path | None = None, model: str | None = None, demo: bool = False) -> int:
    """Open the lab and return its exit code; without a terminal, name the commands that do the same.

    Without a model it is the one of `LANTERN_MODEL`, else that of last time.
    """
    if fault := terminal_fault():
        print(
            f"lantern: {fault}; use `lantern demo --plain`, `lantern generate`, `lantern probes list` "
            "or another command of `lantern --help`",
            file=sys.stderr,
        )
        return 1
    if not os.environ.get("SSH_CONNECTION"):
        # Textual's own knob, read when it is imported: how long after Escape the rest of a sequence may come.
        os.environ.setdefault("ESCDELAY", ESCAPE_DELAY_MS)
        # Another: what changes is painted at the next frame only, and a key waits for up to one.
        os.environ.setdefault("TEXTUAL_FPS", FRAMES_PER_SECOND)
    from screens.app import LanternApp
    from store.errors import StoreError
    from store.home import Home

    try:
        model = model or os.environ.get("LANTERN_MODEL")
        app = LanternApp(home=Home.resolve(home), model=model, demo=demo)
    except StoreError as error:
        print(f"lantern: {error}", file=sys.stderr)
        return 1
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    main()


if __name__ == "__main__":
    main()
