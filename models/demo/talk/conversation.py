"""Puts turns together: {"system": text or None, "turns": [(user, reply), ...]}."""

import random

from talk import (
    animals,
    colours,
    dates,
    heldout,
    language,
    memory,
    numbers,
    project,
    smalltalk,
    stories,
    unknown,
)
from talk.text import Style, normalize, pick

# What each area gets of all questions.
AREAS = [
    (smalltalk.ALL, 13),
    ([(project.fact, 1)], 20),
    (numbers.ALL, 26),
    (colours.ALL + dates.ALL + animals.ALL + language.ALL, 30),
    (unknown.ALL, 14),
]

SYSTEMS = (
    "{You are {a helpful assistant|the demo model of Samara|a small assistant|a friendly"
    " assistant|Samara's demo model|a chat program}.|Answer {shortly|in one sentence|politely|in a"
    " friendly way|with short sentences}.|Be {polite|helpful|short|kind|friendly}.|You are a"
    " helpful assistant. {Answer shortly|Be polite|Be kind}.|This is a {demo|test|short chat}.|Help"
    " the user.|You answer simple questions.}"
)


def _weighted(table):
    flat = [f for f, w in table for _ in range(w)]
    return flat


_AREAS = [(_weighted(table), w) for table, w in AREAS]
_FLAT_AREAS = [functions for functions, w in _AREAS for _ in range(w)]


def one(s, rng):
    """A single question and its answer."""
    return rng.choice(rng.choice(_FLAT_AREAS))(s, rng)


def make(rng, long=False):
    s = Style(rng)
    turns, system = [], None

    def distractor():
        if rng.random() < 0.03:
            return stories.story(s, rng, follow=False)
        return [one(s, rng)]

    if rng.random() < 0.12:
        system = pick(rng, SYSTEMS)
    kind = 0.5 if long else rng.random()
    if kind < 0.40:  # questions
        if rng.random() < 0.1:
            turns.append(smalltalk.greet(s, rng))
        for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4])):
            turns.append(one(s, rng))
        if rng.random() < 0.08:
            turns.append(rng.choice([smalltalk.thanks, smalltalk.goodbye])(s, rng))
    elif kind < 0.85:
        if rng.random() < 0.15:
            turns.append(smalltalk.greet(s, rng))
        turns += memory.chat(s, rng, distractor, long)
        if rng.random() < 0.08:
            turns.append(rng.choice([smalltalk.thanks, smalltalk.goodbye])(s, rng))
    elif kind < 0.91:
        turns += stories.story(s, rng)
        if rng.random() < 0.3:
            turns.append(one(s, rng))
    elif kind < 0.95:
        text, fact = memory.from_system(s, rng)
        system = (system + " " if system and rng.random() < 0.5 else "") + text
        for _ in range(rng.choice([0, 0, 1, 2])):
            turns += distractor()
        turns.append(fact.asked(s, rng))
    elif kind < 0.97:
        system, user, answer = smalltalk.given_name(s, rng)
        for _ in range(rng.choice([0, 0, 1, 2])):
            t = one(s, rng)
            if "demo model" not in t[1]:
                turns.append(t)
        turns.append((user, answer))
    else:
        for _ in range(rng.choice([0, 1])):
            turns += distractor()
        turns += memory.untold(s, rng)
    return {"system": system, "turns": turns}


class Generator:
    """Endless conversations of a seed; none has what is held out."""

    def __init__(self, seed, held_out_questions=()):
        self.rng = random.Random(seed)
        self.held_out = {normalize(q) for q in held_out_questions}

    def next(self, long=False):
        while True:
            c = make(self.rng, long)
            if any(
                heldout.has_held_out_word(user) or normalize(user) in self.held_out
                for user, _ in c["turns"]
            ):
                continue
            if c["system"] and heldout.has_held_out_word(c["system"]):
                continue
            if any(reply_has_name(answer) for _, answer in c["turns"]):
                continue
            return c


def reply_has_name(text):
    return (
        any(heldout.has_held_out_word(w) for w in text.split())
        if any(n in text for n in heldout.NAMES)
        else False
    )
