"""What the files of an adapter are called, in mlx-lm's layout and in PEFT's."""

WEIGHTS, SETTINGS = "adapters.safetensors", "adapter_config.json"
PEFT_WEIGHTS = "adapter_model.safetensors"
