#!/usr/bin/env python3
"""Greedy replies of a package through samara-chat, for score.py --command.

reply_samara.py FILE.samara [--chat PROGRAM] [ARGUMENT...]: further arguments go to samara-chat.
Needs nothing but Python.
"""

import argparse
import json
import pathlib
import subprocess
import sys

PROGRAM = pathlib.Path(__file__).resolve().parents[3] / "build/bin/samara-chat"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package")
    parser.add_argument("--chat", default=str(PROGRAM))
    args, more = parser.parse_known_args()
    for line in sys.stdin:
        question = json.loads(line)
        command = [args.chat, args.package, "--json", "--temp", "0", "--no-history", *more]
        if "system" in question:
            command += ["--system", question["system"]]
        # A line of standard input is a turn.
        turns = "".join(turn.replace("\n", " ") + "\n" for turn in question["turns"])
        done = subprocess.run(command, input=turns, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{question['id']}: {done.stderr.strip()}")
        replies = [json.loads(reply)["reply"] for reply in done.stdout.splitlines()]
        if len(replies) != len(question["turns"]):
            sys.exit(f"{question['id']}: {len(replies)} replies to {len(question['turns'])} turns")
        print(json.dumps({"id": question["id"], "replies": replies}), flush=True)


if __name__ == "__main__":
    main()
