#!/usr/bin/env python3
"""Writes gguf_blocks.txt: blocks of every quantized type with the values that two independent tools give them.

Made with Python 3.11, gguf 0.19.0, numpy 2.4.6, llama-cpp-python 0.3.36:
  python3 -m venv venv && venv/bin/pip install gguf==0.19.0 numpy==2.4.6 llama-cpp-python==0.3.36
  venv/bin/python make_gguf_blocks.py gguf_blocks.txt

A line a block: "NUMBER TYPE HEX HASH": the type's number in GGUF, the row-major block and the FNV-1a 64 hash of its
dequantized binary32 numbers. The package gguf and the library of llama-cpp-python must give the same numbers, or nothing
is written. Blocks: random codes under ordinary scales, edge codes under zero, negative zero, subnormal and the largest
scales, and what llama.cpp's quantizer makes of Gaussian rows.
"""
import ctypes
import os
import sys

import llama_cpp
import numpy as np
from gguf.constants import GGML_QUANT_SIZES
from gguf.constants import GGMLQuantizationType as Type
from gguf.quants import dequantize

# Type: where its f16 numbers lie, and the C name of its functions.
TYPES = {"Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q8_0": (0,), "Q2_K": (80, 82), "Q3_K": (108,),
         "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "IQ4_NL": (0,), "IQ4_XS": (0,), "MXFP4": ()}
ORDINARY = (0.01, 1.0, -0.3, 2.0**-12, 0.0625, 7.5)
EDGES = (0.0, -0.0, 2.0**-24, 2.0**-15, 65504.0, -65504.0)
EXPONENTS = (120, 127, 130, 125, 118, 126, 0, 1, 2, 3, 251, 252)  # of MXFP4

base = ctypes.CDLL(os.path.join(os.path.dirname(llama_cpp.__file__), "lib", "libggml-base.so"))
base.ggml_quantize_init.argtypes = [ctypes.c_int]
base.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
base.ggml_quantize_chunk.restype = ctypes.c_size_t


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def second_opinion(name, block, elements):
    out = np.zeros(elements, dtype=np.float32)
    function = getattr(base, "dequantize_row_" + (name.lower().replace("_k", "_K")))
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    function(block.ctypes.data, out.ctypes.data, elements)
    return out


def quantized(name, values, size):
    out = np.zeros(size, dtype=np.uint8)
    base.ggml_quantize_init(Type[name].value)
    base.ggml_quantize_chunk(Type[name].value, values.ctypes.data, out.ctypes.data, 0, 1, values.size, None)
    return out


def main():
    rng = np.random.default_rng(20261121)
    with open(sys.argv[1], "w") as out:
        out.write("# Written by make_gguf_blocks.py.\n")
        for name, halves in TYPES.items():
            elements, size = GGML_QUANT_SIZES[Type[name]]
            blocks = [rng.integers(0, 256, size, dtype=np.uint8) for _ in ORDINARY]
            blocks += [rng.integers(0, 256, size, dtype=np.uint8) if i % 2 else np.full(size, 255 * (i // 2 % 2), np.uint8)
                       for i in range(len(EDGES))]
            for i, block in enumerate(blocks):
                for n, at in enumerate(halves):
                    scale = (ORDINARY + EDGES)[i] * (1 if n == 0 or i >= len(ORDINARY) else -0.5)
                    block[at:at + 2] = np.array([scale], dtype=np.float16).view(np.uint8)
                if name == "MXFP4":
                    block[0] = EXPONENTS[i]
            blocks += [quantized(name, (rng.standard_normal(elements) * scale).astype(np.float32), size)
                       for scale in (0.02, 1.0, 0.3, 1e-6)]
            for block in blocks:
                values = dequantize(block.reshape(1, -1), Type[name]).astype(np.float32).reshape(-1)
                assert np.isfinite(values).all()
                assert values.tobytes() == second_opinion(name, block, elements).tobytes(), name
                out.write(f"{Type[name].value} {name.lower()} {block.tobytes().hex()} {fnv1a(values.tobytes()):016x}\n")


if __name__ == "__main__":
    main()
