#!/usr/bin/env python3
"""Makes the tokenizer goldens: corpus.txt, NAME.json (small trained tokenizers), NAME.hashes.

Needs `pip install tokenizers==0.23.3` in an environment of its own; tests never run this script.
  python tests/tokenizer/data/make_goldens.py [NAME=TOKENIZER.json ...] [NAME ...]

Each NAME makes that one only, and leaves the corpus and the others as they are.

Each NAME=TOKENIZER.json makes NAME.hashes only, for a tokenizer that is not committed (stories260k).

corpus.txt      2,000 texts, one a line; \\n \\r \\t \\\\ and \\u{HEX} are escapes.
NAME.hashes     a line per text: FNV-1a-64 over the ids as little-endian i32, first those with special tokens in the
                text parsed, then those with special tokens as plain text; for tokenizers that are not byte-level then
                FNV-1a-64 over the text that the first ids decode to, special tokens skipped.
"""
import collections
import json
import math
import os
import random
import struct
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
HERE = os.path.dirname(os.path.abspath(__file__))
N_LINES = 2000

SENTENCES = [
    "The seed falls far from the tree, and that's how it's meant to be.", "We'll see what they've said; I'm sure she'd agree.",
    "DON'T SHOUT, IT'S LATE! YOU'RE NOT ALONE, WE'VE TIME.", "An apple's core isn't sweet, they’re told; it’s sour.",
    "Ein Flügel dreht sich im Wind über den Straßen von Köln.", "L'été dernier, à l'île d'Oléron, nous vîmes des cœurs gravés.",
    "El niño soñó con pingüinos y señales, ¿verdad? ¡Sí!", "Příliš žluťoučký kůň úpěl ďábelské ódy v noci.",
    "Zażółć gęślą jaźń, mówił stary młynarz nad rzeką.", "Gió thổi qua cánh đồng lúa, tiếng Việt có nhiều dấu.",
    "Kuş uçar, rüzgâr eser; İstanbul'da ılık bir gün.", "Το δέντρο στέκεται μόνο του στον λόφο, ψηλά.",
    "Семя летит далеко от дерева, и ветер несёт его.", "Ґанок, їжак і єнот живуть у лісі.", "הזרע נופל רחוק מן העץ והרוח נושאת אותו.",
    "البذرة تسقط بعيدا عن الشجرة والريح تحملها.", "بِذْرَةٌ صَغِيرَةٌ", "बीज पेड़ से दूर गिरता है और हवा उसे ले जाती है।",
    "விதை மரத்திலிருந்து தொலைவில் விழுகிறது.", "เมล็ดพืชร่วงไกลจากต้นไม้และลมพัดพาไป", "种子落在离树很远的地方，风把它带走了。",
    "風が種を遠くまで運んでいく。カタカナとひらがな。", "씨앗은 나무에서 멀리 떨어지고 바람이 실어 나른다.", "თესლი ხიდან შორს ვარდება.",
    "Սերմը ընկնում է ծառից հեռու։", "ዘሩ ከዛፉ ርቆ ይወድቃል።", "བོད་ཡིག་ནི་ཡག་པོ་འདུག", "မျိုးစေ့သည် ဝေးရာသို့ ကျသည်။", "ಬೀಜ ಮರದಿಂದ ದೂರ ಬೀಳುತ್ತದೆ",
]
CODE = [
    "def spin(n):\n    return [i ** 2 for i in range(n) if i % 3 == 0]\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i] * b[i];\n}\n",
    '{"name": "samara", "size": [1, 2.5e-3, null], "ok": true}', "<div class=\"wing\">\r\n  <p>text &amp; more</p>\r\n</div>\r\n",
    "SELECT id, COUNT(*) FROM seeds WHERE mass >= 0.25 GROUP BY id;", "#include <cstdint>\nuint32_t f(uint8_t x) { return x << 4 | 0xFF; }",
    "let v: Vec<_> = s.chars().rev().collect();  // reversed", "if [ -z \"$1\" ]; then echo 'usage: $0 FILE' >&2; exit 2; fi",
    "\\begin{align} a^2 + b^2 &= c^2 \\\\ \\end{align}", "x = lambda y: y if y else None  # noqa\n\n\n\nclass A(B):\n        pass",
    "https://example.org/a/b?c=d&e=%20f#g_h-i", "user.name+tag@example.org, C:\\path\\to\\file.txt, ../up/one",
]
NUMBERS = ["0", "7", "42", "007", "1234", "12345", "123456", "1234567", "1,234,567.89", "3.14159", "-1e-10", "2026-11-21", "12:34:56",
           "١٢٣٤", "१२३", "½", "¾", "Ⅷ", "x²+y³", "①②③", "𝟙𝟚𝟛", "1st 2nd 3rd", "0x1F600", "90°", "€5.00", "100%", "50/50", "๑๒๓", "৭৮"]
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "👩🏿‍🚀", "🧑‍💻", "☕️", "✌🏻", "🐦‍⬛", "1️⃣", "🫠", "©️", "🏴‍☠️", "🪿"]
SPACES = [" ", "  ", "   ", "      ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "  \n  ", " \t ", "\u00a0", "\u3000", "\u2003",
          "\u2028", "\u2029", "\u0085", "\u200b", "\u1680", "\x0b", "\x0c", "\n\n\n\n", "    \n\n    "]
