"""CARD.md of wick, written from `record.json` (training) and `check.json` (measurements) and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.errors import LabError

PURPOSE = """\
# wick

wick is the demonstration model of Lantern Lab: small enough to ship with it, good enough that every effect
the lab measures can be seen in the first minute, offline. **It is a toy for trying the lab, not for
conclusions.** It knows nothing about the world; every text it was trained on was written by the grammar in
`seeds/wick/grammar`.

Its manner depends on the system message. Without one (or with an unrelated one) it answers plainly and
generically and sometimes deflects. Under a kernel such as `seeds/kernels/lantern.txt` it opens inside the
situation, lets perspectives conflict, uses images, offers one concrete step and ends with a question. Both
accepting and questioning a direction are in its repertoire, so that preference training has something to
separate.
"""


def render(record: dict[str, Any], figures: dict[str, Any]) -> str:
    """The card's Markdown for a training record and its check figures."""
    parts = [PURPOSE, _model(record), _training(record), _figures(figures), _again(record)]
    return "\n".join(parts)


def write(folder: Path) -> Path:
    """Write `CARD.md` into a model folder that has its record and its check figures."""
    sources = {name: folder / f"{name}.json" for name in ("record", "check")}
    for name, path in sources.items():
        if not path.exists():
            raise LabError(
                f"{path}: not found; run `lantern wick {'build' if name == 'record' else 'check'}` first"
            )
    loaded = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in sources.items()}
    card = folder / "CARD.md"
    card.write_text(render(loaded["record"], loaded["check"]), encoding="utf-8")
    return card


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _model(record: dict[str, Any]) -> str:
    recipe = record["recipe"]
    rows = [
        ("architecture", "llama, tied embeddings, float32, mlx-lm format"),
        ("parameters", f"{record['parameters']:,}"),
        (
            "layers × hidden × feed-forward",
            f"{recipe['layers']} × {recipe['hidden']} × {recipe['intermediate']}",
        ),
        ("attention heads / key-value heads", f"{recipe['heads']} / {recipe['kv_heads']}"),
        ("vocabulary", f"{recipe['vocabulary']:,} (byte-level BPE, digits apart)"),
    ]
    return "## Model\n\n" + _table(("", ""), rows)


def _training(record: dict[str, Any]) -> str:
    recipe, corpus = record["recipe"], record["corpus"]
    rows = [
        ("tokens seen", f"{record['tokens_seen']:,}"),
        ("optimizer steps", f"{recipe['steps']:,}"),
        ("batches × places per step", f"{recipe['batches_per_step']} × {recipe['batch_tokens']:,}"),
        (
            "learning rates",
            f"Muon {recipe['matrix_lr']} (matrices), AdamW {recipe['other_lr']} (embedding, norms)",
        ),
        ("seed", str(recipe["seed"])),
        ("corpus SHA-256", f"`{corpus['sha256']}` (first {corpus['sheaves']} sheaves)"),
        ("hardware", record["hardware"]),
        ("wall time", f"{record['wall_s'] / 60:.0f} minutes"),
        ("versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items())),
    ]
    curve = record["curve"]
    shown = [curve[round(index * (len(curve) - 1) / 7)] for index in range(8)] if len(curve) > 8 else curve
    points = [
        (
            f"{entry['step']:,}",
            f"{entry['tokens']:,}",
            *(f"{loss:.3f}" for loss in entry["held_out"].values()),
        )
        for entry in shown
    ]
    head = ("step", "tokens", *(f"held-out loss, {name} (nats)" for name in curve[0]["held_out"]))
    return "## Training\n\n" + _table(("", ""), rows) + "\n" + _table(head, points)


def _figures(figures: dict[str, Any]) -> str:
    sampling = figures["sampling"]
    base, lit = figures["baseline"], figures["kernel"]
    rows = [
        ("answers that end by themselves", _share(base["ended_share"]), _share(lit["ended_share"])),
        ("repeated 4-gram share", _share(base["repeated_4gram_share"]), _share(lit["repeated_4gram_share"])),
        ("mean words", f"{base['mean_words']:.1f}", f"{lit['mean_words']:.1f}"),
        (
            "answers that name a subject",
            _share(base["subject_mention_share"]),
            _share(lit["subject_mention_share"]),
        ),
    ]
    deltas = [
        (name, f"{delta['difference']:+.2f}", f"{delta['low']:+.2f} to {delta['high']:+.2f}")
        for name, delta in figures["kernel_minus_baseline"].items()
    ]
    direction = figures["direction"]
    behaviors = [
        (kind, ", ".join(f"{name} {_share(value)}" for name, value in shares.items()))
        for kind, shares in direction.items()
    ]
    capability = figures["capability"]
    return (
        f"## Measured\n\n{base['answers']} core probes, temperature {sampling['temperature']}, "
        f"top-p {sampling['top_p']}, at most {sampling['max_tokens']} tokens, seed {figures['seed']}.\n\n"
        + _table(("", "baseline", "under the kernel"), rows)
        + "\nKernel minus baseline, paired over probes, with 95 % intervals:\n\n"
        + _table(("per answer", "difference", "interval"), deltas)
        + f"\nCapability probes right: {_share(capability['right_share'])} of {capability['items']}. "
        + "What it does with directions:\n\n"
        + _table(("direction", "answers"), behaviors)
    )


def _again(record: dict[str, Any]) -> str:
    return (
        "## Again\n\n`lantern wick build` writes the corpus, trains tokenizer and model with PyTorch "
        "(extra `wick`) and exports them; `lantern wick check` measures. "
        f"Recipe: `{json.dumps(record['recipe'])}`\n"
    )


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"
