"""Small random models of every architecture the lab must carry, built once per machine and test session.

`tiny_model("llama")` is a folder in mlx-lm format with a real byte-level tokenizer and a chat template. The
weights are random but seeded, and large enough that distributions are not flat. Nothing is downloaded.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ARCHITECTURES = (
    "llama",
    "mistral",
    "gemma3_text",
    "gemma3",
    "olmo3",
    "qwen2",
    "qwen3",
    "qwen3_next",
    "qwen3_5",
)
VOCAB = 384
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + CHAT_TEMPLATE
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CORPUS = (
    "The archivist opened the box and found a map of the old town, with names nobody had spoken since.",
    "A nurse, a teacher and a mechanic argue about who keeps the keys to the community server.",
    "What would the river say, if it were asked to remember every boat? – naïve café, 東京, Ελλάδα 🙂",
    "You are a careful listener. Weigh what is said; ask before you answer; name what you do not know.",
)

_SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCAB,
    "max_position_embeddings": 2048,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
}
_DELTA_NET: dict[str, Any] = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 32,
    "linear_conv_kernel_dim": 4,
    "full_attention_interval": 2,
    "num_hidden_layers": 4,
}
_QWEN3_5_TEXT: dict[str, Any] = {
    **_SMALL,
    **_DELTA_NET,
    "model_type": "qwen3_5_text",
    "num_experts": 0,
    "rope_parameters": {
        "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5,
        "mrope_section": [2, 1, 1],
        "type": "default",
    },
}
_GEMMA3: dict[str, Any] = {
    **_SMALL,
    "model_type": "gemma3_text",
    "num_hidden_layers": 4,
    "query_pre_attn_scalar": 16,
    "sliding_window": 24,
    "sliding_window_pattern": 2,
}
CONFIGS: Mapping[str, dict[str, Any]] = {
    "llama": {**_SMALL},
    "mistral": {**_SMALL, "tie_word_embeddings": False},
    "gemma3_text": _GEMMA3,
    "gemma3": {"text_config": _GEMMA3, "vocab_size": VOCAB},
    "olmo3": {
        **_SMALL,
        "num_hidden_layers": 4,
        "sliding_window": 24,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "qwen2": {**_SMALL},
    "qwen3": {**_SMALL},
    "qwen3_next": {
        **_SMALL,
        **_DELTA_NET,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "decoder_sparse_step": 1,
        "shared_expert_intermediate_size": 64,
        "moe_intermediate_size": 64,
        "mlp_only_layers": [],
        "partial_rotary_factor": 0.5,
        "norm_topk_prob": True,
    },
    "qwen3_5": {"text_config": _QWEN3_5_TEXT, "vocab_size": VOCAB, "tie_word_embeddings": True},
}


@functools.cache
def _home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="lantern-tiny-models-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


@functools.cache
def tiny_model(
    arch: str, quantized: bool = False, *, seed: int = 0, template: str | None = CHAT_TEMPLATE
) -> Path:
    """The folder of a small random model, float32 or 4-bit; the same folder for the same arguments."""
    from mlx.utils import tree_flatten, tree_map
    from mlx_lm.utils import _get_classes, save_config

    from lab.models.runtime import mx, nn

    folder = Path(tempfile.mkdtemp(dir=_home(), prefix=f"{arch}-"))
    config = {"model_type": arch, **CONFIGS[arch], "eos_token_id": 2}
    model_class, arguments = _get_classes(config)
    mx.random.seed(seed)
    model = model_class(arguments.from_dict(config))
    # Wider than the default initialization, so that some steps are sure and some are not.
    model.update(tree_map(lambda p: p * 3.0 if p.ndim == 2 else p, model.parameters()))
    if quantized:
        nn.quantize(model, group_size=32, bits=4, class_predicate=_can_be_quantized)
        config["quantization"] = {"group_size": 32, "bits": 4}
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())))
    save_config(config, folder / "config.json")
    tiny_tokenizer(folder, template)
    return folder


def _can_be_quantized(_: str, module: Any) -> bool:
    return hasattr(module, "to_quantized") and module.weight.shape[-1] % 32 == 0


def tiny_tokenizer(folder: Path, template: str | None = CHAT_TEMPLATE) -> None:
    """Write a byte-level BPE tokenizer with ChatML tokens and, unless None, a chat template into `folder`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
