"""`python -m screens.bench PLAN`: measure the terminal as the plan (JSON) says; JSON on stdout."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from screens.bench.compare import measure_compare
from screens.bench.curate import measure_curate
from screens.bench.probes import measure_probes
from screens.bench.pty_lab import PtyLab
from screens.bench.tape import measure_tape
from screens.bench.tour import all_keys, figures, start_battery, walk


def main() -> None:
    """Keys while a battery is generated, the tape, long lists, many pairs: each on a home of its own."""
    plan = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with PtyLab(place / "keys") as lab:
            start_battery(lab)
            times = walk(lab, plan["rounds"])
        report = {
            "keys": [asdict(figure) for figure in figures(times)],
            "all_keys": asdict(all_keys(times)),
            "tape": asdict(measure_tape(place / "tape", plan["tokens"])),
            "probes": plan["probes"],
            "lists": [asdict(figure) for figure in measure_probes(place / "probes", plan["probes"])],
            "compared": plan["compared"],
            "comparing": [asdict(figure) for figure in measure_compare(place / "compared", plan["compared"])],
            "pairs": plan["pairs"],
            "judging": [
                asdict(figure)
                for figure in measure_curate(place / "pairs", plan["pairs"], 2 * plan["rounds"])
            ],
        }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
