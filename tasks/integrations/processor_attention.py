"""Attention of a model on the processor: torch's own, asked so that it computes no more than it must.

Torch's fast attention on a processor skips what no token may see where it is told that a text is causal, but not where
it is told so by a mask, and it knows no causal text whose beginning is known already. Transformers gives it a mask for
those; under it half of what is computed is thrown away.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from tasks.integrations.frozen_products import MANY_ROWS

_LEAST_GAIN = 1.5
"""Positions to those of them that ask, up to which no mask is faster."""


def attend_fastest(model: Any, *, wide: bool) -> None:
    """Let a model that attends by torch's own attention do so by ours.

    Args:
        model: On the processor.
        wide: Multiply in float32 where many positions ask.
    """
    if model.config._attn_implementation != "sdpa":
        return
    name = "sdpa_in_float32" if wide else "sdpa_on_processor"
    AttentionInterface.register(name, partial(_attend, wide=wide))
    AttentionMaskInterface.register(name, _make_mask)
    model.set_attn_implementation(name)


def _make_mask(*arguments: Any, **given: Any) -> torch.Tensor | None:
    """None also where a text goes on whose beginning is known: `_attend` sees that by the lengths.

    Without it attention computes half of all positions by all of them, with it those that ask by all.
    """
    window, length = given.get("local_size"), given["kv_length"]
    is_whole = given.get("attention_mask") is None and given.get("allow_is_causal_skip", True)
    is_faster = 1 < given["q_length"] < length <= _LEAST_GAIN * given["q_length"]
    if is_whole and is_faster and (window is None or length < window):
        return None
    return sdpa_mask(*arguments, **given)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    wide: bool,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """[b x h x q x d] queries to [b x q x h x d]; the last q of the keys are those of the queries."""
    if wide and query.shape[0] * query.shape[2] >= MANY_ROWS:
        with torch.autocast(query.device.type, enabled=False):
            attended, _ = _attend(module, query.float(), key.float(), value.float(), mask, wide=False, **rest)
        return attended.to(query.dtype), None
    sharing = query.shape[1] // key.shape[1]
    is_plain = mask is None and rest.get("position_bias") is None and rest.get("softcap") is None
    if is_plain and query.shape[2] == 1 and sharing > 1:
        # Heads that share keys are positions that see all of them: else torch reads the keys once for each.
        grouped = query.reshape(query.shape[0], key.shape[1], sharing, query.shape[3])
        attended = scaled_dot_product_attention(grouped, key, value, scale=rest.get("scaling"))
        return attended.reshape(query.shape[0], 1, query.shape[1], value.shape[3]), None
    known = key.shape[2] - query.shape[2]
    if mask is not None or query.shape[2] == 1 or not known:
        return sdpa_attention_forward(module, query, key, value, mask, **rest)
    # Queries of nobody for the known tokens: causal from the first on, and not looked at.
    whole = torch.nn.functional.pad(query, (0, 0, known, 0))
    attended, _ = sdpa_attention_forward(module, whole, key, value, None, **rest)
    return attended[:, known:], None
