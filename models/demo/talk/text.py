"""Templates and the style of a user's typing.

A template has alternatives ("Hello|{Hi|Hey}{ there|}"), at its top and in braces, which nest, and
slots in brackets ("[name]").
"""

import functools
import re


def _parse(text, at, nested):
    """Parses to the end or to the brace that closes; returns (alternatives, position)."""
    alternatives, sequence, literal = [], [], []

    def flush():
        if literal:
            sequence.append("".join(literal))
            literal.clear()

    while at < len(text):
        c = text[at]
        if c == "{":
            flush()
            inner, at = _parse(text, at + 1, True)
            sequence.append(inner)
            continue
        if c == "|" or nested and c == "}":
            flush()
            alternatives.append(sequence)
            if c == "}":
                return alternatives, at + 1
            sequence = []
        else:
            literal.append(c)
        at += 1
    if nested:
        raise ValueError(f"a brace is not closed: {text}")
    flush()
    return alternatives + [sequence], at


@functools.lru_cache(maxsize=None)
def _parsed(template):
    return _parse(template, 0, False)[0]


def _expand(rng, alternatives, out):
    sequence = (
        alternatives[0]
        if len(alternatives) == 1
        else alternatives[int(rng.random() * len(alternatives))]
    )
    for part in sequence:
        if isinstance(part, str):
            out.append(part)
        else:
            _expand(rng, part, out)


def pick(rng, template):
    """One expansion of a template, or of one of several. Slots stay."""
    if not isinstance(template, str):
        template = template[int(rng.random() * len(template))]
    out = []
    _expand(rng, _parsed(template), out)
    return "".join(out)


def fill(text, slots):
    for key, value in slots.items():
        text = text.replace("[" + key + "]", str(value))
    if "[" in text:
        raise ValueError(f"an open slot: {text}")
    return text


def capital(text):
    return text[:1].upper() + text[1:]


def reply(rng, template, **slots):
    """A reply: an expansion that begins with a capital, unless with a command."""
    text = fill(pick(rng, template), slots)
    return text if text.startswith("samara-") else capital(text)


def article(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def listed(items):
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


# Goes before an indirect question.
KNOW = (
    "{Would you tell me|Let me know|Can you say|Would you know|Maybe you know|I would like to"
    " hear|I ask you|Are you able to tell me|Tell me|Can you tell me|Do you know|Please tell me|I"
    " want to know|Say|I'd like to know|I wonder|Could you tell me|Please say}"
)

_OPENINGS = [
    "Hey, ",
    "Okay, ",
    "So, ",
    "Now, ",
    "And ",
    "Samara, ",
    "Question: ",
    "Quick question: ",
    "Hi, ",
    "Please: ",
    "Well, ",
    "Next: ",
    "Next question: ",
    "Oh, ",
    "Good. ",
    "Great. ",
    "Alright, ",
    "Then ",
    "Tell me: ",
    "Thanks. ",
    "One more: ",
    "Listen, ",
    "Hello, ",
    "Good day, ",
    "I have a question: ",
    "I'd like to ask: ",
    "My question: ",
    "Say, ",
    "Be so kind: ",
    "Dear Samara, ",
    "Excuse me, ",
    "Sorry, ",
    "Just wondering, ",
    "By the way, ",
    "Let me ask: ",
    "I wonder: ",
    "Hello. ",
    "Hi! ",
    "Nice. ",
    "Cool. ",
    "Hmm, ",
]


_FILLERS = """
really actually please just now again maybe perhaps then exactly here still also possibly quickly
usually kindly today there
""".split() + [
    "for me",
    "my friend",
    "do you think",
    "would you say",
    "in fact",
    "in your opinion",
]
_SMALL = {
    "the",
    "a",
    "an",
    "is",
    "of",
    "do",
    "does",
    "I",
    "to",
    "that",
    "me",
    "please",
    "are",
    "you",
    "it",
}


class Style:
    """How one user types: case, punctuation, slips, spelling."""

    def __init__(self, rng):
        self.rng = rng
        self.lower = rng.random() < 0.3
        self.no_end = rng.random() < (0.7 if self.lower else 0.12)
        self.no_apostrophe = rng.random() < (0.5 if self.lower else 0.03)
        self.american = rng.random() < 0.3
        self.slips = rng.random() < 0.12
        self.chatty = rng.random() < 0.3

    def value(self, text):
        """A word that the user tells, as this user types it."""
        return text.lower() if self.lower else text

    def _slip(self, text):
        words = text.split(" ")
        usable = [i for i, w in enumerate(words) if w.isalpha() and len(w) >= 4]
        if usable:
            i = self.rng.choice(usable)
            w, at = words[i], self.rng.randrange(1, len(words[i]) - 1)
            kind = self.rng.randrange(3)
            if kind == 0:
                w = w[:at] + w[at + 1 :]
            elif kind == 1:
                w = w[:at] + w[at + 1] + w[at] + w[at + 2 :]
            else:
                w = w[:at] + w[at] + w[at:]
            words[i] = w
        return " ".join(words)

    def _loosen(self, text):
        """A word more or less: how people stray from any list of phrases."""
        words, rng = text.split(" "), self.rng
        if len(words) >= 4:
            if rng.random() < 0.6:
                words.insert(rng.randrange(1, len(words)), rng.choice(_FILLERS))
            else:
                small = [i for i, w in enumerate(words) if i and w in _SMALL]
                if small:
                    words.pop(rng.choice(small))
        return " ".join(words)

    def say(self, template, end="?", open_with=True, **slots):
        """What the user types for a template that has no final mark."""
        rng = self.rng
        text = pick(rng, template)
        if self.american:
            text = text.replace("olour", "olor").replace("avourite", "avorite")
        if open_with and rng.random() < (0.35 if self.chatty else 0.08):
            opening = rng.choice(_OPENINGS)
            first = text.split(" ", 1)[0]
            text = opening + (
                text
                if not first or first in ("I", "I'm", "I've", "I'd") or first[0] == "["
                else text[0].lower() + text[1:]
            )
        elif open_with and rng.random() < 0.06:
            text += rng.choice(
                [", please", " please", ", Samara", ", do you know", ", can you tell me"]
            )
        if rng.random() < 0.07:
            text = self._loosen(text)
        if self.slips and rng.random() < 0.5:
            text = self._slip(text)
        text = capital(re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", fill(text, slots)))
        if self.lower:
            text = text.lower()
        if self.no_apostrophe:
            text = text.replace("'", "")
        if not self.no_end and end and text[-1] not in ".!?":
            if end == "." and rng.random() < 0.15:
                end = "!"
            if end == "?" and rng.random() < 0.04:
                end = "."
            text += end
        return text


def normalize(text):
    """Lower case, letters, digits and signs of sums: equal for questions that are the same."""
    return re.sub(r"\s+", " ", re.sub(r"[^a-z0-9+\-=<>]+", " ", text.lower())).strip()
