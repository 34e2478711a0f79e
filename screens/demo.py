"""The demo on a terminal: real work under way within seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screens.app import LanternApp


async def run_demo(lab: LanternApp) -> None:
    """Ask the demo's probes at baseline and under the kernel; they wait in line for the model."""
    from lab.demo import demo_asks

    await lab.bench.ask(await asyncio.to_thread(demo_asks), "demo battery")
