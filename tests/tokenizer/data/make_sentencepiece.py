#!/usr/bin/env python3
"""Makes sp_*.model, tiny models of SentencePiece's own trainer, and sp_*.hashes, the ids that the library gives the corpus.

Needs sentencepiece 0.2.1 or newer; run beside corpus.txt's make_goldens.py, whose lines it takes from there:
  python tests/tokenizer/data/make_sentencepiece.py

NAME.hashes: a line a text, FNV-1a-64 over the ids as little-endian i32.
"""
import collections
import os
import re
import struct

import sentencepiece

HERE = os.path.dirname(os.path.abspath(__file__))
PLAIN = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
# A few rules of a normalization of our own: code points, what they become.
RULES = [("FB01", "66 69"), ("2126", "3A9"), ("00A0", "20"), ("3000", "20"), ("0009", "20"), ("65 0301", "E9"), ("00AD", "")]


def lines():
    with open(os.path.join(HERE, "corpus.txt"), encoding="utf-8", newline="\n") as f:
        for line in f.read().split("\n")[:-1]:
            yield re.sub(r"\\(u\{([0-9A-F]+)\}|.)", lambda m: chr(int(m[2], 16)) if m[2] else PLAIN[m[1]], line)


def fnv(data, h=0xCBF29CE484222325):
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def main():
    texts = list(lines())
    os.chdir(HERE)  # the models keep the names of files
    rules = "rules.tsv"
    with open(rules, "w") as f:
        f.writelines(f"{a}\t{b}\n" for a, b in RULES)
    sets = {
        "sp_bpe": dict(model_type="bpe", byte_fallback=True, normalization_rule_name="identity",
                       remove_extra_whitespaces=False),
        "sp_bpe_bare": dict(model_type="bpe", byte_fallback=True, normalization_rule_name="identity",
                            remove_extra_whitespaces=False, add_dummy_prefix=False),
        "sp_unigram": dict(model_type="unigram", byte_fallback=True, normalization_rule_tsv=rules),
        "sp_unigram_unknown": dict(model_type="unigram", byte_fallback=False, normalization_rule_tsv=rules),
    }
    for name, options in sets.items():
        kept = set(c for c, n in collections.Counter("".join(texts)).most_common(260) if c not in "\n\r\0")
        training = ["".join(c for c in t if c in kept) for t in texts if len(t) < 200]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(training), model_prefix=name, vocab_size=1000, character_coverage=1.0,
            num_threads=1, hard_vocab_limit=False, split_digits=True, minloglevel=2, **options)
        os.remove(name + ".vocab")
        model = sentencepiece.SentencePieceProcessor(model_file=name + ".model")
        with open(name + ".hashes", "w", newline="\n") as f:
            for text in texts:
                ids = model.encode(text)
                f.write("%016x\n" % fnv(struct.pack("<%di" % len(ids), *ids)))
        print(name, model.get_piece_size(), os.path.getsize(name + ".model"))
    os.remove(rules)


if __name__ == "__main__":
    main()
