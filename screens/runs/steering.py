"""What the keys do to a curriculum: go on where it waits, or set a phase aside. It runs by itself."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from lab.safetext import safe_line
from screens.commands import lantern, start_lantern
from screens.dialogs import ConfirmDialog

if TYPE_CHECKING:
    from screens.app import LanternApp
    from store.queries.curricula import CurriculumRow

LOG = "log.txt"


class CurriculumSteering:
    """Asks first; then a process of its own does it, which outlives the terminal."""

    def __init__(self, lab: LanternApp) -> None:
        self._lab = lab
        self._started: list[subprocess.Popen[bytes]] = []

    def go_on(self, row: CurriculumRow) -> None:
        """Go on with a curriculum that was stopped, or waits at an amber gate or an open review."""

        def answered(wanted: bool | None) -> None:
            if wanted:
                self._lab.spawn(self._go_on(row), "go on with a curriculum")

        said = safe_line(row.last_words or "it has not begun")
        text = f"It stands at: {said}. Going on accepts an amber gate or an open review as it is."
        dialog = ConfirmDialog(f"Go on with {safe_line(row.name)}?", text, "Go on", "Leave it")
        self._lab.push_screen(dialog, answered)

    def roll_back(self, row: CurriculumRow) -> None:
        """Set aside what the phase it stands at has made, and what came behind it."""
        phase = row.last_phase if row.last_phase in row.phases else row.phases[-1]

        def answered(wanted: bool | None) -> None:
            if wanted:
                self._lab.spawn(self._roll_back(row, phase), "roll a phase back")

        text = f"What {safe_line(phase)} made is set aside, nothing is deleted; C makes it anew."
        dialog = ConfirmDialog(f"Roll {safe_line(phase)} back?", text, "Roll back", "Leave it")
        self._lab.push_screen(dialog, answered)

    def reap(self) -> bool:
        """Take note of those that have ended; whether one is still at work."""
        self._started = [process for process in self._started if process.poll() is None]
        return bool(self._started)

    async def _go_on(self, row: CurriculumRow) -> None:
        log = Path(row.folder) / LOG
        self._started.append(
            await asyncio.to_thread(
                start_lantern, self._lab.home, log, "curriculum", "resume", row.id, "--yes"
            )
        )
        self._lab.tell(f"{row.name} goes on; it needs no terminal")

    async def _roll_back(self, row: CurriculumRow, phase: str) -> None:
        await lantern(self._lab.home, "curriculum", "rollback", phase, "--of", row.id)
        self._lab.store.ingest_soon()
        self._lab.tell(f"{phase} is rolled back")
