#!/usr/bin/env python3
"""Writes conversations, one JSON line each: generate.py [-n 1000] [--seed 1] [--text | --template].

Everything in them is made by talk/*: no text from elsewhere.
"""

import argparse
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from talk.conversation import Generator  # noqa: E402


def held_out_questions():
    """User turns of the evaluation that training must not see: all but common speech."""
    path = HERE / "eval" / "questions.json"
    if not path.exists():
        return []
    return [q["turns"][-1] for q in json.loads(path.read_text()) if not q.get("common")]


def generator(seed):
    return Generator(seed, held_out_questions())


_QUESTIONS = None


def generator_for_step(seed, step):
    """Training step by step: what comes is known from seed and step alone."""
    global _QUESTIONS
    if _QUESTIONS is None:
        _QUESTIONS = held_out_questions()
    return Generator(seed * 1000000007 + step, _QUESTIONS)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text", action="store_true", help="for reading")
    parser.add_argument(
        "--template", action="store_true", help="as chat_template.jinja writes them, for perplexity"
    )
    args = parser.parse_args()
    g = generator(args.seed)
    for _ in range(args.n):
        c = g.next()
        if args.template:
            system = [("system", c["system"])] if c["system"] else []
            roles = [m for u, a in c["turns"] for m in (("user", u), ("assistant", a))]
            print("".join(f"<|im_start|>{r}\n{t}<|im_end|>\n" for r, t in system + roles), end="")
        elif args.text:
            if c["system"]:
                print("S:", c["system"])
            for user, answer in c["turns"]:
                print("U:", user)
                print("A:", answer)
            print()
        else:
            print(json.dumps(c, ensure_ascii=False))


if __name__ == "__main__":
    main()
