#!/usr/bin/env python3
"""Scores replies to questions.json.

  score.py --command "PROGRAM ARGUMENTS"   runs PROGRAM once: it reads a JSON line a question from
                                           standard input, {"id", "system" (maybe), "turns": [what
                                           the user says, ...]}, holds each conversation and writes
                                           {"id", "replies": [one a turn]} a line
  score.py --replies FILE.jsonl            the same lines from a file
  score.py --check                         no question occurs in the training text as it is

The last reply counts. It is right if one of "accept" is found in it and none of "reject": regular
expressions, between word boundaries, on the reply in lower case and without punctuation. Ends with
1 if --least PERCENT, or --least-recall PERCENT in category "recall", is not reached.
"""

import argparse
import collections
import json
import pathlib
import re
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def normalized(text):
    text = text.lower().replace("\u2019", "'")
    text = re.sub(r"[,.!?:;\"()]+(?=\s|$)", " ", text)
    return re.sub(r"\s+", " ", text.replace('"', " ")).strip()


def found(patterns, text):
    return any(
        re.search(rf"(?<![a-z0-9])(?:{alternative})(?![a-z0-9])", text)
        for p in patterns
        for alternative in [p]
    )


def right(question, reply):
    text = normalized(reply)
    return found(question["accept"], text) and not found(question.get("reject", []), text)


def check(questions, n=20000):
    sys.path.insert(0, str(HERE.parent))
    import generate
    from talk.text import normalize

    fixed = {normalize(q["turns"][-1]): q["id"] for q in questions if not q.get("common")}
    g, seen = generate.generator(seed=99), set()
    for _ in range(n):
        for user, _ in g.next()["turns"]:
            if normalize(user) in fixed:
                seen.add(fixed[normalize(user)])
    print(f"{n} conversations: {len(seen)} questions seen", *sorted(seen))
    return 1 if seen else 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=pathlib.Path, default=HERE / "questions.json")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--command")
    source.add_argument("--replies", type=pathlib.Path)
    source.add_argument("--check", action="store_true")
    parser.add_argument("--wrong", action="store_true", help="print what was wrong")
    parser.add_argument("--least", type=float, default=0, help="percent")
    parser.add_argument("--least-recall", type=float, default=0, help="percent")
    args = parser.parse_args()
    questions = json.loads(args.questions.read_text())
    if args.check:
        return check(questions)
    if args.command:
        lines = "".join(
            json.dumps({k: q[k] for k in ("id", "system", "turns") if k in q}) + "\n"
            for q in questions
        )
        output = subprocess.run(
            shlex.split(args.command), input=lines, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    else:
        output = args.replies.read_text()
    replies = {r["id"]: r["replies"] for r in map(json.loads, output.splitlines()) if r}
    good, all_ = collections.Counter(), collections.Counter()
    for q in questions:
        reply = replies[q["id"]][-1] if replies.get(q["id"]) else ""
        ok = right(q, reply)
        good[q["category"]] += ok
        all_[q["category"]] += 1
        if args.wrong and not ok:
            print(f"{q['id']}: {q['turns'][-1]!r} -> {reply!r}")
    for category in all_:
        print(
            f"{category:12} {good[category]:3} of {all_[category]:3} "
            f" {100 * good[category] / all_[category]:5.1f} %"
        )
    percent = 100 * sum(good.values()) / sum(all_.values())
    print(f"{'all':12} {sum(good.values()):3} of {sum(all_.values()):3}  {percent:5.1f} %")
    recall = 100 * good["recall"] / max(all_["recall"], 1)
    return 0 if percent >= args.least and recall >= args.least_recall else 1


sys.exit(main())
