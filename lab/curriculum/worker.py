"""A process that makes one part of a distillation; several make it sooner, and the store unites the parts.

`python -m lab.curriculum.worker --home HOME --distillation ID --part K/N`; Ctrl-C and SIGTERM end it after
the token in hand, with what is finished kept.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError
from lab.processes import environment
from store.errors import StoreError
from store.home import Home

FAILED, STOPPED = 1, 130


def launch(home: Home, distillation_id: str, ranks: int, batch_size: int) -> list[subprocess.Popen[bytes]]:
    """Start `ranks` processes on a stored distillation; each has its share of the cores."""
    threads = str(max((os.cpu_count() or 1) // ranks, 1))
    given = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads} | environment()
    command = [sys.executable, "-m", "lab.curriculum.worker", "--home", str(home.path)]
    command += ["--distillation", distillation_id, "--batch-size", str(batch_size)]
    return [
        subprocess.Popen(
            [*command, "--part", f"{rank}/{ranks}"],
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for rank in range(ranks)
    ]


def main() -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="lab.curriculum.worker")
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--distillation", required=True)
    parser.add_argument("--part", required=True)
    parser.add_argument("--batch-size", type=int, default=8)
    given = parser.parse_args()
    rank, ranks = (int(number) for number in given.part.split("/"))
    stopped = _listen()
    try:
        make_part(Home.resolve(given.home), given.distillation, rank, ranks, given.batch_size, stopped)
    except (LabError, StoreError) as error:
        print(f"lantern: part {rank + 1} of {ranks}: {error}", file=sys.stderr)
        return FAILED
    return STOPPED if stopped() else 0


def make_part(
    home: Home,
    distillation_id: str,
    rank: int,
    ranks: int,
    batch_size: int,
    should_stop: Callable[[], bool],
) -> None:
    """Make and score this part of a stored distillation. Raises LabError where it cannot."""
    from lab.curriculum.distill import instrument_of, restore, run
    from lab.models.load import load
    from lab.session import Session
    from store.journal import Journal
    from store.queries.distilled import distillation
    from store.service import StoreService

    with StoreService(home, "distiller") as store, Journal.open(home, "distiller") as journal:
        store.ingest()
        planned = store.query(distillation, distillation_id)
        if planned is None:
            raise LabError(f"no distillation {distillation_id}")
        side, by = restore(store, planned), instrument_of(planned, home)
        session = Session(load(side.model, cache_dir=home.cache), journal)
        made = run(
            planned,
            side,
            by,
            session,
            store,
            batch_size=batch_size,
            rank=rank,
            ranks=ranks,
            should_stop=should_stop,
        )
        for _ in made:
            pass


def _listen() -> Callable[[], bool]:
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        asked = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return lambda: asked


if __name__ == "__main__":
    sys.exit(main())
