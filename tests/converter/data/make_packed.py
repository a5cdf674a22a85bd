#!/usr/bin/env python3
"""Writes packed_*.safetensors: a tiny random Llama whose matrices are FP8, AWQ or GPTQ, and the same with the numbers
that those stand for, computed here from the definitions: packing puts known codes in words, so nothing is unpacked.

Made with torch 2.15.0, safetensors 0.8.0, numpy 2.4.6:
  python make_packed.py   (writes beside itself)

FP8 rounds by torch's float8_e4m3fn; the words of AWQ hold rows 0, 2, 4, 6, 1, 3, 5, 7 of eight, from the lowest bits on;
those of GPTQ hold columns (weights) and rows (zeros) in order, zeros less one except in gptq_v2.
"""
import os

import numpy as np
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
HIDDEN, INTER, VOCAB, LAYERS = 16, 24, 300, 2
BLOCK = (16, 8)  # of FP8
GROUP = 8
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def words(codes, axis, order=range(8)):
    """Eight codes of 4 bits along an axis become one int32."""
    codes = np.moveaxis(codes, axis, -1).astype(np.uint32)
    codes = codes.reshape(codes.shape[:-1] + (-1, 8))
    out = np.zeros(codes.shape[:-1], np.uint32)
    for place, which in enumerate(order):
        out |= codes[..., which] << np.uint32(4 * place)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(out, -1, axis)).view(np.int32))


def fp8(rng, name, rows, columns):
    values = torch.from_numpy(rng.standard_normal((rows, columns)).astype(np.float32) * 60).to(torch.float8_e4m3fn)
    values.view(torch.uint8)[0, :4] = torch.tensor([0x01, 0x87, 0x7E, 0x80], dtype=torch.uint8)  # smallest, largest, -0
    blocks = (-(-rows // BLOCK[0]), -(-columns // BLOCK[1]))
    scales = torch.from_numpy(rng.random(blocks).astype(np.float32) * 1e-3 + 1e-4)
    full = scales.repeat_interleave(BLOCK[0], 0)[:rows].repeat_interleave(BLOCK[1], 1)[:, :columns]
    return {name + ".weight": values, name + ".weight_scale_inv": scales}, values.to(torch.float32) * full


def int4(rng, rows, columns):
    q = rng.integers(0, 16, (rows, columns))
    groups = columns // GROUP
    zeros = rng.integers(1, 17, (rows, groups))
    scales = (rng.standard_normal((rows, groups)) * 0.02).astype(np.float16)
    return q, zeros, scales


def plain(q, zeros, scales, group):
    return torch.from_numpy((q - zeros[:, group]).astype(np.float32) * scales[:, group].astype(np.float32))


def awq(rng, name, rows, columns):
    q, zeros, scales = int4(rng, rows, columns)
    zeros -= 1  # 0 to 15
    parts = {name + ".qweight": words(q.T, 1, AWQ_ORDER), name + ".qzeros": words(zeros.T, 1, AWQ_ORDER),
             name + ".scales": torch.from_numpy(np.ascontiguousarray(scales.T))}
    return parts, plain(q, zeros, scales, np.arange(columns) // GROUP)


def gptq(rng, name, rows, columns, less=1):
    q, zeros, scales = int4(rng, rows, columns)
    if less == 0:
        zeros -= 1
    group = rng.permutation(np.arange(columns) // GROUP)
    parts = {name + ".qweight": words(q.T, 0), name + ".qzeros": words(zeros.T - less, 1),
             name + ".scales": torch.from_numpy(np.ascontiguousarray(scales.T)),
             name + ".g_idx": torch.from_numpy(group.astype(np.int32))}
    return parts, plain(q, zeros, scales, group)


def main():
    methods = {"fp8": fp8, "awq": awq, "gptq": gptq, "gptq_v2": lambda *a: gptq(*a, less=0)}
    for seed, (method, make) in enumerate(methods.items()):
        rng = np.random.default_rng(7000 + seed)
        packed, values = {}, {}

        def vector(name, *shape):
            tensor = torch.from_numpy(rng.standard_normal(shape).astype(np.float32)).to(torch.bfloat16)
            packed[name] = values[name] = tensor

        vector("model.embed_tokens.weight", VOCAB, HIDDEN)
        vector("model.norm.weight", HIDDEN)
        for layer in range(LAYERS):
            stem = f"model.layers.{layer}."
            vector(stem + "input_layernorm.weight", HIDDEN)
            vector(stem + "post_attention_layernorm.weight", HIDDEN)
            for part, rows, columns in (("self_attn.q_proj", HIDDEN, HIDDEN), ("self_attn.k_proj", HIDDEN // 2, HIDDEN),
                                        ("self_attn.v_proj", HIDDEN // 2, HIDDEN), ("self_attn.o_proj", HIDDEN, HIDDEN),
                                        ("mlp.gate_proj", INTER, HIDDEN), ("mlp.up_proj", INTER, HIDDEN),
                                        ("mlp.down_proj", HIDDEN, INTER)):
                parts, numbers = make(rng, stem + part, rows, columns)
                packed.update(parts)
                values[stem + part + ".weight"] = numbers
        save_file(packed, os.path.join(HERE, f"packed_{method}.safetensors"))
        save_file(values, os.path.join(HERE, f"packed_{method}_values.safetensors"))


if __name__ == "__main__":
    main()
