"""The tables: numbered migrations, each applied in one transaction.

Append-only tables without foreign keys or secondary indexes; per-token series are LIST columns, entropies in
milli-nats and probabilities in 1/10000. Whatever is here can be made again from the journals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.errors import StoreError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIRST = """
CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL);
-- Tells this file from one that was made in its place.
INSERT INTO meta VALUES ('instance', uuid()::VARCHAR);

-- How far each journal is ingested; committed together with its rows, which makes ingestion exactly-once.
CREATE TABLE journal (
    name VARCHAR NOT NULL, process VARCHAR, pid BIGINT, lab_version VARCHAR, started_at TIMESTAMP,
    off UBIGINT NOT NULL, lines UBIGINT NOT NULL
);
CREATE TABLE ingest_error (
    journal VARCHAR NOT NULL, off UBIGINT NOT NULL, raw VARCHAR NOT NULL, reason VARCHAR NOT NULL
);
-- One row per fact: hashes of its identity and of its payload, so that a copied journal changes nothing.
CREATE TABLE ledger (key UBIGINT NOT NULL, digest UBIGINT NOT NULL);

CREATE TABLE setting (key VARCHAR NOT NULL, value VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL);
CREATE TABLE model (
    id VARCHAR NOT NULL, name VARCHAR NOT NULL, path VARCHAR NOT NULL, architecture VARCHAR NOT NULL,
    parameters BIGINT NOT NULL, vocab_size BIGINT NOT NULL, quantization VARCHAR,
    weights_sha256 VARCHAR NOT NULL, tokenizer_sha256 VARCHAR NOT NULL, template_sha256 VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL, ledger_key UBIGINT NOT NULL
);
CREATE TABLE kernel (
    sha256 VARCHAR NOT NULL, name VARCHAR NOT NULL, text VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL,
    ledger_key UBIGINT NOT NULL
);
CREATE TABLE condition (
    id VARCHAR NOT NULL, name VARCHAR NOT NULL, kernel_name VARCHAR, kernel_sha256 VARCHAR,
    temperature DOUBLE NOT NULL, top_p DOUBLE NOT NULL, top_k BIGINT NOT NULL, min_p DOUBLE NOT NULL,
    max_tokens BIGINT NOT NULL, recorded_at TIMESTAMP NOT NULL, ledger_key UBIGINT NOT NULL
);
-- Every revision; the latest recorded_at of (battery, id) is the probe (view probe_now).
CREATE TABLE probe (
    battery VARCHAR NOT NULL, id VARCHAR NOT NULL, domain VARCHAR NOT NULL, prompt VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL, origin VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL,
    subjects VARCHAR[] NOT NULL, source_probe VARCHAR, rephrase_type VARCHAR, extra VARCHAR NOT NULL,
    retired BOOLEAN NOT NULL
);
CREATE TABLE generation (
    id VARCHAR PRIMARY KEY, run_id VARCHAR, model_id VARCHAR NOT NULL, adapter_sha256 VARCHAR,
    condition_id VARCHAR NOT NULL, kernel_placement VARCHAR NOT NULL, probe_battery VARCHAR,
    probe_id VARCHAR, probe_sha256 VARCHAR, prompt VARCHAR NOT NULL, seed BIGINT NOT NULL,
    text VARCHAR NOT NULL, finish_reason VARCHAR NOT NULL, prompt_tokens BIGINT NOT NULL,
    n_tokens BIGINT NOT NULL, started_at TIMESTAMP NOT NULL, prefill_ms DOUBLE NOT NULL,
    wall_ms DOUBLE NOT NULL, tokens_per_second DOUBLE NOT NULL, peak_memory_bytes BIGINT NOT NULL,
    mean_entropy_nats DOUBLE, median_entropy_nats DOUBLE, p90_entropy_nats DOUBLE,
    max_entropy_nats DOUBLE, backend VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL, parent_id VARCHAR,
    parent_token BIGINT
);
-- mnats: nats × 1000; e4: probability × 10000; both saturate at 65535. Alternatives: flat, stride k.
CREATE TABLE generation_trace (
    generation_id VARCHAR NOT NULL, token_ids INTEGER[] NOT NULL, ends UINTEGER[] NOT NULL,
    entropy_mnats USMALLINT[] NOT NULL, sampling_entropy_mnats USMALLINT[] NOT NULL,
    surprisal_mnats USMALLINT[] NOT NULL, p_top1_e4 USMALLINT[] NOT NULL, margin_e4 USMALLINT[] NOT NULL,
    rank USMALLINT[] NOT NULL, k UTINYINT NOT NULL, alternative_ids INTEGER[] NOT NULL,
    alternative_surprisal_mnats USMALLINT[] NOT NULL
);
-- One row per ScoreRecord; its numbers are in score, a row per dimension, the total as dimension 'total'.
CREATE TABLE score_event (
    id VARCHAR NOT NULL, generation_id VARCHAR NOT NULL, instrument VARCHAR NOT NULL,
    version VARCHAR NOT NULL, text_sha256 VARCHAR NOT NULL, detail VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL
);
CREATE TABLE score (
    generation_id VARCHAR NOT NULL, instrument VARCHAR NOT NULL, version VARCHAR NOT NULL,
    dimension VARCHAR NOT NULL, value DOUBLE, recorded_at TIMESTAMP NOT NULL, event_id VARCHAR NOT NULL
);

