#!/usr/bin/env python3
"""Goldens of chat templates: what jinja2 makes of them, set up by transformers itself.

transformers 5.23.0, jinja2 3.1.6.

  make_goldens.py TEMPLATES               writes reference.txt (lengths and hashes) for the *.jinja files
                                          of the folder TEMPLATES, and own/*.golden for those in own/
  make_goldens.py --show FILE CONVERSATION     prints the text, or the refusal's message on stderr
"""

import datetime
import glob
import hashlib
import json
import os
import sys

import jinja2
import transformers
from transformers.utils import chat_template_utils

HERE = os.path.dirname(os.path.abspath(__file__))
assert transformers.__version__ == "5.23.0" and jinja2.__version__ == "3.1.6"

# What stands for the tokenizer's special tokens.
VARIABLES = {
    "bos_token": "<BOS>",
    "eos_token": "<EOS>",
    "unk_token": "<UNK>",
    "pad_token": "<PAD>",
}


class FixedTime(datetime.datetime):
    """The moment that strftime_now tells."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 6, 9, 4, 5)


chat_template_utils.datetime = FixedTime


def conversations():
    """(name, JSON text): the files, and those without tools with a tool (name+tools)."""
    for path in sorted(glob.glob(os.path.join(HERE, "conversations", "*.json"))):
        name, text = os.path.basename(path)[:-5], read(path)
        yield name, text
        if text.startswith("{") and '"tools"' not in text:
            yield name + "+tools", '{"tools": ' + read(os.path.join(HERE, "tools.json")) + "," + text[1:]


def render(source, conversation):
    """(kind, text): kind is text, refused (by raise_exception) or error (of evaluation)."""
    value = json.loads(conversation)
    given = {"messages": value} if isinstance(value, list) else dict(value)
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            conversations=[given.pop("messages")],
            tools=given.pop("tools", None),
            documents=given.pop("documents", None),
            chat_template=source,
            add_generation_prompt=given.pop("add_generation_prompt", False),
            **{**VARIABLES, **given},
        )
        return "text", texts[0]
    except jinja2.exceptions.TemplateError as error:
        refused = type(error) is jinja2.exceptions.TemplateError
        return ("refused" if refused else "error"), str(error)
    except Exception as error:  # of Python: a wrong type, a missing index
        return "error", f"{type(error).__name__}: {error}"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def main(arguments):
    if len(arguments) == 3 and arguments[0] == "--show":
        kind, text = render(read(arguments[1]), dict(conversations())[arguments[2]])
        (sys.stdout if kind == "text" else sys.stderr).write(text if kind == "text" else f"{kind}: {text}\n")
        return
    lines = []
    for path in sorted(glob.glob(os.path.join(arguments[0], "*.jinja"))):
        source = read(path)
        with open(path, "rb") as file:
            lines.append(f"template {os.path.basename(path)} {hashlib.sha256(file.read()).hexdigest()[:16]}\n")
        for name, conversation in conversations():
            kind, text = render(source, conversation)
            # Messages of evaluation errors are Python's own words.
            lines.append(f"{name} {kind}" + ("\n" if kind == "error" else f" {len(text.encode())} {digest(text)}\n"))
    with open(os.path.join(HERE, "reference.txt"), "w", encoding="utf-8") as file:
        file.writelines(lines)
    for path in sorted(glob.glob(os.path.join(HERE, "own", "*.jinja"))):
        with open(path[: -len(".jinja")] + ".golden", "w", encoding="utf-8") as file:
            for name, conversation in conversations():
                kind, text = render(read(path), conversation)
                result = {"conversation": name, "kind": kind, "text": "" if kind == "error" else text}
                file.write(json.dumps(result, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    main(sys.argv[1:])
