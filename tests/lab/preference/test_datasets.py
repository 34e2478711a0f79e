"""Files in TRL's formats load with `datasets`, in an environment that has it (`LANTERN_DATASETS_PYTHON`)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.preference.elsewhere import ALL
from lab.preference.pairs import Message, PreferencePair
from lab.preference.writing import write_pairs
from store.home import Home
from tests.hostile import HOSTILE

PYTHON = os.environ.get("LANTERN_DATASETS_PYTHON")
LOADING = """
import json, sys
from datasets import load_dataset
kind = "parquet" if sys.argv[1].endswith(".parquet") else "json"
rows = load_dataset(kind, data_files=sys.argv[1], split="train", cache_dir=sys.argv[2])
print(json.dumps({"columns": sorted(rows.column_names), "rows": [rows[n] for n in range(len(rows))]}))
"""


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="LANTERN_DATASETS_PYTHON names no Python with `datasets`")
@pytest.mark.parametrize("form", ["trl", "trl-chat", "trl-implicit", "kto", "handbook", "argilla"])
def test_datasets_loads_what_is_written(form: str, tmp_path: Path) -> None:
    texts = [text for text in HOSTILE.values() if "\ud83d" not in text]
    pairs = [
        PreferencePair(
            id=str(n),
            messages=(Message("user", f"{n} {text}"),),
            chosen=f"a {text}",
            rejected=f"b {text}",
            chosen_score=float(n) if n % 2 else None,
            rejected_score=0.5 if n % 2 else None,
            chosen_model="wick + tuned" if n % 3 else None,
            probe="P" if n % 2 else None,
        )
        for n, text in enumerate(texts)
    ]
    path = tmp_path / f"pairs.{ALL[form].container}"
    write_pairs(pairs, path, form, Home.resolve(tmp_path / "home"))
    ran = subprocess.run(
        [str(PYTHON), "-c", LOADING, str(path), str(tmp_path / "cache")],
        capture_output=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")
    loaded = json.loads(ran.stdout)
    rows = loaded["rows"]
    assert len(rows) == len(pairs) * (2 if form == "kto" else 1)
    if form == "kto":
        assert [row["label"] for row in rows[:2]] == [True, False]
        assert rows[0]["completion"] == [{"role": "assistant", "content": pairs[0].chosen}]
    elif form == "trl":
        assert [row["chosen"] for row in rows] == [pair.chosen for pair in pairs]
        assert [row["prompt"] for row in rows] == [pair.messages[0].content for pair in pairs]
    elif form == "argilla":
        assert {row["preference.responses"][0] for row in rows} == {"response1", "response2"}
    else:
        assert [row["chosen"][-1]["content"] for row in rows] == [pair.chosen for pair in pairs]
        assert [row["rejected"][-1] for row in rows] == [
            {"role": "assistant", "content": pair.rejected} for pair in pairs
        ]
