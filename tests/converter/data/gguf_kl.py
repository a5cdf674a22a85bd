#!/usr/bin/env python3
"""Quantized GGUF files: how far are Samara's logits and llama.cpp's from the truth?

For every type a random model is quantized by llama.cpp, and the same file is run by llama.cpp and, converted, by Samara on
its CPU backend. The truth is what float64 arithmetic gives on the dequantized weights (backend
"float64"). Prints the mean Kullback-Leibler divergence from the truth over 1,024 positions, in nats; fails where
Samara's is larger by more than two standard errors of the difference.

Needs numpy 2.4.6 and llama-cpp-python 0.3.36; the model is F16, with logits of standard deviation 3 or more.

Usage: gguf_kl.py BIN F16.gguf WORK SEED [TYPE...]   (BIN: folder of samara-convert and samara-eval)
"""
import ctypes
import json
import os
import subprocess
import sys

import llama_cpp
import numpy as np

TYPES = {"q4_0": 2, "q4_1": 3, "q5_0": 8, "q5_1": 9, "q8_0": 7, "q2_k": 10, "q3_k_m": 12, "q4_k_m": 15, "q5_k_m": 17,
         "q6_k": 18, "iq4_nl": 25, "iq4_xs": 30}
N = 1024


def samara(bin_dir, package, ids, *more):
    out = package + ".json"
    subprocess.run([os.path.join(bin_dir, "samara-eval"), package, "--ids", ",".join(map(str, ids)), "--logits", out,
                    "--ctx", str(N), *more], check=True, stdout=subprocess.DEVNULL)
    with open(out) as f:
        return np.array(json.load(f)["logits"], dtype=np.float64)


def peer(path, ids):
    model = llama_cpp.Llama(path, n_ctx=N, n_batch=512, logits_all=True, n_threads=1, verbose=False)
    model.eval([int(i) for i in ids])
    return np.array(model.scores[:N], dtype=np.float64)


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def divergence(truth, got):
    p, q = log_softmax(truth), log_softmax(got)
    return (np.exp(p) * (p - q)).sum(axis=1)


def main():
    bin_dir, source, work, seed = sys.argv[1:5]
    ids = np.random.default_rng(int(seed)).integers(0, 500, N)
    print(f"{'type':8} {'logit std':>9} {'Samara':>12} {'llama.cpp':>12}  ratio, standard error of the difference")
    bad = 0
    for name, number in TYPES.items():
        if len(sys.argv) > 5 and name not in sys.argv[5:]:
            continue
        gguf, package = os.path.join(work, name + ".gguf"), os.path.join(work, name + ".samara")
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype, params.nthread = number, 1
        assert llama_cpp.llama_model_quantize(source.encode(), gguf.encode(), ctypes.byref(params)) == 0
        subprocess.run([os.path.join(bin_dir, "samara-convert"), gguf, "-o", package, "--no-goldens"], check=True,
                       stdout=subprocess.DEVNULL)
        truth = samara(bin_dir, package, ids, "--backend", "float64", "--kv-type", "f32")
        own, other = divergence(truth, samara(bin_dir, package, ids)), divergence(truth, peer(gguf, ids))
        error = (own - other).std() / N**0.5
        bad += own.mean() > other.mean() + 2 * error
        print(f"{name:8} {truth.std():9.2f} {own.mean():12.3e} {other.mean():12.3e}  {own.mean() / other.mean():.3f}, "
              f"{error / other.mean():.3f} of llama.cpp's", flush=True)
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