CONTROL = ["\x00", "\x01", "\x07", "\x08", "\x1b[31m", "\x1f", "\x7f", "\u0080", "\u009f", "\ufeff", "\u00ad", "\u202e", "\ufffd", "\ufffe",
           "\ue000", "\U000f0000", "\u0378", "\U0010ffff", "\u2060", "\ufffc"]
COMBINING = ["e\u0301", "a\u0300\u0323", "a\u0323\u0300", "o\u0302\u0301", "\u1100\u1161", "\u1100\u1161\u11a8", "\uac00\u11a8", "q\u0307\u0323",
             "\u0344", "\u0958", "\u212b", "\u2126", "\u1f82", "\ufb2e", "\u0915\u093c", "\u09c7\u09be", "s\u0323\u0307", "\u1e9b\u0323",
             "a\u0315\u0300\u05ae\u0300b", "\u0301x", "\U0001d15e", "\u30ab\u3099", "\u1b06", "\u0cca\u0cd5", "\uf900", "\U0002f800", "\u0f73", "i\u0307"]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "<mask>", "[LEFT]", "[RIGHT]", "[BOTH]", "<|begin|>", "<|beg",
            "<|im_start", "[WORD]", "wordy", "Straße", "e\u0301t\u00e9", "<0x41>", "<0xE6>", "  <mask>  ", "\n[LEFT]", "[RIGHT] \n x", "a[WORD]b",
            "a [WORD] b", "\u2581", "\u2581the", "<tool>", "<tool_call>", "<tool_", "<|pad|>"]
APOSTROPHES = ["'s", "'S", "'t", "'T", "'re", "'RE", "'ve", "'m", "'ll", "'LL", "'d", "'\u017f", "\u2019s", "''s", "'x", "'", "s'", "'sx", " 's", "\n't"]


def make_lines():
    rng = random.Random(20240229)
    pools = [SENTENCES, CODE, NUMBERS, EMOJI, SPACES, CONTROL, COMBINING, SPECIALS, APOSTROPHES]
    words = [w for s in SENTENCES for w in s.split()]
    lines = [x for pool in pools for x in pool]
    lines += ["", " " * 40, "\n" * 30, "a" * 300, "é" * 100, "ab" * 150, "1" * 64, "=" * 80, "\u0301" * 40, "a" + "\u0323\u0301" * 30,
              "😀" * 20, "\t" * 17 + "x", " " * 30 + "\n" + " " * 30, "-" * 7 + ">" * 9, "한" * 50, "的" * 64, "\x00" * 9]

    def random_char():
        while True:
            c = rng.choice([rng.randrange(0x80), rng.randrange(0x800), rng.randrange(0x3100), rng.randrange(0x10000), rng.randrange(0x20000),
                            rng.randrange(0x110000)])
            if not 0xD800 <= c < 0xE000:
                return chr(c)

    while len(lines) < N_LINES:
        kind = rng.randrange(10)
        if kind < 3:
            line = " ".join(rng.choice(words) for _ in range(rng.randrange(2, 14)))
        elif kind < 7:
            line = "".join(rng.choice(rng.choice(pools)) if rng.random() < 0.7 else rng.choice(words) + rng.choice(SPACES)
                           for _ in range(rng.randrange(1, 7)))
        elif kind == 7:
            line = "".join(random_char() for _ in range(rng.randrange(1, 25)))
        elif kind == 8:
            line = "".join(rng.choice(SPACES + APOSTROPHES + NUMBERS + ["a", "b", "Z", "?", "!", "_", "(", "中"]) for _ in range(rng.randrange(2, 16)))
        else:
            line = rng.choice(words) + rng.choice(SPECIALS) + rng.choice(SPACES) + rng.choice(SPECIALS) + rng.choice(words)
        lines.append(line[:400])
    return lines[:N_LINES]


