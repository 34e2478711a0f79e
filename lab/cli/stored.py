"""The store as commands use it: opened with the shipped probes in it, closed with its notices told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lab.cli.output import notice
from lab.errors import LabError

if TYPE_CHECKING:
    from store.queries import ProbeFilter, ProbeRow
    from store.service import StoreService

Found = TypeVar("Found")

LAST = "last"
"""Names the newest of a kind."""


@contextmanager
def open_store(home: Path | None) -> Iterator[StoreService]:
    """The store with the shipped probes in it, closed on the way out."""
    from lab.probes import sync_shipped
    from store.home import Home
    from store.service import StoreService

    service = StoreService(Home.resolve(home), "cli")
    try:
        sync_shipped(service)
        yield service
    finally:
        for told in service.take_notices():
            notice(told)
        service.close()


def matching_probes(
    service: StoreService, text: str, batteries: Sequence[str] | None, domains: Sequence[str] | None
) -> list[ProbeRow]:
    from store.queries import count_probes, page_probes

    which = _filter(service, text, batteries or (), domains or ())
    return service.query(page_probes, which, 0, service.query(count_probes, which))


def _filter(
    service: StoreService, text: str, batteries: Sequence[str], domains: Sequence[str]
) -> ProbeFilter:
    from store import queries

    known_batteries = [row.battery for row in service.query(queries.batteries)]
    known_domains = [row.domain for row in service.query(queries.domains)]
    return queries.ProbeFilter(
        text=text,
        batteries=_named(batteries, known_batteries, "battery"),
        domains=_named(domains, known_domains, "domain"),
    )


def _named(wanted: Sequence[str], known: Sequence[str], what: str) -> tuple[str, ...]:
    """The known names that `wanted` means, letter case aside."""
    named: list[str] = []
    for name in wanted:
        matches = [other for other in known if other.lower() == name.lower()]
        if not matches:
            raise LabError(f"no {what} {name!r}: there is {', '.join(known)}")
        named += matches
    return tuple(named)


def one_probe(service: StoreService, probe_id: str, battery: str | None) -> ProbeRow:
    """The probe of that id, letter case aside. Raises LabError unless there is exactly one."""
    rows = matching_probes(service, probe_id, [battery] if battery else None, None)
    exact = [row for row in rows if row.id == probe_id] or [
        row for row in rows if row.id.lower() == probe_id.lower()
    ]
    if not exact:
        raise LabError(f"no probe {probe_id!r}: `lantern probes list` shows the ids")
    if len(exact) > 1:
        raise LabError(f"{probe_id} is in {', '.join(row.battery for row in exact)}: say --battery")
    return exact[0]


def one_stored(
    store: StoreService,
    wanted: str,
    nouns: tuple[str, str],
    find: Callable[[Any, str], list[str]],
    get: Callable[[Any, str], Found | None],
    listing: str = "",
) -> Found:
    """The one so named, or the newest; `find` names them all, newest first, for "". `nouns`: one, and many.

    Raises LabError where there is none or several, naming the command `listing` where there is one.
    """
    one, many = nouns
    store.ingest()
    found = store.query(find, "" if wanted == LAST else wanted)
    if not found:
        none_yet = f"there are no {many} yet" if wanted == LAST else f"no {one} {wanted!r}"
        raise LabError(f"{none_yet}: `{listing}` shows what there is" if listing else none_yet)
    if len(found) > 1 and wanted != LAST:
        raise LabError(f"{len(found)} {many} are called {wanted!r} or begin with it: give more of the id")
    stored = store.query(get, found[0])
    assert stored is not None
    return stored
