"""The llama architecture in PyTorch, laid out so that its weights are mlx-lm's weights.

Only training needs it. Parameter names are the Hugging Face / mlx-lm names, the rotary embedding is the
non-interleaved ("rotate half") form of `rope_traditional: false`, and the embedding is tied to the output,
so export is a copy of tensors.

A forward pass may be given a *prefix*: one token sequence that stands before every row of the batch. Its
keys and values are computed once, with gradient, and shared by all rows. A system prompt of 600 tokens over
32 rows then costs 600 positions, not 19,200; the result is exactly that of repeating it in every row.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclasses.dataclass(frozen=True)
class LlamaShape:
    """The hyperparameters of the architecture; `intermediate` is the width of the SwiGLU feed-forward."""

    vocab: int
    hidden: int
    layers: int
    intermediate: int
    heads: int
    kv_heads: int
    context: int = 2048
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads


class RMSNorm(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rope_table(shape: LlamaShape) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position, each `(context, head_dim)` with the half repeated."""
    half = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angle = torch.outer(torch.arange(shape.context, dtype=torch.float32), shape.rope_theta**-half)
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply the rotary embedding to `x` of shape `(batch, heads, time, head_dim)`."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


class Attention(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = shape.heads, shape.kv_heads, shape.head_dim
        kv_width = shape.kv_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.k_proj = nn.Linear(shape.hidden, kv_width, bias=False)
        self.v_proj = nn.Linear(shape.hidden, kv_width, bias=False)
        self.o_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        batch, time, width = x.shape
        query = self.q_proj(x).view(batch, time, self.heads, self.head_dim).transpose(1, 2)
        key = self.k_proj(x).view(batch, time, self.kv_heads, self.head_dim).transpose(1, 2)
        value = self.v_proj(x).view(batch, time, self.kv_heads, self.head_dim).transpose(1, 2)
        query, key = rotate(query, cos, sin), rotate(key, cos, sin)
        repeat = self.heads // self.kv_heads
        if repeat > 1:
            key, value = key.repeat_interleave(repeat, dim=1), value.repeat_interleave(repeat, dim=1)
        if past is None:
            out = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            out = attend_behind_prefix(query.to(value.dtype), key.to(value.dtype), value, past)
        return self.o_proj(out.transpose(1, 2).reshape(batch, time, width)), (key, value)


def attend_behind_prefix(query: Tensor, key: Tensor, value: Tensor, past: tuple[Tensor, Tensor]) -> Tensor:
    """Causal attention of `(batch, heads, time, width)` rows behind a prefix `(1, heads, length, width)`."""
    rows, time, length = query.shape[0], query.shape[2], past[0].shape[2]
    key = torch.cat((past[0].to(key.dtype).expand(rows, -1, -1, -1), key), dim=2)
    value = torch.cat((past[1].to(value.dtype).expand(rows, -1, -1, -1), value), dim=2)
    seen = torch.ones(time, length + time, dtype=torch.bool).tril(length)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)


class FeedForward(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.intermediate, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.intermediate, bias=False)
        self.down_proj = nn.Linear(shape.intermediate, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Block(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        self.input_layernorm = RMSNorm(shape.hidden, shape.norm_eps)
        self.post_attention_layernorm = RMSNorm(shape.hidden, shape.norm_eps)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        attended, cache = self.self_attn(self.input_layernorm(x), cos, sin, past)
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x)), cache


class Decoder(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.hidden, shape.norm_eps)


class Llama(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """A llama with tied embeddings; `state_dict()` names its weights as mlx-lm does."""

    def __init__(self, shape: LlamaShape, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        cos, sin = rope_table(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        generator = torch.Generator().manual_seed(seed)
        residual_scale = (2 * shape.layers) ** -0.5
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                spread = 0.02 if "embed" in name else weight.shape[1] ** -0.5
                scale = residual_scale if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
                with torch.no_grad():
                    weight.normal_(0.0, spread * scale, generator=generator)

    def hidden_states(self, tokens: Tensor, prefix: Tensor | None = None) -> Tensor:
        """Final states `(batch, time, hidden)` of `tokens` `(batch, time)` after `prefix` `(length,)`."""
        row_time = tokens.shape[1]
        x = self.model.embed_tokens(tokens)
        if prefix is None or prefix.numel() == 0:
            cos, sin = self.cos[:row_time], self.sin[:row_time]
            for block in self.model.layers:
                x, _ = block(x, cos, sin, None)
            return self.model.norm(x)
        start = prefix.numel()
        head = self.model.embed_tokens(prefix)[None]
        head_cos, head_sin = self.cos[:start], self.sin[:start]
        cos, sin = self.cos[start : start + row_time], self.sin[start : start + row_time]
        for block in self.model.layers:
            head, past = block(head, head_cos, head_sin, None)
            x, _ = block(x, cos, sin, past)
        return self.model.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.model.embed_tokens.weight)
