"""The demo on a terminal: real work under way within seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screens.app import LanternApp


async def run_demo(lab: LanternApp) -> None:
    """Once the model is loaded, ask the demo's probes at baseline and under the kernel."""
    from lab.demo import demo_asks

    asks = await asyncio.to_thread(demo_asks)
    while lab.bench.engine_state in ("starting", "loading", "off"):
        await asyncio.sleep(0.05)
    if lab.bench.engine_state == "ready":
        await lab.bench.ask(asks, "demo battery")
