#!/usr/bin/env python3
"""Writes codes_golden.txt: random and edge blocks of the K, IQ4 and MXFP4 types with the values that the PyPI package gguf
gives them.

  python3 -m venv venv && venv/bin/pip install gguf==0.19.0 numpy==2.4.6
  venv/bin/python make_codes_golden.py codes_golden.txt

A line a block: "TYPE HEX HASH", the row-major block and the FNV-1a 64 hash of its dequantized binary32 numbers.
"""

import sys

import numpy as np
from gguf.constants import GGML_QUANT_SIZES
from gguf.constants import GGMLQuantizationType as Type
from gguf.quants import dequantize

# Type: where its f16 numbers lie.
TYPES = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "IQ4_NL": (0,),
         "IQ4_XS": (0,), "MXFP4": ()}


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def main():
    rng = np.random.default_rng(20251121)
    with open(sys.argv[1], "w") as out:
        out.write("# Written by make_codes_golden.py.\n")
        for name, halves in TYPES.items():
            size = GGML_QUANT_SIZES[Type[name]][1]
            blocks = [rng.integers(0, 256, size, dtype=np.uint8) for _ in range(8)]
            blocks += [np.full(size, byte, dtype=np.uint8) for byte in (0, 0x55, 0xAA, 0xFF, 0x01, 0x80)]
            for i, block in enumerate(blocks):
                # Finite scales: ordinary, subnormal, the largest, negative.
                scales = ([0.01, 1.0, 2.0**-24, 65504.0, -0.3, 2.0**-15] + list(rng.standard_normal(8)))[i % 14]
                for at in halves:
                    block[at:at + 2] = np.array([scales], dtype=np.float16).view(np.uint8)
                if name == "MXFP4":
                    block[0] = (0, 1, 2, 120, 127, 130, 254, 125)[i % 8]
                with np.errstate(over="ignore"):
                    values = dequantize(block.reshape(1, -1), Type[name]).astype(np.float32).reshape(-1)
                out.write(f"{name.lower()} {block.tobytes().hex()} {fnv1a(values.tobytes()):016x}\n")


if __name__ == "__main__":
    main()
