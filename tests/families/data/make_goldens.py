#!/usr/bin/env python3
"""Makes tests/families/data/*: tiny random checkpoints and their logits by transformers in float32.

One folder a case: config.json, model.safetensors (bf16, so that both sides read the same values),
tokenizer.json, ids.bin (64 little-endian i32), logits.bin (64 x vocab little-endian f32) and hidden.bin (the last
hidden states after the final norm, 64 x hidden_size).

Made with: torch 2.15.0, transformers 5.23.0, safetensors 0.8.0, numpy 2.4.6. Seeds are fixed below. The
checkpoints of half of the cases carry the older spelling of config.json (rope_theta and rope_scaling at the
top), which transformers reads as well; those are reloaded from disk before the logits are computed.

Usage: make_goldens.py            (writes beside itself)
       make_goldens.py --hidden   (only hidden.bin, of the checkpoints that are there)
"""
import json
import os
import shutil
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

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


def write_hidden(path, model, ids):
    with torch.no_grad():
        hidden = model.model(torch.tensor(ids[None].astype(np.int64))).last_hidden_state[0].numpy().astype("<f4")
    assert hidden.shape == (N, BASE["hidden_size"])
    hidden.tofile(os.path.join(path, "hidden.bin"))


def add_hidden():
    for name in CASES:
        path = os.path.join(HERE, name)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
        write_hidden(path, model, np.fromfile(os.path.join(path, "ids.bin"), "<i4"))


def main():
    for index, (name, (config, older)) in enumerate(CASES.items()):
        torch.manual_seed(1000 + index)
        path = os.path.join(HERE, name)
        shutil.rmtree(path, ignore_errors=True)
        config.dtype = "bfloat16"
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        with torch.no_grad():  # norms and biases too: ones and zeros would hide a missing term
            for key, p in model.named_parameters():
                if "norm" in key:
                    p.copy_(1 + 0.2 * torch.randn_like(p))
                elif key.endswith("bias"):
                    p.copy_(0.3 * torch.randn_like(p))
        shards = dict(max_shard_size="60KB") if name == "llama_untied_bias" else {}
        model.to(torch.bfloat16).save_pretrained(path, **shards)
        os.remove(os.path.join(path, "generation_config.json"))
        file = os.path.join(path, "config.json")
        with open(file) as f:
            js = json.load(f)
        js.pop("transformers_version", None)
        if older:
            rope = js.pop("rope_parameters")
            js["rope_theta"] = rope.pop("rope_theta")
            if rope["rope_type"] != "default":
                js["rope_scaling"] = rope
            js["torch_dtype"] = js.pop("dtype")
        with open(file, "w") as f:
            json.dump(js, f, indent=1, sort_keys=True)
            f.write("\n")
        with open(os.path.join(path, "tokenizer.json"), "w") as f:
            json.dump(tokenizer(), f, ensure_ascii=False, separators=(",", ":"))
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
        ids = np.random.default_rng(2000 + index).integers(0, VOCAB, N).astype("<i4")
        with torch.no_grad():
            logits = model(torch.tensor(ids[None].astype(np.int64))).logits[0].numpy().astype("<f4")
        assert logits.shape == (N, VOCAB)
        ids.tofile(os.path.join(path, "ids.bin"))
        logits.tofile(os.path.join(path, "logits.bin"))
        write_hidden(path, model, ids)
        print(name, "largest |logit| %.3f" % np.abs(logits).max(), "std %.3f" % logits.std())


if __name__ == "__main__":
    add_hidden() if sys.argv[1:] == ["--hidden"] else main()
