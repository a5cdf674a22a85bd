#!/usr/bin/env python3
"""Writes quant_golden.txt: blocks quantized by the reference quantizers of the PyPI package gguf.

Made with Python 3.11, gguf 0.19.0, numpy 2.4.6:
  python3 -m venv venv && venv/bin/pip install gguf==0.19.0 numpy==2.4.6
  venv/bin/python make_quant_golden.py quant_golden.txt

Each case is a line "x HEX" (32 binary32 numbers, little-endian) and then one line a type, "TYPE HEX HASH": the
row-major block and the FNV-1a 64 hash of its 32 dequantized binary32 numbers. Blocks whose step has no finite
inverse are left out: there the reference converts infinities to integers, which no two machines do alike.
"""

import sys

import gguf
import numpy as np
from gguf.constants import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

PINNED = {"gguf": "0.19.0", "numpy": "2.4.6"}
TYPES = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]


def make_cases():
    rng = np.random.default_rng(20240531)
    cases = [rng.standard_normal(32) for _ in range(8)]
    cases += [rng.standard_normal(32) * 0.02 for _ in range(4)]
    cases += [rng.standard_normal(32) * scale for scale in (1e-30, 1e-12, 6e-8, 3e-5, 1e3, 3e4)]
    cases += [rng.integers(-20, 21, 32) * 1.0 for _ in range(4)]  # many ties of magnitude
    cases += [rng.integers(-255, 256, 32) * 0.5 for _ in range(4)]  # halves of the quant step
    # Exact halves after scaling: the largest element is the number of steps.
    for top in (127.0, -127.0, 8.0, -8.0, 16.0, -16.0, 15.0, 31.0):
        halves = (np.arange(32) - 16.0) / 2
        halves[17] = top
        cases.append(np.clip(halves, -abs(top), abs(top)))
    cases += [np.zeros(32), -np.zeros(32), np.full(32, 0.75), np.full(32, -3.14159), np.full(32, 1e-6)]
    one_hot = np.zeros(32)
    one_hot[9] = -2.5
    cases += [one_hot, -one_hot, np.abs(rng.standard_normal(32)) + 1, -np.abs(rng.standard_normal(32)) - 1]
    tied = np.tile([1.0, -1.0], 16)
    cases += [tied, -tied, np.arange(32) * 1.0, np.arange(32)[::-1] * -1.0]
    # Products and sums that round differently with and without fma.
    cases += [np.array([-21.5, 23.5, 98, 116, -16, 45, 51, -61.5, -49.5, -47, -60, -24.5, 67.5, 88.5, 5.5, 120, 110,
                        40.5, -33, 92, -32, 14.5, -17.5, -105.5, 2, -21.5, 20, -79, -79, -84, -21, 15.5])]
    half_subnormals = rng.integers(-1023, 1024, 32) * 2.0**-24
    cases += [half_subnormals, np.where(rng.random(32) < 0.5, 65504.0, -65504.0)]
    return [np.asarray(case, dtype=np.float32) for case in cases]


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def main():
    import importlib.metadata

    for name, version in PINNED.items():
        if importlib.metadata.version(name) != version:
            sys.exit(f"{name} must be {version}, is {importlib.metadata.version(name)}")
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("# Written by make_quant_golden.py with gguf 0.19.0 and numpy 2.4.6.\n")
        for case in make_cases():
            out.write(f"x {case.tobytes().hex()}\n")
            for name in TYPES:
                with np.errstate(all="ignore"):
                    block = quantize(case.reshape(1, 32), Type[name])
                    value = dequantize(block, Type[name]).astype(np.float32)
                out.write(f"{name.lower()} {block.tobytes().hex()} {fnv1a(value.tobytes()):016x}\n")


if __name__ == "__main__":
    main()
