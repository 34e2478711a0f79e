"""What a run costs its machine, as far as its own process can tell on any platform."""

from __future__ import annotations

import time

from lab.models.runtime import mx, on_cpu


class Machine:
    """Read once a step: CPU time since the last reading; on a GPU what MLX holds of its memory, and may."""

    def __init__(self) -> None:
        self._cpu_s, self._at_s = time.process_time(), time.monotonic()
        limit = {} if on_cpu() else mx.device_info()
        self._limit_bytes = limit.get("max_recommended_working_set_size") or limit.get("memory_size")

    def read(self) -> dict[str, float | None]:
        """`cpu_share` of one core, all threads; `gpu_memory_bytes` and its limit where there is a GPU."""
        cpu_s, at_s = time.process_time(), time.monotonic()
        values: dict[str, float | None] = {"cpu_share": (cpu_s - self._cpu_s) / max(at_s - self._at_s, 1e-9)}
        self._cpu_s, self._at_s = cpu_s, at_s
        if not on_cpu():
            values["gpu_memory_bytes"] = float(mx.get_active_memory())
            if self._limit_bytes:
                values["gpu_memory_limit_bytes"] = float(self._limit_bytes)
        return values
