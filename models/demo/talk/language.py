"""Opposites and plurals."""

from talk.text import KNOW
from talk.words import NOUNS, OPPOSITES, IRREGULAR, invented, plural


def opposite(s, rng):
    a, b = rng.choice(OPPOSITES)
    if rng.random() < 0.5:
        a, b = b, a
    for x, y in OPPOSITES:  # a word of two pairs has one answer: the first
        if a in (x, y):
            b = y if a == x else x
            break
    quote = rng.choice(["[a]", "[a]", "[a]", '"[a]"', "'[a]'"])
    return (
        s.say(
            (
                "{What is|What's|"
                + KNOW
                + "|Give me|Name|I need|What would be} the opposite {of|of|to} [a]|What is the"
                " {reverse|contrary} of [a]|{Say|Name} the opposite: [a]|Opposite of [a]|What"
                " word {is|means} the opposite of [a]|What is opposite to [a]|[a]: what is the"
                " opposite|Which word do I use for the opposite of [a]|Something is not [a]. It"
                " is the opposite. What is it|[a] and its opposite: what is it|What do you call"
                " the opposite of [a]|[a] has which opposite|Find the opposite of [a]|Turn [a]"
                " around: what is the opposite|The contrary of [a], what is it|And the opposite"
                " of [a]|Which word is the opposite of [a]|The opposite of [a] is {what|which"
                " word}|What is not [a] but the opposite|I say [a]. What is the opposite"
            ).replace("[a]", quote),
            a=a,
        ),
        f"The opposite of {a} is {b}.",
    )


def opposite_unknown(s, rng):
    w = invented(rng).lower()
    return (
        s.say("{What is|What's|" + KNOW + "} the opposite of [a]|Opposite of [a]", a=w),
        "I am sorry, I don't know the opposite of that.",
    )


def plural_of(s, rng):
    n = rng.choice(NOUNS) if rng.random() < 0.75 else rng.choice(list(IRREGULAR))
    k = rng.random()
    if k < 0.7:
        return (
            s.say(
                "{What is|What's|"
                + KNOW
                + "|Give me} the plural of [n]|What is the plural form of [n]|Plural of [n]|One"
                " [n], two what|{I have one|There is one} [n]. What are two|How do you say two of"
                " [n]|What is more than one [n]{| called}|The plural of [n] is what|What do we"
                " call two of [n]|How is the plural of [n] {formed|written|called}|Can you form"
                " the plural of [n]|Make [n] plural|There are many, not one [n]. There are many"
                " what|Which word is the plural of [n]|The word [n] in the plural|What do we say"
                " for several of [n]|And the plural of [n]",
                n=n,
            ),
            f"The plural of {n} is {plural(n)}.",
        )
    return (
        s.say(
            "{What is|What's|"
            + KNOW
            + "|Give me} the singular of [p]|What is the singular form of [p]|Singular of [p]|What"
            " is one of the [p] called|Two [p], one what",
            p=plural(n),
        ),
        f"The singular of {plural(n)} is {n}.",
    )


def repeat(s, rng):
    """Copying, as such."""
    pool = [n for n in NOUNS if rng.random() < 0.3] + [invented(rng).lower() for _ in range(10)]
    words = " ".join(rng.sample(pool, rng.choice([1, 1, 2, 2, 3, 4])))
    return (
        s.say(
            "{Repeat|Say|Please say|Please repeat|Can you say|Can you repeat|Repeat after me|Say"
            " after me|Write|Now say|Copy|Echo}{:|:| the words| this:| the following:} [w]",
            end=rng.choice(["", "", "."]),
            w=words,
        ),
        words,
    )


ALL = [(opposite, 14), (opposite_unknown, 1), (plural_of, 8), (repeat, 7)]