CREATE VIEW setting_now AS SELECT key, arg_max(value, recorded_at) AS value FROM setting GROUP BY key;
CREATE VIEW model_now AS
    SELECT id, arg_max(name, recorded_at) AS name, arg_max(path, recorded_at) AS path FROM model GROUP BY id;
CREATE VIEW condition_now AS
    SELECT id, arg_max(name, recorded_at) AS name, arg_max(kernel_name, recorded_at) AS kernel_name
    FROM condition GROUP BY id;
CREATE VIEW probe_now AS
    SELECT * FROM probe
    QUALIFY row_number() OVER (PARTITION BY battery, id ORDER BY recorded_at DESC, sha256) = 1;
-- The latest word entropy of each answer (entropy.md 2).
CREATE VIEW word_entropy AS
    SELECT generation_id,
        arg_max_null(value, recorded_at) FILTER (dimension = 'word_entropy_nats') AS word_entropy_nats,
        arg_max_null(value, recorded_at) FILTER (dimension = 'words') AS words
    FROM score WHERE instrument = 'word-entropy' AND dimension IN ('word_entropy_nats', 'words')
    GROUP BY generation_id;
-- Answers by name, for free SQL.
CREATE VIEW answer AS
    SELECT g.*, m.name AS model_name, c.name AS condition_name, c.kernel_name, w.word_entropy_nats, w.words
    FROM generation g LEFT JOIN model_now m ON m.id = g.model_id
    LEFT JOIN condition_now c ON c.id = g.condition_id
    LEFT JOIN word_entropy w ON w.generation_id = g.id;
"""

ADAPTERS = """
CREATE TABLE adapter (
    id VARCHAR NOT NULL, name VARCHAR NOT NULL, path VARCHAR NOT NULL, base_model_id VARCHAR,
    fine_tune_type VARCHAR NOT NULL, rank BIGINT, scale DOUBLE, num_layers BIGINT,
    parameters BIGINT NOT NULL, recorded_at TIMESTAMP NOT NULL, ledger_key UBIGINT NOT NULL
);
CREATE VIEW adapter_now AS
    SELECT id, arg_max(name, recorded_at) AS name, arg_max(path, recorded_at) AS path
    FROM adapter GROUP BY id;
CREATE OR REPLACE VIEW answer AS
    SELECT g.*, m.name AS model_name, a.name AS adapter_name, c.name AS condition_name, c.kernel_name,
        w.word_entropy_nats, w.words
    FROM generation g LEFT JOIN model_now m ON m.id = g.model_id
    LEFT JOIN adapter_now a ON a.id = g.adapter_sha256
    LEFT JOIN condition_now c ON c.id = g.condition_id
    LEFT JOIN word_entropy w ON w.generation_id = g.id;
