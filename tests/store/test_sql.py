"""Free SQL: one SELECT on the lab's data, and no way out of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from store.errors import StoreError
from store.service import StoreService
from store.sql import select
from tests.store.facts import at, generation, probe


@pytest.fixture
def filled(service: StoreService) -> StoreService:
    service.append(probe("P1", prompt="50% [/x]"), generation(3))
    return service


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id, prompt FROM probe",
        "WITH p AS (SELECT * FROM probe) SELECT id, prompt FROM p;",
        "FROM probe SELECT id, prompt",
        "-- a comment\nSELECT id, prompt FROM probe",
    ],
)
def test_a_select_is_answered(filled: StoreService, statement: str) -> None:
    result = select(filled.home, statement)
    assert (result.columns, result.rows, result.truncated) == (("id", "prompt"), (("P1", "50% [/x]"),), False)


def test_values_are_what_json_knows(filled: StoreService) -> None:
    result = select(
        filled.home,
        "SELECT started_at, 1.25::DECIMAL(5,2), 'nan'::DOUBLE, [1, NULL], {'a': 'inf'::FLOAT}, "
        "'\\xFF'::BLOB, NULL, true, DATE '2026-01-02', INTERVAL 1 DAY FROM generation",
    )
    assert result.rows == (
        (at(3), 1.25, None, [1, None], {"a": None}, "ff", None, True, "2026-01-02", "1 day, 0:00:00"),
    )
    assert all(not isinstance(value, float) or math.isfinite(value) for value in result.rows[0])


def test_rows_are_limited(filled: StoreService) -> None:
    exact = select(filled.home, "SELECT * FROM range(5)", row_limit=5)
    assert (len(exact.rows), exact.truncated) == (5, False)
    more = select(filled.home, "SELECT * FROM range(6)", row_limit=5)
    assert (len(more.rows), more.truncated) == (5, True)


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE generation",
        "INSERT INTO meta VALUES ('a', 'b')",
        "UPDATE meta SET value = 'x'",
        "DELETE FROM generation",
        "DROP TABLE generation",
        "CREATE TABLE t (a INT)",
        "ATTACH '/tmp/other.duckdb'",
        "DETACH lab",
        "COPY meta TO '/tmp/meta.csv'",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "INSTALL httpfs",
        "LOAD httpfs",
        "EXPLAIN ANALYZE SELECT 1",
        "BEGIN",
        "VACUUM",
    ],
)
def test_anything_else_is_refused(filled: StoreService, statement: str) -> None:
    before = filled.home.database.read_bytes()
    with pytest.raises(StoreError, match="expected exactly one SELECT"):
        select(filled.home, statement)
    assert filled.home.database.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_blob('{file}')",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_json('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM sniff_csv('{file}')",
        "SELECT * FROM query('SELECT * FROM read_text(''{file}'')')",
        "SELECT * FROM enable_logging()",
        "SELECT * FROM filled",
    ],
)
def test_no_file_but_the_lab_s_can_be_read(filled: StoreService, tmp_path: Path, statement: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\nvalue\n")
    with pytest.raises(StoreError, match=r"^SQL: "):
        select(filled.home, statement.format(file=secret, folder=tmp_path))


def test_a_mistake_is_one_clear_line(filled: StoreService) -> None:
    for mistake in (
        "SELECT * FROM nowhere",
        "SELEC 1",
        "SELECT regexp_matches('a', '(?<!b)a')",
        "SELECT 1 +",
    ):
        with pytest.raises(StoreError, match=r"^SQL: [^\n]+$"):
            select(filled.home, mistake)


def test_an_endless_select_is_stopped(filled: StoreService) -> None:
    endless = "SELECT count(*) FROM range(1000000000) a(i), range(1000000000) b(j) WHERE (i + j) % 7 = 3"
    with pytest.raises(StoreError, match=r"longer than 0\.3 s"):
        select(filled.home, endless, time_limit_s=0.3)
    assert select(filled.home, "SELECT 1").rows == ((1,),)
