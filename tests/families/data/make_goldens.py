#!/usr/bin/env python3
"""Makes tests/families/data/*: tiny random checkpoints and their logits by transformers in float32.

One folder a case: config.json, model.safetensors (bf16, so that both sides read the same values),
tokenizer.json, ids.bin (64 little-endian i32), logits.bin (little-endian f32, vocab for each position, or for every
fourth, from 3 on) and hidden.bin (the last hidden states after the final norm, 64 x hidden_size).

Made with: torch 2.15.0, transformers 5.23.0, safetensors 0.8.0, numpy 2.4.6. Seeds are fixed below. The
checkpoints of half of the cases carry the older spelling of config.json (rope_theta and rope_scaling at the
top), which transformers reads as well; those are reloaded from disk before the logits are computed.

Usage: make_goldens.py [CASE...]  (writes beside itself; all cases, or those named)
"""
import json
import os
import shutil
import sys

import numpy as np
import torch
from transformers import (AutoModelForCausalLM, AutoModelForImageTextToText, FalconConfig, Gemma2Config, Gemma3Config,
                          Gemma3TextConfig, Gemma4TextConfig, GPT2Config, GPTNeoXConfig, GraniteConfig,
                          GraniteMoeHybridConfig, LlamaConfig,
                          Ministral3Config, MinistralConfig, Mistral3Config, MistralConfig, Olmo2Config, Phi3Config,
                          Qwen2Config, Qwen3Config, SmolLM3Config, StableLmConfig)

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, N = 272, 64
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
BASE = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=128, bos_token_id=256, eos_token_id=257,
            initializer_range=0.35)


def case(cls, theta=10000.0, scaling=None, **kw):
    rope = dict(rope_theta=theta, **(scaling or dict(rope_type="default")))
    return cls(**{**BASE, **kw}, rope_parameters=rope)


CASES = {
    "llama_tied_llama3": (case(LlamaConfig, 500000.0, LLAMA3, tie_word_embeddings=True), True),
    "llama_untied_bias": (case(LlamaConfig, attention_bias=True, mlp_bias=True, num_key_value_heads=4, head_dim=16,
                               tie_word_embeddings=False, rms_norm_eps=1e-5), False),
    "llama_mqa_linear": (case(LlamaConfig, scaling=dict(rope_type="linear", factor=4.0), num_attention_heads=8,
                              num_key_value_heads=1, head_dim=10, tie_word_embeddings=False), True),
    "mistral_window": (case(MistralConfig, sliding_window=9, tie_word_embeddings=False), True),
    "mistral_full": (case(MistralConfig, 1e6, sliding_window=None, head_dim=12, num_key_value_heads=1,
                          tie_word_embeddings=True), False),
    "qwen2_tied": (case(Qwen2Config, 1e6, tie_word_embeddings=True, rms_norm_eps=1e-6), True),
    "qwen2_window": (case(Qwen2Config, tie_word_embeddings=False, use_sliding_window=True, sliding_window=7,
                          max_window_layers=1, num_hidden_layers=3, num_key_value_heads=4), False),
    "qwen3_tied": (case(Qwen3Config, 1e6, head_dim=16, tie_word_embeddings=True), True),
    "qwen3_untied_bias": (case(Qwen3Config, head_dim=8, attention_bias=True, num_attention_heads=6,
                               num_key_value_heads=1, tie_word_embeddings=False), False),
}
# From here on logits of every fourth position only.
DENSE_LOGITS = set(CASES)


def later(cls, **kw):
    return cls(**{**BASE, **kw})


def longrope(pairs, original):
    return dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0 + 0.02 * i for i in range(pairs)],
                long_factor=[1.5 + 0.5 * i for i in range(pairs)], original_max_position_embeddings=original)


YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)
GEMMA3 = dict(head_dim=12, query_pre_attn_scalar=20, sliding_window=9, num_hidden_layers=3, initializer_range=0.2)
GEMMA4 = dict(head_dim=8, global_head_dim=16, sliding_window=9, initializer_range=0.2, vocab_size_per_layer_input=VOCAB,
              hidden_size=24, intermediate_size=20, layer_types=["sliding_attention", "full_attention"] * 3,
              num_hidden_layers=6)

GPT2 = dict(vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, n_positions=128, bos_token_id=256, eos_token_id=257,
            initializer_range=0.35)


HYBRID = dict(num_local_experts=0, shared_intermediate_size=40, layer_types=["full_attention"] * 2, mamba_n_heads=4)


def falcon(**kw):
    return FalconConfig(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, bos_token_id=256,
                        eos_token_id=257, initializer_range=0.35, max_position_embeddings=128, **kw)


CASES.update({
    # Frequencies that any family may ask for.
    "llama_yarn": (later(LlamaConfig, rope_parameters=YARN, tie_word_embeddings=True), False),
    "llama_dynamic": (later(LlamaConfig, rope_parameters=dict(rope_type="dynamic", factor=2.0, rope_theta=10000.0),
                            tie_word_embeddings=True), True),
    "qwen2_yarn": (later(Qwen2Config, tie_word_embeddings=True, rope_parameters=dict(
        YARN, beta_fast=8.0, beta_slow=2.0, attention_factor=1.25, truncate=False)), False),
    "gemma3_layers": (later(Gemma3TextConfig, **GEMMA3, final_logit_softcapping=20.0, layer_types=[
        "full_attention", "sliding_attention", "sliding_attention"], rope_parameters=dict(
            full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
            sliding_attention=dict(rope_type="default", rope_theta=5000.0))), False),
    "gemma3_pattern": (later(Gemma3TextConfig, **{**GEMMA3, "num_hidden_layers": 7}, attention_bias=True,
                             tie_word_embeddings=False), False),
    "gemma3_vision": (Gemma3Config(
        text_config={**BASE, **GEMMA3}, vision_config=dict(
            model_type="siglip_vision_model", hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=2, image_size=28, patch_size=14), mm_tokens_per_image=1), False),
    "phi3_longrope_short": (later(Phi3Config, rope_parameters=longrope(4, 128), max_position_embeddings=512,
                                  original_max_position_embeddings=128, pad_token_id=0), False),
    "phi3_longrope_long": (later(Phi3Config, rope_parameters=dict(longrope(3, 32), partial_rotary_factor=0.75),
                                 max_position_embeddings=256, original_max_position_embeddings=32, sliding_window=20,
                                 tie_word_embeddings=True, pad_token_id=0), False),
    "phi3_plain": (later(Phi3Config, num_key_value_heads=4, pad_token_id=0), False),
    "smollm3_nope": (later(SmolLM3Config, num_hidden_layers=4, no_rope_layer_interval=2, tie_word_embeddings=True,
                           pad_token_id=0), False),
    "smollm3_window": (later(SmolLM3Config, num_hidden_layers=3, no_rope_layers=[0, 1, 1], attention_bias=True,
                             mlp_bias=True, use_sliding_window=True, sliding_window=11, tie_word_embeddings=False,
                             pad_token_id=0), False),
    "granite_tied": (later(GraniteConfig, embedding_multiplier=4.0, attention_multiplier=0.3, residual_multiplier=0.4,
                           logits_scaling=3.0, tie_word_embeddings=True), False),
    "granite_bias": (later(GraniteConfig, attention_bias=True, mlp_bias=True, num_key_value_heads=4,
                           embedding_multiplier=0.5, tie_word_embeddings=False), False),
    "granite_hybrid": (later(GraniteMoeHybridConfig, **HYBRID, position_embedding_type="rope", residual_multiplier=0.4,
                             attention_multiplier=0.3, logits_scaling=3.0, tie_word_embeddings=True), False),
    "granite_hybrid_nope": (later(GraniteMoeHybridConfig, **HYBRID, position_embedding_type="nope", attention_bias=True,
                                  embedding_multiplier=4.0), False),
    "gemma2_caps": (later(Gemma2Config, head_dim=12, query_pre_attn_scalar=20, sliding_window=9, num_hidden_layers=3,
                          attn_logit_softcapping=4.0, final_logit_softcapping=10.0, initializer_range=0.2), False),
    "gemma2_plain": (later(Gemma2Config, head_dim=8, sliding_window=7, attention_bias=True, initializer_range=0.2,
                           layer_types=["full_attention", "sliding_attention"], attn_logit_softcapping=None,
                           final_logit_softcapping=None, tie_word_embeddings=False), False),
    "olmo2_untied": (later(Olmo2Config, tie_word_embeddings=False), False),
    "olmo2_bias": (later(Olmo2Config, attention_bias=True, num_key_value_heads=1, tie_word_embeddings=True), False),
    "ministral_layers": (later(MinistralConfig, head_dim=8, sliding_window=9, num_hidden_layers=3, layer_types=[
        "sliding_attention", "full_attention", "sliding_attention"]), False),
    "ministral_full": (later(MinistralConfig, sliding_window=9, layer_types=["full_attention"] * 2, head_dim=12,
                             tie_word_embeddings=True), False),
    "ministral3_growth": (later(Ministral3Config, head_dim=12, rope_parameters=dict(
        YARN, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3)), False),
    "ministral3_window": (later(Ministral3Config, head_dim=8, sliding_window=15, tie_word_embeddings=True,
                                rope_parameters=dict(YARN, llama_4_scaling_beta=0.1)), False),
    "mistral3_vision": (Mistral3Config(
        text_config=dict(BASE, model_type="mistral", head_dim=8, sliding_window=None), vision_config=dict(
            model_type="pixtral", hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            head_dim=8, image_size=28, patch_size=14), tie_word_embeddings=False), False),
    "gemma4_shared": (later(Gemma4TextConfig, **GEMMA4, hidden_size_per_layer_input=8, num_kv_shared_layers=3,
                            use_double_wide_mlp=True, final_logit_softcapping=20.0), False),
    "gemma4_key_is_value": (later(Gemma4TextConfig, **GEMMA4, hidden_size_per_layer_input=0, attention_k_eq_v=True,
                                  num_global_key_value_heads=1, tie_word_embeddings=False, rope_parameters=dict(
                                      full_attention=dict(rope_type="proportional", partial_rotary_factor=0.5,
                                                          rope_theta=5e4, factor=2.0),
                                      sliding_attention=dict(rope_type="default", rope_theta=3000.0))), False),
    "stablelm_plain": (later(StableLmConfig, use_qkv_bias=True, tie_word_embeddings=False, hidden_size=64), False),
    "stablelm_parallel": (later(StableLmConfig, qk_layernorm=True, use_parallel_residual=True, tie_word_embeddings=True,
                                rope_parameters=dict(rope_type="default", rope_theta=1e5,
                                                     partial_rotary_factor=0.75)), False),
    "gpt2_plain": (GPT2Config(**GPT2), False),
    "gpt2_scaled": (GPT2Config(**{**GPT2, "n_head": 2}, n_inner=40, activation_function="gelu", scale_attn_weights=False,
                               scale_attn_by_inverse_layer_idx=True, tie_word_embeddings=False), False),
    "gpt_neox_parallel": (later(GPTNeoXConfig, hidden_size=64, intermediate_size=80), False),
    "gpt_neox_serial": (later(GPTNeoXConfig, use_parallel_residual=False, attention_bias=False, hidden_act="gelu_new",
                              tie_word_embeddings=True, rope_parameters=dict(
                                  rope_type="default", rope_theta=1e5, partial_rotary_factor=1.0)), False),
    "falcon_multi_query": (falcon(multi_query=True), False),
    "falcon_heads": (falcon(multi_query=False, parallel_attn=False, bias=True, ffn_hidden_size=48,
                            tie_word_embeddings=False), False),
    "falcon_grouped": (falcon(new_decoder_architecture=True, num_kv_heads=2, bias=True), False),
    "falcon_one_norm": (falcon(new_decoder_architecture=True, num_kv_heads=1, num_ln_in_parallel_attn=1,
                               activation="gelu_new"), False),
})