"""

COMPARISONS = """
CREATE TABLE comparison (
    id VARCHAR NOT NULL, name VARCHAR NOT NULL, battery VARCHAR NOT NULL, instrument VARCHAR NOT NULL,
    version VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL
);
-- Two rows a comparison, 'left' and 'right'; each side is a run.
CREATE TABLE comparison_side (
    comparison_id VARCHAR NOT NULL, side VARCHAR NOT NULL, run_id VARCHAR NOT NULL, words VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL, condition_id VARCHAR NOT NULL, adapter_sha256 VARCHAR
);
-- What both sides are asked; place counts from 0.
CREATE TABLE comparison_pair (
    comparison_id VARCHAR NOT NULL, place BIGINT NOT NULL, seed BIGINT NOT NULL, prompt VARCHAR NOT NULL,
    probe_battery VARCHAR, probe_id VARCHAR, probe_sha256 VARCHAR
);
-- Every rating, also those taken back (value NULL) and those given anew; the latest recorded_at of
-- (generation, scale, rater) counts.
CREATE TABLE rating (
    id VARCHAR NOT NULL, comparison_id VARCHAR NOT NULL, generation_id VARCHAR NOT NULL,
    other_generation_id VARCHAR, scale VARCHAR NOT NULL, value BIGINT, rater VARCHAR NOT NULL,
    blind BOOLEAN NOT NULL, shown VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL
);
CREATE VIEW probe_revision AS
    SELECT sha256, any_value(domain) AS domain, any_value(source_probe) AS source_probe
    FROM probe GROUP BY sha256;
-- The answers of a comparison by place and side; of several finished ones the first counts.
-- A rephrasing has its source as cluster, any other probe itself, a free prompt its own text.
CREATE VIEW compared AS
    SELECT s.comparison_id, p.place, s.side, p.seed, g.id AS generation_id, p.probe_battery, p.probe_id,
        r.domain, r.source_probe, coalesce(r.source_probe, p.probe_id, p.prompt) AS cluster
    FROM comparison_side s
    JOIN comparison_pair p ON p.comparison_id = s.comparison_id
    JOIN generation g ON g.run_id = s.run_id AND g.seed = p.seed AND g.finish_reason <> 'cancelled'
    LEFT JOIN probe_revision r ON r.sha256 = p.probe_sha256
    QUALIFY row_number() OVER (
        PARTITION BY s.comparison_id, s.side, p.place ORDER BY g.started_at, g.id) = 1;
