"""What llama.cpp calls each tensor of a decoder."""

from __future__ import annotations

TABLE = "per_layer_token_embd.weight"  # the per-layer embedding, whose rows stay in the file
ROPE_FACTORS = "rope_freqs.weight"
FUSED = "expert_gate_up"  # both in one: [n_experts, gate and then up, width]

_WHOLE = {
    "embedding": "token_embd.weight",
    "head": "output.weight",
    "final_norm": "output_norm.weight",
    "per_layer_projection": "per_layer_model_proj.weight",
    "per_layer_norm": "per_layer_proj_norm.weight",
    "stream_projections": "altup_proj.weight",
    "stream_unprojections": "altup_unembd_proj.weight",
}
_IN_LAYER = {
    "attention_norm": "attn_norm.weight",
    "query": "attn_q.weight",
    "key": "attn_k.weight",
    "value": "attn_v.weight",
    "output": "attn_output.weight",
    "query_bias": "attn_q.bias",
    "key_bias": "attn_k.bias",
    "value_bias": "attn_v.bias",
    "output_bias": "attn_output.bias",
    "query_norm": "attn_q_norm.weight",
    "key_norm": "attn_k_norm.weight",
    "post_attention_norm": "post_attention_norm.weight",
    "feed_forward_norm": "ffn_norm.weight",
    "gate": "ffn_gate.weight",
    "up": "ffn_up.weight",
    "down": "ffn_down.weight",
    "post_feed_forward_norm": "post_ffw_norm.weight",
    "scale": "layer_output_scale.weight",
    "per_layer_gate": "inp_gate.weight",
    "per_layer_up": "proj.weight",
    "per_layer_norm": "post_norm.weight",
    "router_norm": "ffn_gate_inp.scale",
    "router": "ffn_gate_inp.weight",
    "expert_scale": "ffn_down_exps.scale",
    "experts_norm": "pre_ffw_norm_2.weight",
    "expert_gate": "ffn_gate_exps.weight",
    "expert_up": "ffn_up_exps.weight",
    FUSED: "ffn_gate_up_exps.weight",
    "expert_down": "ffn_down_exps.weight",
    "dense_output_norm": "post_ffw_norm_1.weight",
    "experts_output_norm": "post_ffw_norm_2.weight",
    "stream_router_norm": "altup_router_norm.weight",
    "stream_router": "altup_router.weight",
    "stream_prediction": "altup_predict_coef.weight",
    "stream_correction": "altup_correct_coef.weight",
    "stream_scale": "altup_correct_scale.weight",
    "laurel_left": "laurel_l.weight",
    "laurel_right": "laurel_r.weight",
    "laurel_norm": "laurel_post_norm.weight",
}
_OF_OWN_KEYS = ("key", "value", "key_norm")


def name_in_file(canonical: str) -> str:
    """``layers.3.gate`` -> ``blk.3.ffn_gate.weight``."""
    if canonical in _WHOLE:
        return _WHOLE[canonical]
    _, n, part = canonical.split(".")
    return f"blk.{n}.{_IN_LAYER[part]}"


def is_fused(name: str) -> bool:
    """Whether a file's tensor has the first two matrices of experts."""
    return name.endswith(_IN_LAYER[FUSED])


def list_unused_keys(n: int) -> set[str]:
    """What files may have of a layer that reads another's keys and values: the model was published with it."""
    return {name_in_file(f"layers.{n}.{part}") for part in _OF_OWN_KEYS}