def tokenizer():
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    chars, extra = [], 0
    for b in range(256):
        if b in keep:
            chars.append(chr(b))
        else:
            chars.append(chr(256 + extra))
            extra += 1
    words = chars + ["<bos>", "<eos>"] + [f"<extra{i}>" for i in range(VOCAB - 258)]
    added = [dict(id=i, content=words[i], single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
             for i in range(256, VOCAB)]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    return dict(version="1.0", added_tokens=added, normalizer=None, pre_tokenizer=level, post_processor=None,
                decoder=level, model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None,
                                          end_of_word_suffix=None, fuse_unk=False, byte_fallback=False,
                                          vocab={w: i for i, w in enumerate(words[:256])}, merges=[]))


# Norms, biases and factors too: ones and zeros would hide a missing term.
def stir(model):
    with torch.no_grad():
        for key, p in list(model.named_parameters()) + list(model.named_buffers()):
            if "norm" in key or ".ln_" in key or key.endswith("layer_scalar"):
                p.copy_((0 if p.abs().max() == 0 and key.endswith("weight") else p.mean()) + 0.2 * torch.randn_like(p))
            elif key.endswith("bias"):
                p.copy_(0.3 * torch.randn_like(p))


def auto(config):
    return AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM


# config.json as older versions of transformers wrote it.
def make_older(js):
    rope = js.pop("rope_parameters")
    js["rope_theta"] = rope.pop("rope_theta")
    if rope["rope_type"] != "default":
        js["rope_scaling"] = rope
    js["torch_dtype"] = js.pop("dtype")