"""

IMPORTS_AND_JUDGES = """
-- Answers made elsewhere; score and score_event name them as they name generations.
CREATE TABLE imported_file (
    id VARCHAR NOT NULL, form VARCHAR NOT NULL, sources VARCHAR[] NOT NULL, sha256 VARCHAR NOT NULL,
    model_name VARCHAR, recorded_at TIMESTAMP NOT NULL, said VARCHAR NOT NULL
);
CREATE TABLE imported_answer (
    id VARCHAR NOT NULL, import_id VARCHAR NOT NULL, line BIGINT NOT NULL, condition VARCHAR NOT NULL,
    probe_id VARCHAR NOT NULL, domain VARCHAR NOT NULL, prompt VARCHAR NOT NULL, text VARCHAR,
    recorded_at TIMESTAMP NOT NULL, said VARCHAR NOT NULL, said_of_probe VARCHAR NOT NULL
);
-- One row an order in which a judge saw a pair; verdict is NULL where its reply could not be read.
CREATE TABLE judge_reply (
    id VARCHAR NOT NULL, comparison_id VARCHAR NOT NULL, left_generation_id VARCHAR NOT NULL,
    right_generation_id VARCHAR NOT NULL, shown_first VARCHAR NOT NULL, verdict VARCHAR, error VARCHAR,
    generation_id VARCHAR NOT NULL, judge_model_id VARCHAR NOT NULL, template VARCHAR NOT NULL,
    template_sha256 VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL
);
"""

RUNS = """
CREATE TABLE run (
    id VARCHAR NOT NULL, name VARCHAR NOT NULL, model_id VARCHAR NOT NULL, objective VARCHAR NOT NULL,
    fine_tune_type VARCHAR NOT NULL, settings VARCHAR NOT NULL, data_sha256 VARCHAR NOT NULL,
    train_examples BIGINT NOT NULL, valid_examples BIGINT NOT NULL, trainable_parameters BIGINT NOT NULL,
    planned_steps BIGINT NOT NULL, folder VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL, parent_id VARCHAR
);
-- A row a value of a MetricRecord; source is 'train', 'valid', or the name of a regularizer or monitor.
CREATE TABLE run_metric (
    run_id VARCHAR NOT NULL, source VARCHAR NOT NULL, step BIGINT NOT NULL, name VARCHAR NOT NULL,
    value DOUBLE, recorded_at TIMESTAMP NOT NULL
);
CREATE TABLE run_word (
    run_id VARCHAR NOT NULL, source VARCHAR NOT NULL, step BIGINT NOT NULL, name VARCHAR NOT NULL,
    text VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL
);
CREATE TABLE run_checkpoint (
    id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, step BIGINT NOT NULL, folder VARCHAR NOT NULL,
    adapter_id VARCHAR NOT NULL, reason VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL,
    valid_loss_nats DOUBLE
);
CREATE TABLE run_sample (
    id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, step BIGINT NOT NULL, monitor VARCHAR NOT NULL,
    generation_id VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL
);
CREATE TABLE run_event (
    id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, step BIGINT NOT NULL, name VARCHAR NOT NULL,
    level VARCHAR NOT NULL, words VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL, detail VARCHAR NOT NULL
);
"""

PREFERENCES = """
-- Two answers put up to be judged; the latest of one id counts.
CREATE TABLE pair (
    id VARCHAR NOT NULL, first_id VARCHAR NOT NULL, second_id VARCHAR NOT NULL, source VARCHAR NOT NULL,
    stratum VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL, probe_battery VARCHAR, probe_id VARCHAR,
    instrument VARCHAR, score_gap DOUBLE, similarity DOUBLE
);
-- Every key press on a card, undo and redo too; what stands of them is worked out in the order of id.
CREATE TABLE judgement (
    id VARCHAR NOT NULL, pair_id VARCHAR NOT NULL, rater VARCHAR NOT NULL, pass_number BIGINT NOT NULL,
    action VARCHAR NOT NULL, left_id VARCHAR NOT NULL, right_id VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL, verdict VARCHAR, flagged BOOLEAN, note VARCHAR, about VARCHAR,
    reading_ms DOUBLE, blind BOOLEAN NOT NULL
);
"""

CURRICULA = """
CREATE TABLE distillation (
    id VARCHAR NOT NULL, name VARCHAR NOT NULL, run_id VARCHAR NOT NULL, words VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL, condition_id VARCHAR NOT NULL, adapter_sha256 VARCHAR, samples BIGINT NOT NULL,
    seed BIGINT NOT NULL, battery VARCHAR NOT NULL, instrument VARCHAR NOT NULL, version VARCHAR NOT NULL,
    threshold DOUBLE, recorded_at TIMESTAMP NOT NULL
);
-- What is asked in it; place counts from 0.
CREATE TABLE distillation_question (
    distillation_id VARCHAR NOT NULL, place BIGINT NOT NULL, prompt VARCHAR NOT NULL,
    cluster VARCHAR NOT NULL, variant VARCHAR NOT NULL, probe_battery VARCHAR, probe_id VARCHAR,
    probe_sha256 VARCHAR
);
-- Its answers, which belong to its run; of several finished ones with one prompt and seed the first counts.
CREATE VIEW distilled AS
    SELECT d.id AS distillation_id, g.id AS generation_id, g.prompt, g.seed, g.finish_reason
    FROM distillation d JOIN generation g ON g.run_id = d.run_id AND g.finish_reason <> 'cancelled'
    QUALIFY row_number() OVER (
        PARTITION BY d.id, g.prompt, g.seed ORDER BY g.started_at, g.id) = 1;
