"""From a training run to a folder that plain `mlx_lm.load` opens. Needs neither torch nor mlx."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.wick.tokenizer import ASSISTANT, CHAT_TEMPLATE, END, PAD, SPECIALS, SYSTEM, USER

MAXIMUM_BYTES = 10_000_000


def config(recipe: dict[str, Any], context: int = 2048) -> dict[str, Any]:
    """`config.json` of the llama architecture for a recipe of lab.wick.pretrain."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": recipe["hidden"],
        "num_hidden_layers": recipe["layers"],
        "intermediate_size": recipe["intermediate"],
        "num_attention_heads": recipe["heads"],
        "num_key_value_heads": recipe["kv_heads"],
        "head_dim": recipe["hidden"] // recipe["heads"],
        "vocab_size": recipe["vocabulary"],
        "max_position_embeddings": context,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "rope_traditional": False,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "hidden_act": "silu",
        "pad_token_id": SPECIALS.index(PAD),
        "bos_token_id": None,
        "eos_token_id": SPECIALS.index(END),
        "torch_dtype": "float32",
    }


def tokenizer_config(context: int = 2048) -> dict[str, Any]:
    """`tokenizer_config.json`; every role token is special, so decoding can leave it out."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": END,
        "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def export(run: Path, target: Path) -> None:
    """Write the model folder `target` from run folder `run`; fails if it would exceed 10 MB."""
    record_path = run / "record.json"
    if not record_path.exists():
        raise LabError(f"{record_path}: not found; the training run has not finished, let it run to its end")
    record = json.loads(record_path.read_text(encoding="utf-8"))
    target.mkdir(parents=True, exist_ok=True)
    _json(target / "config.json", config(record["recipe"]))
    _json(target / "tokenizer_config.json", tokenizer_config())
    _json(
        target / "generation_config.json",
        {
            "eos_token_id": SPECIALS.index(END),
            "pad_token_id": SPECIALS.index(PAD),
            "do_sample": True,
            "temperature": 0.7,
            "top_p": 0.9,
        },
    )
    (target / "chat_template.jinja").write_text(CHAT_TEMPLATE + "\n", encoding="utf-8")
    for name in ("model.safetensors", "tokenizer.json", "record.json"):
        shutil.copyfile(run / name, target / name)
    size = sum(path.stat().st_size for path in target.iterdir() if path.is_file())
    if size > MAXIMUM_BYTES:
        raise LabError(f"{target}: {size:,} bytes, more than {MAXIMUM_BYTES:,}; choose a smaller recipe")


def _json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