def escape(line):
    out = []
    for ch in line:
        c = ord(ch)
        if ch in "\\\n\r\t":
            out.append({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}[ch])
        elif c < 0x20 or 0x7F <= c < 0xA1 or not ch.isprintable():
            out.append("\\u{%X}" % c)
        else:
            out.append(ch)
    return "".join(out)


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
          r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
          r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK3 = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
             r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
             r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level(lines, regex, vocab_size, **model):
    tk = Tokenizer(models.BPE(**model))
    if regex is None:
        tk.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        stages = [pre_tokenizers.Split(Regex(r), "isolated") if isinstance(r, str) else r for r in regex]
        tk.pre_tokenizer = pre_tokenizers.Sequence(stages + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tk.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tk.train_from_iterator(lines, trainer)
    return tk


def template(tk, before, after=()):
    names = list(before) + list(after)
    tk.post_processor = processors.TemplateProcessing(
        single=" ".join(list(before) + ["$A"] + list(after)), special_tokens=[(n, tk.token_to_id(n)) for n in names])


def limited(lines, n):
    """The lines with their n most frequent characters only (the trainer's own limit is not deterministic)."""
    counts = collections.Counter("".join(lines))
    kept = set(sorted(counts, key=lambda c: (-counts[c], c))[:n])
    return ["".join(c for c in line if c in kept) for line in lines]


def sentencepiece(lines, vocab_size, n_alphabet):
    bytes_ = ["<0x%02X>" % b for b in range(256)]
    tk = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tk.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tk.train_from_iterator(limited(lines, n_alphabet), trainers.BpeTrainer(
        vocab_size=vocab_size, show_progress=False, special_tokens=["<unk>", "<s>", "</s>"] + bytes_))
    data = json.loads(tk.to_str())
    data["added_tokens"] = data["added_tokens"][:3]  # the byte tokens are plain tokens
    return Tokenizer.from_str(json.dumps(data))


def make_tokenizers(lines):
    tk = byte_level(lines, None, 1000)
    tk.add_special_tokens(["<|endoftext|>"])
    yield "gpt2", tk

    tk = byte_level(lines, [LLAMA3], 1200, ignore_merges=True)
    tk.add_special_tokens(["<|begin|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    template(tk, ["<|begin|>"])
    yield "llama3", tk

    tk = byte_level(lines, [QWEN2], 1200)
    tk.normalizer = normalizers.NFC()
    tk.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tk.add_tokens([AddedToken("<tool_call>", normalized=False)])
    yield "qwen2", tk

    tk = byte_level(lines, [CASED], 1000)
    template_tokens = ["<|endoftext|>", "<|pad|>"]
    tk.add_special_tokens(template_tokens)
    template(tk, [], ["<|endoftext|>"])
    yield "cased", tk

    tk = byte_level(lines, [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", pre_tokenizers.Digits(individual_digits=True)], 1000)
    tk.add_special_tokens(["<|begin|>"])
    yield "staged", tk

    tk = byte_level(lines, None, 800)
    tk.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tk.normalizer = normalizers.NFC()
    tk.add_special_tokens([AddedToken("<mask>", lstrip=True), "<|endoftext|>", AddedToken("[BOTH]", lstrip=True, rstrip=True)])
    tk.add_tokens([AddedToken("[LEFT]", lstrip=True, normalized=False), AddedToken("[RIGHT]", rstrip=True, normalized=False),
                   AddedToken("[WORD]", single_word=True), AddedToken("wordy", single_word=True, normalized=False), "Straße",
                   AddedToken("e\u0301t\u00e9", normalized=True), "<tool>", AddedToken("<tool_call>", normalized=False), "\n\n\n", "of Köln"])
    yield "added", tk

    tk = sentencepiece(lines, 1400, 300)
    tk.pre_tokenizer = None
    tk.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tk.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    template(tk, ["<s>"])
    yield "sentencepiece", tk

    tk = sentencepiece(lines, 1200, 200)
    tk.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    tk.decoder = decoders.Metaspace(prepend_scheme="first")
    tk.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("[WORD]", single_word=True)])
    template(tk, ["<s>"], ["</s>"])
    yield "metaspace", tk

    tk = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tk.pre_tokenizer = pre_tokenizers.Whitespace()
    tk.train_from_iterator(limited(lines, 150), trainers.BpeTrainer(vocab_size=900, show_progress=False, special_tokens=["<unk>", "<s>"]))
    yield "words", tk

    tk = byte_level(lines, None, 1000)
    tk.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")])
    tk.add_special_tokens([">>TITLE<<", "<|endoftext|>"])
    yield "falcon", tk

    tk = byte_level(lines, [TEKKEN], 1000, ignore_merges=True)
    tk.add_special_tokens(["<s>", "</s>", "<unk>"])
    template(tk, ["<s>"])
    yield "tekken", tk

    tk = byte_level(lines, DEEPSEEK3, 1000)
    tk.add_special_tokens(["<|begin|>", "<|endoftext|>"])
    template(tk, ["<|begin|>"])
    yield "deepseek3", tk

    tk = byte_level(lines, [QWEN35], 1000)
    tk.normalizer = normalizers.NFC()
    tk.add_special_tokens(["<|endoftext|>"])
    yield "qwen35", tk

    tk = byte_level(lines, None, 1000)
    tk.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tk.add_special_tokens(["<|endoftext|>", "<|pad|>"])
    yield "granite", tk

    tk = sentencepiece(lines, 1400, 300)
    tk.normalizer = normalizers.Replace(" ", "▁")
    tk.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tk.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tk.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("  ", normalized=False)])
    template(tk, ["<s>"])
    yield "gemma", tk

    tk = unigram(limited(lines, 300), 900, byte_fallback=True)
    tk.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tk.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tk.decoder = decoders.Metaspace(prepend_scheme="always")
    template(tk, [], ["</s>"])
    yield "unigram", tk

    tk = unigram(limited(lines, 200), 700, byte_fallback=False)
    tk.normalizer = normalizers.Sequence([
        normalizers.Nmt(), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()])
    tk.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tk.decoder = decoders.Metaspace(prepend_scheme="first")
    yield "unigram_plain", tk

    for name, options in (("wordpiece", dict(lowercase=True)), ("wordpiece_cased", dict(lowercase=False))):
        tk = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30))
        tk.normalizer = normalizers.BertNormalizer(**options)
        tk.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tk.train_from_iterator(limited(lines, 400), trainers.WordPieceTrainer(
            vocab_size=1000, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
        tk.decoder = decoders.WordPiece(cleanup=options["lowercase"])
        template(tk, ["[CLS]"], ["[SEP]"])
        yield name, tk


def unigram(lines, vocab_size, byte_fallback):
    """A vocabulary of frequent pieces of words, with scores: the library's own trainer is not deterministic."""
    words = collections.Counter(("▁" + w) for line in lines for w in line.split(" ") if w)
    pieces = collections.Counter()
    for word, n in words.items():
        for i in range(len(word)):
            for j in range(i + 1, min(i + 8, len(word)) + 1):
                pieces[word[i:j]] += n * (j - i)
    bytes_ = ["<0x%02X>" % b for b in range(256)] if byte_fallback else []
    chosen = sorted(pieces, key=lambda p: (len(p) > 1, -pieces[p], p))[: vocab_size]
    scores = [[t, 0.0] for t in ["<unk>", "<s>", "</s>"] + bytes_]
    scores += [[p, round(math.log(pieces[p] / sum(pieces.values())), 6)] for p in chosen]
    tk = Tokenizer(models.Unigram([tuple(s) for s in scores], unk_id=0, byte_fallback=byte_fallback))
    tk.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tk


def fnv(data, h=0xCBF29CE484222325):
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def write_hashes(name, path, lines):
    tk = Tokenizer.from_file(path)
    text_level = "ByteLevel" not in str(json.loads(tk.to_str())["decoder"])
    with open(os.path.join(HERE, name + ".hashes"), "w", newline="\n") as f:
        for line in lines:
            tk.encode_special_tokens = False
            ids = tk.encode(line).ids
            tk.encode_special_tokens = True
            plain = tk.encode(line).ids
            row = "%016x" % fnv(struct.pack("<%di" % (len(ids) + len(plain)), *ids, *plain))
            if text_level:
                row += " %016x" % fnv(tk.decode(ids).encode("utf-8"))
            f.write(row + "\n")


def main():
    lines = make_lines()
    only = [a for a in sys.argv[1:] if "=" not in a]
    if not only:
        write_corpus(lines)
    for name, tk in make_tokenizers(lines):
        if only and name not in only:
            continue
        path = os.path.join(HERE, name + ".json")
        data = json.loads(tk.to_str())
        with open(path, "w", encoding="utf-8", newline="\n") as f:
            json.dump(data, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")
        write_hashes(name, path, lines)
        print(name, tk.get_vocab_size(), os.path.getsize(path))
    for argument in sys.argv[1:]:
        if "=" in argument:
            write_hashes(*argument.split("=", 1), lines)


def write_corpus(lines):
    with open(os.path.join(HERE, "corpus.txt"), "w", encoding="utf-8", newline="\n") as f:
        f.writelines(escape(line) + "\n" for line in lines)


if __name__ == "__main__":
    main()
