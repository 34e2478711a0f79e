"""The DuckDB of this process: one instance in memory, the lab's file attached for the length of a lease.

Nobody keeps the file open. `Database.read` and `Database.write` attach it, run one function and detach it.
A Database belongs to one thread: DuckDB connections are not thread-safe.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from store.errors import StoreError
from store.home import Home
from store.ids import utc_now
from store.lease import DEADLINE_S, Mode, lease
from store.schema import SCHEMA_VERSION, migrate, schema_version

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
Work = Callable[["DuckDBPyConnection"], T]

CATALOG = "lab"
_instances = itertools.count(1)
"""Each instance spills to a folder of its own: DuckDB's names for its files repeat."""

MEMORY_LIMIT = "1GB"
_DAMAGE = (
    "Corrupt",
    "Failure while replaying WAL",
    "checkpoint iteration does not match",
    "not a valid DuckDB database file",
    "Could not read enough bytes",
    "Failed to deserialize",
    "Serialization Error",
)


class DamagedDatabaseError(StoreError):
    """The file cannot be read. Quarantine it: the journals hold everything."""


class LostInstanceError(StoreError):
    """DuckDB gave up on this instance. What was being written may or may not be kept: look again."""


class RefusedDataError(StoreError):
    """DuckDB refused the values themselves; the transaction was rolled back."""


class Database:
    """A DuckDB instance in memory and the file it attaches. Create it on the thread that uses it."""

    def __init__(self, home: Home, *, file: Path | None = None, deadline_s: float = DEADLINE_S) -> None:
        """`file` is a database of one's own to work on without a lease, such as one being rebuilt."""
        self._home = home
        self._file = file or home.database
        self._shared = file is None
        self._deadline_s = deadline_s
        self._con: DuckDBPyConnection | None = None
        self._checked = False

    def read(self, work: Work[T]) -> T:
        """Run `work` on the file attached read-only. It must fetch its rows before it returns."""
        for _ in range(2):
            self._create_or_migrate_if_needed()
            with self._lease("read"):
                if self._is_missing():
                    continue
                with self._attached("read") as con:
                    if schema_version(con) < SCHEMA_VERSION:
                        self._checked = False
                        continue
                    return self._run(work, con)
        raise StoreError(f"{self._file} keeps disappearing: is another program tidying {self._home.path}?")

    def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction that is committed when it returns and rolled back when it raises."""
        with self._lease("write"), self._attached("write") as con:
            self._migrate(con)
            return self._run(lambda con: _in_transaction(con, work), con)

    def quarantine(self) -> str:
        """Move a damaged file and its log aside, and say so in one line. The next write starts a new file."""
        with self._lease("write"):
            try:
                with self._attached("read") as con:
                    self._run(_read_everything, con)
            except (DamagedDatabaseError, LostInstanceError) as error:
                return self._move_aside(str(error))
            return "the database was damaged and another process has already replaced it"

    def file_identity(self) -> tuple[int, int] | None:
        """Device and inode of the file: another pair means that it was replaced. None when it is missing."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def interrupt(self) -> None:
        """Stop the running query; may be called from any thread."""
        con = self._con
        if con is not None:
            with suppress(Exception):
                con.interrupt()

    def close(self) -> None:
        """Let the instance go."""
        if self._con is not None:
            con, self._con = self._con, None
            with suppress(Exception):
                con.close()

    def _lease(self, mode: Mode) -> AbstractContextManager[None]:
        return lease(self._home, mode, self._deadline_s) if self._shared else nullcontext()

    def _is_missing(self) -> bool:
        return not self._file.exists()

    def _create_or_migrate_if_needed(self) -> None:
        if self._checked and not self._is_missing():
            return
        with self._lease("write"), self._attached("write") as con:
            self._migrate(con)
        self._checked = True

    def _migrate(self, con: DuckDBPyConnection) -> None:
        self._run(migrate, con)

    def _instance(self) -> DuckDBPyConnection:
        if self._con is None:
            self._con = connect(self._home)
        return self._con

    @contextmanager
    def _attached(self, mode: Mode) -> Iterator[DuckDBPyConnection]:
        con = self._instance()
        try:
            attach(con, self._file, mode)
        except Exception as error:
            self.close()
            self._explain(error)
        try:
            yield con
        finally:
            self._detach()

    def _detach(self) -> None:
        """Detaching checkpoints. Should that fail, the log still holds what was committed."""
        if self._con is None:
            return
        try:
            self._con.execute("USE memory")
            self._con.execute(f"DETACH {CATALOG}")
        except Exception:
            self.close()
        if self._file.exists():
            self._file.chmod(0o600)

    def _run(self, work: Work[T], con: DuckDBPyConnection) -> T:
        try:
            return work(con)
        except StoreError:
            raise
        except Exception as error:
            self._explain(error)

    def _explain(self, error: Exception) -> NoReturn:
        """Raise what went wrong as a StoreError; errors that are not DuckDB's pass through."""
        import duckdb

        if not isinstance(error, duckdb.Error):
            raise error
        message = str(error).splitlines()[0]
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            self.close()
            kind = DamagedDatabaseError if _is_damage(message) else LostInstanceError
            raise kind(f"DuckDB stopped on {self._file.name}: {message}") from error
        if _is_damage(message):
            self.close()
            raise DamagedDatabaseError(f"{self._file.name} is damaged: {message}") from error
        if "Could not set lock" in message:
            raise StoreError(_foreign_holder(message, self._file)) from error
        if "version number" in message:
            raise StoreError(f"{self._file.name} needs another DuckDB: {message}") from error
        if "No space left" in message:
            raise StoreError(f"the disk of {self._file} is full: free some space and try again") from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise StoreError(f"the query needs more than {MEMORY_LIMIT} of memory: ask for less") from error
        if isinstance(error, duckdb.InterruptException):
            raise StoreError("the query took too long and was stopped") from error
        if isinstance(error, duckdb.DataError | duckdb.IntegrityError | duckdb.InvalidInputException):
            raise RefusedDataError(message) from error
        raise StoreError(f"the store could not answer: {message}") from error

    def _move_aside(self, why: str) -> str:
        place = self._home.aside / utc_now().replace(":", "").replace(".", "")
        place.mkdir(mode=0o700)
        for file in (self._home.database, self._home.wal):
            if file.exists():
                file.replace(place / file.name)
        self._checked = False
        return f"{why}. It was moved to {place} and is being rebuilt from the journals; nothing is lost"