-- Every key press of a review, undo too; what stands of them is worked out in the order of id.
CREATE TABLE review (
    id VARCHAR NOT NULL, review_id VARCHAR NOT NULL, generation_id VARCHAR NOT NULL,
    reviewer VARCHAR NOT NULL, action VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL, text VARCHAR,
    note VARCHAR, about VARCHAR, reading_ms DOUBLE
);
CREATE TABLE curriculum (
    id VARCHAR NOT NULL, name VARCHAR NOT NULL, model VARCHAR NOT NULL, model_id VARCHAR NOT NULL,
    settings VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, phases VARCHAR[] NOT NULL, folder VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL
);
-- What happened to the stages of its phases, in the order of id.
CREATE TABLE phase_event (
    id VARCHAR NOT NULL, curriculum_id VARCHAR NOT NULL, phase VARCHAR NOT NULL, place BIGINT NOT NULL,
    attempt BIGINT NOT NULL, stage VARCHAR NOT NULL, state VARCHAR NOT NULL, words VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL, distillation_id VARCHAR, data_sha256 VARCHAR, run_id VARCHAR,
    adapter_id VARCHAR, comparison_id VARCHAR, verdict VARCHAR, detail VARCHAR NOT NULL
);
"""

SWEEPS = """
CREATE TABLE sweep (
    id VARCHAR NOT NULL, words VARCHAR NOT NULL, model_id VARCHAR NOT NULL, adapter_sha256 VARCHAR,
    battery VARCHAR NOT NULL, instrument VARCHAR NOT NULL, version VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL
);
-- What is asked; place counts from 0. The answer is the generation of run id = sweep_id and of this seed.
CREATE TABLE sweep_answer (
    sweep_id VARCHAR NOT NULL, place BIGINT NOT NULL, seed BIGINT NOT NULL, condition_id VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL, probe_battery VARCHAR, probe_id VARCHAR, probe_sha256 VARCHAR
);
-- What a pair can name as one of its answers: one made here, or one that was imported.
CREATE VIEW pair_answer AS
    SELECT id, prompt, text, model_id, adapter_sha256, condition_id, kernel_placement, probe_battery,
        probe_id, probe_sha256, finish_reason, n_tokens, false AS imported, NULL AS said,
        NULL AS said_of_probe
    FROM generation
    UNION ALL BY NAME
    SELECT a.id, a.prompt, a.text, f.model_name AS model_id, NULL AS adapter_sha256,
        NULL AS condition_id, 'none' AS kernel_placement, NULL AS probe_battery, a.probe_id,
        NULL AS probe_sha256, NULL AS finish_reason, NULL AS n_tokens, true AS imported, a.said,
        a.said_of_probe
    FROM imported_answer a LEFT JOIN imported_file f ON f.id = a.import_id WHERE a.text IS NOT NULL;
