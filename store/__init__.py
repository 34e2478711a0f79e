"""The store: typed records, append-only journals, and the DuckDB projection that everyone queries."""
