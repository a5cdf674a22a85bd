#!/usr/bin/env python3
"""Makes tokenizer.json files of ../shared/vocabs/*.gguf as their models have them, for make_goldens.py.

  python tests/tokenizer/data/gguf_vocabularies.py ../shared/vocabs OUT     needs tokenizers==0.23.3 and gguf
  python tests/tokenizer/data/make_goldens.py gpt-2=OUT/gpt-2.json starcoder=OUT/starcoder.json ...

The vocabularies are the GGUF files'; the stages around them are those of the models' own tokenizer.json, written here
with the library's own components. Scores become merges as transformers makes them.
"""
import os
import sys

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors


def read(path):
    fields = gguf.GGUFReader(path).fields
    return {key: field.contents() for key, field in fields.items()}


def merges_of(scores, vocab):
    merges = []
    for token, score in scores.items():
        cuts = [(token[:i], token[i:], score) for i in range(1, len(token)) if token[:i] in vocab and token[i:] in vocab]
        merges += sorted(cuts, key=lambda cut: (vocab[cut[0]], vocab[cut[1]]))
    merges.sort(key=lambda cut: (cut[2], len(cut[0]), len(cut[1])), reverse=True)
    return [cut[:2] for cut in merges]


def byte_level(stages, **options):
    return pre_tokenizers.Sequence(stages + [pre_tokenizers.ByteLevel(add_prefix_space=False, **options)])


STAGES = {
    "gpt-2": lambda: byte_level([]),
    "starcoder": lambda: byte_level([pre_tokenizers.Digits(individual_digits=True)]),
    "deepseek-coder": lambda: byte_level(
        [pre_tokenizers.Split(Regex(r), "isolated") for r in (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+")]
        + [pre_tokenizers.Digits(individual_digits=True)], use_regex=False),
}


def make(name, path):
    f = read(path)
    tokens, types = f["tokenizer.ggml.tokens"], f["tokenizer.ggml.token_type"]
    vocab = {token: i for i, token in enumerate(tokens)}
    if f["tokenizer.ggml.model"] == "gpt2":
        merges = [tuple(m.split(" ")) for m in f["tokenizer.ggml.merges"]]
        tk = Tokenizer(models.BPE(vocab, merges))
        tk.pre_tokenizer = STAGES[name]()
        tk.decoder = decoders.ByteLevel()
    else:
        scores = {t: s for t, s, kind in zip(tokens, f["tokenizer.ggml.scores"], types) if kind == 1}
        tk = Tokenizer(models.BPE(vocab, merges_of(scores, vocab), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        tk.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tk.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                        decoders.Strip(" ", 1, 0)])
    tk.add_special_tokens([AddedToken(t, normalized=False) for t, kind in zip(tokens, types) if kind in (2, 3)])
    tk.add_tokens([AddedToken(t, normalized=False) for t, kind in zip(tokens, types) if kind == 4])
    if f.get("tokenizer.ggml.add_bos_token", False):
        bos = tokens[f["tokenizer.ggml.bos_token_id"]]
        tk.post_processor = processors.TemplateProcessing(single=[bos, "$A"], special_tokens=[(bos, vocab[bos])])
    return tk


def main():
    folder, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    for name in ("gpt-2", "starcoder", "deepseek-coder", "llama-spm"):
        make(name, os.path.join(folder, name + ".gguf")).save(os.path.join(out, name + ".json"))


if __name__ == "__main__":
    main()
