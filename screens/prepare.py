"""What is built after the first paint, while the model loads: the other screens, and every window.

In small steps with rests between them, so that a key pressed meanwhile is answered in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from screens.app import LanternApp

BEGIN_AFTER_S = 0.2
REST_S = 0.03


async def prepare_all(lab: LanternApp) -> None:
    """Screens first, since a key opens them; then windows, the likeliest first."""
    from screens.actions import SCREENS

    await asyncio.sleep(BEGIN_AFTER_S)
    for spec in SCREENS:
        await asyncio.to_thread(spec.load)
        await lab.mount_mode(spec.id)
        await asyncio.sleep(REST_S)
    await asyncio.to_thread(importlib.import_module, "screens.score.screen")
    await lab.prepare_score()
    await asyncio.sleep(REST_S)
    for prepare in await asyncio.to_thread(_windows, lab):
        await prepare()
        await asyncio.sleep(REST_S)
    lab.collector.settle()


def _windows(lab: LanternApp) -> list[Callable[[], Awaitable[None]]]:
    from lab.decode.types import Sampling
    from lab.kernels import shipped
    from lab.sampling import presets
    from screens.dialogs import ChoiceDialog, ErrorDialog, LineDialog
    from screens.help import HelpDialog
    from screens.jump import JumpOverlay
    from screens.live.dialogs import BranchDialog, SamplingDialog
    from screens.palette import PaletteDialog
    from screens.probes.dialogs import ProbeForm, RunDialog

    prepare = lab.windows.prepare
    windows: list[Callable[[], Awaitable[None]]] = [
        partial(prepare, HelpDialog, "", "", {}),
        partial(prepare, PaletteDialog, "", {}),
        partial(prepare, BranchDialog, None),
        partial(prepare, ProbeForm, None, ""),
        partial(prepare, ChoiceDialog, "", (), ()),
        partial(prepare, LineDialog, "", ""),
        partial(prepare, ErrorDialog, "", ""),
        partial(prepare, JumpOverlay, None),
    ]
    # A preset or kernel file that cannot be read is told where it is used.
    with contextlib.suppress(LabError):
        windows.insert(0, partial(prepare, SamplingDialog, Sampling(), 0, presets()))
        windows.insert(1, partial(prepare, RunDialog, 0, shipped(), presets()))
    return windows
