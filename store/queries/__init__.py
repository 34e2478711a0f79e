"""Every question that screens and commands ask of the store, one function each.

The first argument is a connection with the lab's file attached: call them through `StoreService.query`.
Times are naive UTC in ISO 8601, entropies in nats.
"""

from store.queries.answers import (
    AnswerRow,
    HistoryCell,
    StoredGeneration,
    generation,
    history_summary,
    probe_history,
    recent_generations,
    run_rows,
)
from store.queries.overview import counts, seeds_version, setting
from store.queries.probes import (
    BatteryCount,
    DomainCount,
    ProbeFilter,
    ProbeRow,
    batteries,
    count_probes,
    domains,
    page_probes,
    probe,
    probe_position,
)

__all__ = [
    "AnswerRow",
    "BatteryCount",
    "DomainCount",
    "HistoryCell",
    "ProbeFilter",
    "ProbeRow",
    "StoredGeneration",
    "batteries",
    "count_probes",
    "counts",
    "domains",
    "generation",
    "history_summary",
    "page_probes",
    "probe",
    "probe_history",
    "probe_position",
    "recent_generations",
    "run_rows",
    "seeds_version",
    "setting",
]
