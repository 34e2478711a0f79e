"""Rows of plain values in Parquet files, for other tools; DuckDB reads and writes them, no other package."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.database import connect
from store.errors import StoreError
from store.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 1 << 30


def read_parquet(path: Path, home: Home) -> list[dict[str, Any]]:
    """The rows of a file as plain values; `home` has space to spill. Raises StoreError."""
    import duckdb

    if not path.is_file():
        raise StoreError(f"{path}: no such file")
    if path.stat().st_size > MAX_BYTES:
        raise StoreError(f"{path}: larger than {MAX_BYTES >> 20} MiB; split it into smaller files")
    with _plainly_named(path) as name, connect(home) as con:
        try:
            cursor = con.execute("SELECT * FROM read_parquet(?)", [str(name)])
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall()]
        except duckdb.Error as error:
            reason = str(error).splitlines()[0].replace(str(name), path.name)
            raise StoreError(f"{path}: cannot be read as Parquet: {reason}") from error


def write_parquet(
    path: Path, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, object], home: Home
) -> None:
    """Write rows to `path` in one step, an existing file replaced (mode 0600).

    `columns` names the columns with their types as DuckDB writes them: "VARCHAR", ["VARCHAR"] for a list,
    {"a": "VARCHAR"} for a struct. Lone surrogates become U+FFFD. Raises StoreError.
    """
    import duckdb

    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    documents = [_json({name: row.get(name) for name in columns}) for row in rows]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with connect(home) as con, tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "rows.parquet"
            con.execute(
                "CREATE TABLE rows AS SELECT unnest(r) FROM (SELECT from_json(d, ?) AS r "
                "FROM (SELECT unnest(?::VARCHAR[]) AS d))",
                [json.dumps(columns), documents],
            )
            con.execute(f"COPY rows TO '{made}' (FORMAT parquet, COMPRESSION zstd)")
            aside.write_bytes(made.read_bytes())
        aside.chmod(0o600)
        aside.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
    except duckdb.Error as error:
        raise StoreError(f"{path}: cannot be written as Parquet: {str(error).splitlines()[0]}") from error
    finally:
        with suppress(OSError):
            aside.unlink()


@contextmanager
def _plainly_named(path: Path) -> Iterator[Path]:
    """`path` under a name without characters that DuckDB would take for a pattern."""
    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder) / "rows.parquet"
        name.symlink_to(path.absolute())
        yield name


def _json(row: Mapping[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _plain(value: Any) -> Any:
    """What JSON knows, as far as possible: times and their like as text."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
