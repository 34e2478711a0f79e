"""Journals: append-only JSON lines, one file per process start. They are the truth; DuckDB is a projection.

A line is `{"v":1,"kind":KIND,"seq":N,"data":{...}}` and ends with a newline; a line without one is not
there yet. The first line (kind "journal", seq 0) says which process writes. DuckDB and pydantic stay out.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from store.errors import StoreError
from store.home import Home
from store.ids import new_id, utc_now
from store.records import Record, Trace

__all__ = ["Envelope", "Journal", "JournalLine", "new_id", "read", "tail", "utc_now"]

VERSION = 1
HEADER_KIND = "journal"
SUFFIX = ".jsonl"
READ_WINDOW_BYTES = 1 << 20
TRACE_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A complete line: where it starts, where the next one starts, and its bytes without the newline."""

    offset: int
    end: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed line. `data` holds the fields of a record of that kind, not yet validated."""

    version: int
    kind: str
    seq: int
    data: Mapping[str, Any]


class Journal:
    """The journal of this process. Thread-safe; refuses to work in a forked child."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._seq = 0
        self._size = 0
        self._torn = False

    @classmethod
    def open(cls, home: Home, process: str) -> Self:
        """Start a new journal for a process of the kind `process` ("engine", "cli", "screens" …)."""
        name = new_id()
        path = home.journals / f"{name}{SUFFIX}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            # Held while this process lives, so that a restore does not move the file from under it.
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            _sync_directory(home.journals)
        except OSError as error:
            raise StoreError(f"journal {path} cannot be created: {error.strerror}") from error
        journal = cls(path, descriptor)
        header = {
            "id": name,
            "process": process,
            "pid": os.getpid(),
            "lab_version": _lab_version(),
            "started_at": utc_now(),
        }
        journal._append(HEADER_KIND, header, durable=True)
        return journal

    def append(self, record: Record, *, durable: bool = False) -> None:
        """Write one record; with `durable`, return only when it is on the disk.

        Lone surrogates become U+FFFD, NaN and infinity null. A plain append survives a kill of the process, a
        durable one also a loss of power. Raises StoreError when the record could not be written; the
        journal then still ends with a complete line.
        """
        self._append(record.kind, _as_json(record), durable=durable)

    def close(self) -> None:
        """Flush to the disk and close. Closing twice is harmless."""
        with self._lock:
            if self._descriptor < 0:
                return
            descriptor, self._descriptor = self._descriptor, -1
            try:
                os.fsync(descriptor)
            except OSError as error:
                raise StoreError(f"journal {self.path}: {error.strerror} while closing") from error
            finally:
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, kind: str, data: Mapping[str, Any], *, durable: bool) -> None:
        with self._lock:
            self._refuse_misuse()
            line = encode_line(kind, self._seq, data)
            self._write(line)
            self._seq += 1
            if durable:
                self._sync()

    def _refuse_misuse(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                f"journal {self.path.name} belongs to process {self._pid}: a forked child must open its own"
            )
        if self._descriptor < 0:
            raise StoreError(f"journal {self.path.name} is closed")

    def _write(self, line: bytes) -> None:
        try:
            if self._torn:
                self._truncate_torn_tail()
            rest = memoryview(line)
            while rest:
                self._torn = True
                rest = rest[os.write(self._descriptor, rest) :]
            self._torn = False
            self._size += len(line)
        except OSError as error:
            self._repair()
            raise StoreError(
                f"journal {self.path}: {error.strerror}; this record was not kept, everything before it was. "
                "Free some space and try again"
            ) from error

    def _repair(self) -> None:
        try:
            self._truncate_torn_tail()
        except OSError:
            # Tried again before the next append; readers ignore a line without its newline.
            return

    def _truncate_torn_tail(self) -> None:
        os.ftruncate(self._descriptor, self._size)
        self._torn = False

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise StoreError(
                f"journal {self.path}: {error.strerror}; the record may be lost if the machine stops"
            ) from error


def read(path: Path, offset: int = 0) -> Iterator[JournalLine]:
    """The complete lines of a journal from `offset` on, however long; the torn tail is left for later."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            pending = bytearray()
            while window := file.read(READ_WINDOW_BYTES):
                searched = len(pending)
                pending += window
                start = 0
                while (newline := pending.find(b"\n", max(start, searched))) >= 0:
                    end = offset + newline + 1 - start
                    yield JournalLine(offset, end, bytes(pending[start:newline]))
                    offset, start = end, newline + 1
                del pending[:start]
    except OSError as error:
        raise StoreError(f"journal {path} cannot be read: {error.strerror}") from error


def tail(path: Path, offset: int = 0) -> tuple[list[Envelope], int]:
    """What was added since `offset`, and the offset for the next call. For live views; never blocks.

    A line that is no envelope is left out: the ingest reports it.
    """
    envelopes = []
    for line in read(path, offset):
        offset = line.end
        try:
            envelopes.append(parse_line(line.raw))
        except ValueError:
            continue
    return envelopes, offset


def parse_line(raw: bytes) -> Envelope:
    """The envelope of one line. Raises ValueError with the reason when it is none."""
    fields_of_line = json.loads(raw)
    if not isinstance(fields_of_line, dict):
        raise ValueError("not a JSON object")
    version, kind = fields_of_line.get("v"), fields_of_line.get("kind")
    seq, data = fields_of_line.get("seq"), fields_of_line.get("data")
    if type(version) is not int or version < 1:
        raise ValueError("field v: expected a whole number from 1")
    if not isinstance(kind, str):
        raise ValueError("field kind: expected a string")
    if type(seq) is not int or seq < 0:
        raise ValueError("field seq: expected a whole number from 0")
    if not isinstance(data, dict):
        raise ValueError("field data: expected an object")
    return Envelope(version, kind, seq, data)


def encode_line(kind: str, seq: int, data: Mapping[str, Any]) -> bytes:
    """One journal line, newline included. `data` is what `json` knows; what JSON cannot hold is replaced."""
    envelope = {"v": VERSION, "kind": kind, "seq": seq, "data": data}
    try:
        text = json.dumps(envelope, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8") + b"\n"
    except ValueError:
        # NaN or infinity, or (UnicodeEncodeError) a lone surrogate somewhere.
        text = json.dumps(_storable(envelope), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8") + b"\n"


def _as_json(record: Any) -> dict[str, Any]:
    """The fields of a record and of the dataclasses in it; the floats of a trace are kept to six decimals."""
    data = {field.name: getattr(record, field.name) for field in fields(record)}
    for name, value in data.items():
        if isinstance(value, Trace):
            data[name] = _trace_as_json(value)
        elif is_dataclass(value):
            data[name] = _as_json(value)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            data[name] = [_as_json(item) for item in value]
        elif isinstance(value, Mapping) and not isinstance(value, dict):
            data[name] = dict(value)
    return data


def _trace_as_json(trace: Trace) -> dict[str, Any]:
    series = {field.name: getattr(trace, field.name) for field in fields(trace)}
    for name, values in series.items():
        if isinstance(values, tuple) and values and isinstance(values[0], float):
            series[name] = [round(value, TRACE_DECIMALS) for value in values]
    return series


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lab_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lantern-lab")
    except PackageNotFoundError:
        return "unknown"
