"""Load a model: a folder in mlx-lm's format, a hub id, or "wick", the model that ships with the lab."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lab
from lab.errors import LabError
from lab.models.adapters import Adapter
from lab.models.gate import Gate
from lab.models.gated import attach
from lab.models.hashes import json_sha256, text_sha256, tokenizer_sha256, weights_sha256
from lab.models.inspect import check_folder, check_memory
from lab.models.layout import lay_out_for_reference_blas
from lab.models.mlx_lm_api import get_total_parameters, load_model, load_tokenizer
from lab.models.runtime import backend_name, device_name, mx, on_cpu, uses_reference_blas
from store.records import ModelRecord

WICK = "wick"
HUB_FILES = ["*.json", "model*.safetensors", "tokenizer.model", "*.tiktoken", "*.txt", "*.jinja"]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to decode. `model` and `tokenizer` are mlx-lm's; both live on the loading thread.

    `gate` holds the adapters attached to it (see `lab.models.gated`).
    """

    record: ModelRecord
    model: Any
    tokenizer: Any
    device: str
    backend: str
    gate: Gate = field(default_factory=Gate, compare=False)


def load(
    name: str, cache_dir: Path | None = None, adapters: Iterable[Adapter | str | Path] = ()
) -> LoadedModel:
    """Load `name` with `adapters` attached; hashes of big weight files are remembered under `cache_dir`.

    On a CPU bf16 and fp16 weights become float32, which is the fastest there; packed quantized weights stay.
    Raises LabError with one line when the model is missing, broken, unsupported or too big for this machine.
    """
    folder = resolve(name)
    config, weight_files = check_folder(folder)
    check_memory(folder, weight_files, widen=on_cpu())
    model = _load_weights(folder)
    tokenizer = _load_tokenizer(folder, config)
    record = _record(name, folder, config, weight_files, model, tokenizer, cache_dir)
    loaded = LoadedModel(record, model, tokenizer, device_name(), backend_name())
    attach(loaded, adapters)
    return loaded


def resolve(name: str) -> Path:
    """The folder of a model, fetched from the hub where `name` is a hub id that is not in its cache yet."""
    if name == WICK:
        return Path(lab.__file__).parent.parent / "seeds" / "wick"
    folder = Path(name).expanduser()
    if folder.exists():
        return folder
    if name.startswith(("/", ".", "~")) or name.count("/") != 1:
        raise LabError(f"no model at {name}: give a folder in mlx-lm format, a hub id (owner/name), or wick")
    return _fetch(name)


def _fetch(hub_id: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=HUB_FILES))
    except LocalEntryNotFoundError as error:
        raise LabError(
            f"{hub_id} is not on this machine and the hub cannot be reached: "
            "connect, or give a local folder as --model"
        ) from error
    except HFValidationError as error:
        raise LabError(f"{hub_id} is neither a folder nor a hub id (owner/name)") from error
    except (HfHubHTTPError, OSError) as error:
        raise LabError(f"{hub_id} could not be fetched from the hub: {first_line(error)}") from error


def _load_weights(folder: Path) -> Any:
    try:
        model, _ = load_model(folder, lazy=True)
        if on_cpu():
            model.set_dtype(mx.float32)
        if uses_reference_blas():
            lay_out_for_reference_blas(model)
        mx.eval(model.parameters())
    except MemoryError as error:
        raise LabError(f"{folder}: not enough memory for this model") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{folder}: {_explain(error)}") from error
    except RuntimeError as error:
        if "alloc" in str(error).lower() or "memory" in str(error).lower():
            raise LabError(f"{folder}: not enough memory for this model ({first_line(error)})") from error
        raise LabError(f"{folder}: the weights cannot be read: {first_line(error)}") from error
    return model


def _explain(error: Exception) -> str:
    message = first_line(error)
    if "not supported" in message:
        return f"{message.rstrip('.')} by the installed mlx-lm: upgrade it or choose another model"
    if isinstance(error, ValueError):
        return f"the weights do not fit config.json: {message}"
    return f"config.json does not describe a model that mlx-lm can build ({type(error).__name__}: {message})"


def _load_tokenizer(folder: Path, config: dict[str, Any]) -> Any:
    eos = _eos_token_ids(folder, config)
    try:
        return load_tokenizer(folder, eos_token_ids=eos)
    except Exception as error:
        # transformers raises whatever it comes across: missing keys, Rust errors, OSError.
        raise LabError(f"{folder}: the tokenizer cannot be loaded: {first_line(error)}") from error


def _eos_token_ids(folder: Path, config: dict[str, Any]) -> Any:
    """As mlx-lm has it: generation_config.json overrides config.json."""
    try:
        generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        generation = {}
    return generation.get("eos_token_id") or config.get("eos_token_id")


def _record(
    name: str,
    folder: Path,
    config: dict[str, Any],
    weight_files: list[Path],
    model: Any,
    tokenizer: Any,
    cache_dir: Path | None,
) -> ModelRecord:
    hashes = {
        "weights_sha256": weights_sha256(weight_files, cache_dir),
        "tokenizer_sha256": tokenizer_sha256(folder, tokenizer.eos_token_ids),
        "template_sha256": text_sha256(_template(tokenizer)),
    }
    return ModelRecord(
        id=json_sha256({**hashes, "config": config}),
        name=name if name == WICK or not Path(name).expanduser().exists() else folder.resolve().name,
        path=str(folder.resolve()),
        architecture=str(config["model_type"]),
        parameters=int(get_total_parameters(model)),
        vocab_size=_vocab_size(config, tokenizer),
        quantization=_quantization(config),
        at=datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds"),
        **hashes,
    )


def _template(tokenizer: Any) -> str:
    template = tokenizer.chat_template
    if isinstance(template, str):
        return template
    return json.dumps(template, sort_keys=True) if template else ""


def _vocab_size(config: dict[str, Any], tokenizer: Any) -> int:
    size = config.get("vocab_size") or config.get("text_config", {}).get("vocab_size")
    return int(size or len(tokenizer))


def _quantization(config: dict[str, Any]) -> str | None:
    settings = config.get("quantization") or config.get("quantization_config")
    if not settings:
        return None
    if "bits" not in settings:
        return str(settings.get("quant_method", "quantized"))
    return f"{settings['bits']}-bit, groups of {settings.get('group_size')}"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