def make(index, name, config, older):
    torch.manual_seed(1000 + index)
    path = os.path.join(HERE, name)
    shutil.rmtree(path, ignore_errors=True)
    config.dtype = "bfloat16"
    model = auto(config).from_config(config, dtype=torch.float32)
    stir(model)
    shards = dict(max_shard_size="60KB") if name == "llama_untied_bias" else {}
    model.to(torch.bfloat16).save_pretrained(path, **shards)
    if os.path.exists(os.path.join(path, "generation_config.json")):
        os.remove(os.path.join(path, "generation_config.json"))
    file = os.path.join(path, "config.json")
    with open(file) as f:
        js = json.load(f)
    js.pop("transformers_version", None)
    if older:
        make_older(js)
    with open(file, "w") as f:
        json.dump(js, f, indent=1, sort_keys=True)
        f.write("\n")
    with open(os.path.join(path, "tokenizer.json"), "w") as f:
        json.dump(tokenizer(), f, ensure_ascii=False, separators=(",", ":"))
    model = auto(config).from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    ids = np.random.default_rng(2000 + index).integers(0, VOCAB, N).astype("<i4")
    with torch.no_grad():
        tokens = torch.tensor(ids[None].astype(np.int64))
        logits = model(tokens).logits[0].numpy().astype("<f4")
        hidden = model.base_model(tokens).last_hidden_state[0].numpy().astype("<f4")
    assert logits.shape == (N, VOCAB) and hidden.shape[0] == N
    ids.tofile(os.path.join(path, "ids.bin"))
    (logits if name in DENSE_LOGITS else logits[3::4]).tofile(os.path.join(path, "logits.bin"))
    hidden.tofile(os.path.join(path, "hidden.bin"))
    print(name, "largest |logit| %.3f" % np.abs(logits).max(), "std %.3f" % logits.std())


def main():
    for index, (name, (config, older)) in enumerate(CASES.items()):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            make(index, name, config, older)


if __name__ == "__main__":
    main()
