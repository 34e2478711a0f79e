"""The arrows at run time: what each process may have in memory when it starts."""

import subprocess
import sys

import pytest

HEAVY = ("mlx", "mlx_lm", "transformers", "torch")


def loaded_modules(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `statement`."""
    code = f"{statement}\nimport sys\nprint('\\n'.join({{name.split('.')[0] for name in sys.modules}}))"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


@pytest.mark.parametrize("module", ["screens.entry", "screens.app"])
def test_the_terminal_process_has_no_model_code_and_no_database_at_first_paint(module: str) -> None:
    assert not loaded_modules(f"import {module}") & {*HEAVY, "duckdb", "pydantic", "typer", "scipy"}


def test_every_screen_module_keeps_the_terminal_free_of_model_code() -> None:
    walk = (
        "import pkgutil, importlib, screens\n"
        "for found in pkgutil.walk_packages(screens.__path__, 'screens.'):\n"
        "    importlib.import_module(found.name)"
    )
    assert not loaded_modules(walk) & set(HEAVY)


def test_the_engine_never_has_a_database() -> None:
    assert "duckdb" not in loaded_modules("import lab.engine, lab.session")


def test_the_command_line_parses_without_model_code() -> None:
    assert not loaded_modules("import lab.cli.main as m; m._app(None)") & {*HEAVY, "duckdb"}


def test_choosing_and_reading_pairs_needs_no_model_code() -> None:
    modules = ("candidates", "sweep", "suggest", "importing", "selection", "writing", "stats")
    named = ", ".join(f"lab.preference.{name}" for name in modules)
    assert not loaded_modules(f"import {named}") & {*HEAVY, "duckdb", "scipy"}