def connect(home: Home) -> DuckDBPyConnection:
    """A DuckDB instance in memory with the lab's settings: modest beside a model, and no extensions."""
    import duckdb

    return duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "async_threads": 1,
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": str(home.tmp / f"duckdb-{os.getpid()}-{next(_instances)}"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        },
    )


def attach(con: DuckDBPyConnection, file: Path, mode: Mode) -> None:
    """Attach `file` as the catalog `lab` and make it the one in use."""
    path = str(file).replace("'", "''")
    con.execute(f"ATTACH '{path}' AS {CATALOG}" + (" (READ_ONLY)" if mode == "read" else ""))
    con.execute(f"USE {CATALOG}")


def _in_transaction(con: DuckDBPyConnection, work: Work[T]) -> T:
    con.execute("BEGIN")
    try:
        result = work(con)
        con.execute("COMMIT")
    except BaseException:
        with suppress(Exception):
            con.execute("ROLLBACK")
        raise
    return result


def _read_everything(con: DuckDBPyConnection) -> None:
    """Touch every block, so that damage anywhere shows."""
    tables = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
    ).fetchall()
    for (table,) in tables:
        con.execute(f'SELECT sum(hash(t)) FROM "{table}" t').fetchall()  # noqa: S608 - names from the catalog


def _is_damage(message: str) -> bool:
    return any(sign in message for sign in _DAMAGE)


def _foreign_holder(message: str, file: Path) -> str:
    """DuckDB names the holder: `Conflicting lock is held in PROGRAM (PID 4711)`."""
    _, _, rest = message.partition("held in ")
    holder = rest.partition(". See also")[0] or "another program"
    return f"{file} is open in {holder}, outside the lab: close it there and try again"
