"""What a process of the lab gets from the one that starts it."""

from __future__ import annotations

import os
import sys


def environment(**more: str) -> dict[str, str]:
    """This process's environment with `more` over it; the lab is found also where it runs from a checkout."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}
