"""What training processes and those who watch them have in memory."""

from __future__ import annotations

from tests.test_imports import HEAVY, loaded_modules


def test_the_trainer_never_has_a_database() -> None:
    everything = "import lab.train.worker, lab.train.loop, lab.train.wiring, lab.train.supervisor"
    replay = "from lab.train.data.rows import general_rows; general_rows()"
    assert "duckdb" not in loaded_modules(f"{everything}\n{replay}")


def test_those_who_start_watch_and_command_a_run_need_no_model_code() -> None:
    light = (
        "import lab.train.folder, lab.train.control, lab.train.settings, lab.train.watch, lab.train.launch"
    )
    assert not loaded_modules(f"{light}, lab.train.supervisor") & {*HEAVY, "duckdb", "pydantic"}