"""

GATES = """
CREATE TABLE gate (
    id VARCHAR NOT NULL, plan VARCHAR NOT NULL, version VARCHAR NOT NULL, plan_sha256 VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL, adapter_id VARCHAR, run_id VARCHAR, step BIGINT, verdict VARCHAR NOT NULL,
    generation_ids VARCHAR[] NOT NULL, sealed BOOLEAN NOT NULL, recorded_at TIMESTAMP NOT NULL
);
-- What each gate of the plan came to, in the plan's order; place counts from 0.
CREATE TABLE gate_row (
    gate_id VARCHAR NOT NULL, place BIGINT NOT NULL, name VARCHAR NOT NULL, verdict VARCHAR NOT NULL,
    "primary" BOOLEAN NOT NULL, sealed BOOLEAN NOT NULL, metric VARCHAR NOT NULL, instrument VARCHAR NOT NULL,
    version VARCHAR NOT NULL, dimension VARCHAR NOT NULL, battery VARCHAR NOT NULL,
    condition VARCHAR NOT NULL, against VARCHAR, value DOUBLE, reference DOUBLE, unit VARCHAR NOT NULL,
    lower DOUBLE, upper DOUBLE, confidence DOUBLE NOT NULL, n BIGINT NOT NULL, passes VARCHAR,
    fails VARCHAR, p_value DOUBLE, p_adjusted DOUBLE, level DOUBLE, detectable DOUBLE,
    method VARCHAR NOT NULL, evidence VARCHAR NOT NULL
);
CREATE TABLE strip (
    id VARCHAR NOT NULL, model_id VARCHAR NOT NULL, adapter_id VARCHAR, reference_id VARCHAR, run_id VARCHAR,
    step BIGINT, state VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL, settings VARCHAR NOT NULL
);
CREATE TABLE strip_row (
    strip_id VARCHAR NOT NULL, place BIGINT NOT NULL, "group" VARCHAR NOT NULL, name VARCHAR NOT NULL,
    state VARCHAR NOT NULL, value DOUBLE, reference DOUBLE, change DOUBLE, lower DOUBLE, upper DOUBLE,
    unit VARCHAR NOT NULL, n BIGINT NOT NULL, warn VARCHAR, rollback VARCHAR, method VARCHAR NOT NULL,
    evidence VARCHAR NOT NULL
);
-- By layer and head (NULL: the layer as a whole); place is the rank within the record.
CREATE TABLE strip_shift (
    strip_id VARCHAR NOT NULL, place BIGINT NOT NULL, measure VARCHAR NOT NULL, layer BIGINT NOT NULL,
    head BIGINT, value DOUBLE NOT NULL, n BIGINT NOT NULL
);
-- Every entry of every experiment; what an experiment says now is worked out in the order of id.
CREATE TABLE experiment (
    id VARCHAR NOT NULL, experiment_id VARCHAR NOT NULL, recorded_at TIMESTAMP NOT NULL, name VARCHAR,
    hypothesis VARCHAR, configuration VARCHAR NOT NULL, measures VARCHAR NOT NULL, verdict VARCHAR,
    next_change VARCHAR, run_ids VARCHAR[] NOT NULL, gate_ids VARCHAR[] NOT NULL, strip_ids VARCHAR[] NOT NULL
);
"""

MIGRATIONS: tuple[str, ...] = (
    FIRST,
    ADAPTERS,
    COMPARISONS,
    IMPORTS_AND_JUDGES,
    RUNS,
    PREFERENCES,
    CURRICULA,
    SWEEPS,
    GATES,
)
"""Migration i takes the schema from version i to i + 1. Never edit a released one: add another."""

SCHEMA_VERSION = len(MIGRATIONS)

TABLES = (
    "setting",
    "model",
    "adapter",
    "kernel",
    "condition",
    "probe",
    "generation",
    "generation_trace",
    "score_event",
    "score",
    "comparison",
    "comparison_side",
    "comparison_pair",
    "rating",
    "imported_file",
    "imported_answer",
    "judge_reply",
    "run",
    "run_metric",
    "run_word",
    "run_checkpoint",
    "run_sample",
    "run_event",
    "sweep",
    "sweep_answer",
    "pair",
    "judgement",
    "distillation",
    "distillation_question",
    "review",
    "curriculum",
    "phase_event",
    "gate",
    "gate_row",
    "strip",
    "strip_row",
    "strip_shift",
    "experiment",
    "ledger",
    "journal",
    "ingest_error",
)
"""Every table made from journals, in the order in which they are reported."""


def schema_version(con: DuckDBPyConnection) -> int:
    """The version of the attached database; 0 for an empty one."""
    import duckdb

    try:
        rows = con.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchall()
    except duckdb.CatalogException:
        return 0
    return int(rows[0][0]) if rows else 0


def migrate(con: DuckDBPyConnection, migrations: tuple[str, ...] = MIGRATIONS) -> int:
    """Bring the attached database up to date and return how many migrations that took.

    Lines that an older lab could not read are then offered again: their journals are re-read from the start,
    which changes nothing for the facts already there. Raises StoreError when the database is newer.
    """
    version = schema_version(con)
    if version > len(migrations):
        raise StoreError(
            f"the database has schema {version}, this lab knows up to {len(migrations)}: upgrade lantern-lab"
        )
    for number, statements in enumerate(migrations[version:], start=version + 1):
        con.execute("BEGIN")
        try:
            con.execute(statements)
            con.execute("DELETE FROM meta WHERE key = 'schema_version'")
            con.execute("INSERT INTO meta VALUES ('schema_version', ?)", [str(number)])
            con.execute(
                "UPDATE journal SET off = 0, lines = 0 WHERE name IN (SELECT journal FROM ingest_error)"
            )
            con.execute("DELETE FROM ingest_error")
            con.execute("COMMIT")
        except BaseException:
            con.execute("ROLLBACK")
            raise
    return len(migrations) - version
