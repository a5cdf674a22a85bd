"""Counting, small sums and differences, comparisons of numbers."""

from talk import heldout
from talk.text import capital, listed, pick
from talk.words import NUMBERS, THINGS, a_name

KNOW = (
    "{Would you tell me|I want you to say|Let me know|I wonder|Tell me|Can you tell me|Do you"
    " know|Please tell me|I want to know|Say|I'd like to know|Can you say}"
)
LARGEST = 20  # sums go up to twice this


def _show(rng, *values):
    """Digits or words, the same for all."""
    if max(values) <= 20 and rng.random() < 0.3:
        return [NUMBERS[v] for v in values], True
    return [str(v) for v in values], False


def add(s, rng, training=True):
    while True:
        a, b = (
            (rng.randint(0, 10), rng.randint(0, 10))
            if rng.random() < 0.7
            else (rng.randint(0, LARGEST), rng.randint(0, LARGEST))
        )
        if not (training and heldout.sum_is_held_out(a, b)):
            break
    (x, y), words = _show(rng, a, b)
    end = "?"
    if not words and rng.random() < 0.25:
        q, end = pick(
            rng,
            "{[a] + [b]|[a]+[b]|[a] + [b] =|[a]+[b]=|What is [a] + [b]|What's [a]+[b]|[a] + [b]"
            " is|Compute [a] + [b]|Solve [a] + [b]}",
        ), rng.choice(["?", ""])
    else:
        q = (
            "{What is|What's|How much is|Calculate|Compute|Work out|Add up:} [a]"
            " {plus|and|plus|plus} [b]|{Add|Can you add|Please add|Could you add} [a] {and|to}"
            " [b]|{What is|What's|"
            + KNOW
            + "} the sum of [a] and [b]|{How much do|What do} [a] and [b] {make|make"
            " together|give|add up to}|If I add [b] to [a], what do I get|[a] plus [b]|[a] and"
            " then [b] more, what is that|How much is it if I put [a] and [b] together|Take [a]"
            " and add [b]|What would [a] plus [b] be|What is the result of [a] plus [b]|Put [b]"
            " on top of [a], what is it|{What do I get|What comes out} if I add [a] and [b]|[a]"
            " plus [b] {is|equals|makes} {what|how much}|"
            + KNOW
            + " {what [a] plus [b] is|[a] plus [b]|how much [a] and [b] is}"
        )
    return (s.say(q, end=end, a=x, b=y), f"{a} plus {b} is {a + b}.")


def subtract(s, rng, training=True):
    while True:
        a = rng.randint(0, 12) if rng.random() < 0.6 else rng.randint(0, LARGEST)
        b = rng.randint(0, a)
        if not (training and heldout.difference_is_held_out(a, b)):
            break
    (x, y), words = _show(rng, a, b)
    end = "?"
    if not words and rng.random() < 0.25:
        q, end = pick(
            rng,
            "{[a] - [b]|[a]-[b]|[a] - [b] =|[a]-[b]=|What is [a] - [b]|What's [a]-[b]|Compute [a] -"
            " [b]|Solve [a] - [b]}",
        ), rng.choice(["?", ""])
    else:
        q = (
            "{What is|What's|How much is|Calculate|Compute|Work out} [a] {minus|less|minus|minus}"
            " [b]|{Subtract|Can you subtract|Please subtract|Take|Could you take} [b] from [a]|What"
            " is the difference {of|between} [a] and [b]|If I take [b] from [a], what {is left|do I"
            " get|remains}|[a] minus [b]|What would [a] minus [b] be|What is the result of [a]"
            " minus [b]|From [a] take [b], what is it|How much remains of [a] without [b]|[a] less"
            " [b], what is that|[a] minus [b] {is|equals|makes} {what|how much}|{What is left|How"
            " much is left|How much remains} if I {take|subtract} [b] from [a]|{How much|What} is"
            " [a] take away [b]|"
            + KNOW
            + " {what [a] minus [b] is|[a] minus [b]|how much [a] minus [b] is}"
        )
    return (s.say(q, end=end, a=x, b=y), f"{a} minus {b} is {a - b}.")


def word_problem(s, rng, training=True):
    thing = rng.choice(THINGS)
    plus = rng.random() < 0.55
    while True:
        a = rng.randint(2, 12)
        b = rng.randint(2, 10) if plus else rng.randint(1, a - 1)
        if not (
            training
            and (heldout.sum_is_held_out(a, b) if plus else heldout.difference_is_held_out(a, b))
        ):
            break
    (x, y), _ = _show(rng, a, b)
    who, poss, has, have = (
        ("I", "I", "have", "do I have") if rng.random() < 0.6 else (None, None, "has", None)
    )
    if who is None:
        who = a_name(rng)
        have = f"does {who} have"
        verb = lambda v: {
            "get": "gets",
            "buy": "buys",
            "find": "finds",
            "eat": "eats",
            "lose": "loses",
            "sell": "sells",
            "give": "gives",
            "need": "needs",
        }[v]
    else:
        verb = lambda v: v
    if plus:
        v = verb(rng.choice(["get", "buy", "find"]))
        q = (
            f"{{|If }}[w] {has} [a] [t] and {v} [b] {{more|more [t]}}{{. How|, how|: how}} many [t]"
            f" {have}{{| now| in all| together}}|[w] {has} [a] [t]. Then [w] {v} [b] more. How many"
            f" [t] {have}{{| now}}|There are [a] [t]{{| on the table| in the box| in the bag}} and"
            f" [b] more come. How many are there{{| now}}|[w] {has} [a] [t] in one {{hand|box|bag}}"
            f" and [b] in the other. How many {{are there|[t] {have}}}{{| together| in all}}"
        )
        answer = f"{a} plus {b} is {a + b}: {a + b} [t]."
    else:
        v = verb(rng.choice(["lose", "sell"]))
        g = verb("give")
        q = (
            f"{{|If }}[w] {has} [a] [t] and {v} [b]{{. How|, how|: how}} many {{[t] {have}|are"
            f" left|[t] are left}}{{| now}}|[w] {has} [a] [t]. Then [w] {{{v} [b]|{g} away [b]|{g}"
            f" [b] away}}. How many {{are left|[t] {have}}}|There are [a] [t]{{| on the table| in"
            " the box| in the bag} and [b] {are taken|are gone|disappear|fall down}. How many"
            " are {left|there now}"
        )
        answer = (
            f"{a} minus {b} is {a - b}: {a - b}"
            f" {thing[:-1] if a - b == 1 and thing not in ('leaves', 'boxes') else thing}."
        )
    return (
        s.say(q, w=s.value(who) if who != "I" else "I", a=x, b=y, t=thing),
        answer.replace("[t]", thing),
    )


def double(s, rng):
    n = rng.randint(1, 20)
    (x,), _ = _show(rng, n)
    if rng.random() < 0.6 or n % 2:
        return (
            s.say(
                "{What is|What's|How much is|"
                + KNOW
                + "} {twice|two times|double|the double of} [a]|Double [a]|What do I get if I"
                " double [a]",
                a=x,
            ),
            f"Twice {n} is {2 * n}.",
        )
    return (
        s.say(
            "{What is|What's|How much is|"
            + KNOW
            + "} {half of|half|the half of|one half of} [a]|Halve [a]|Divide [a] by two",
            a=x,
        ),
        f"Half of {n} is {n // 2}.",
    )


def too_big(s, rng):
    a, b = rng.randint(41, 9999), rng.randint(2, 999)
    op, kind = rng.choice(
        [
            ("plus", 0),
            ("minus", 0),
            ("times", 1),
            ("divided by", 1),
            ("+", 0),
            ("-", 0),
            ("*", 1),
            ("/", 1),
        ]
    )
    if kind and rng.random() < 0.6:
        a, b = rng.randint(2, 99), rng.randint(2, 99)
    return (
        s.say(
            "{What is|What's|How much is|Calculate|Compute} [a] [o] [b]|[a] [o] [b]|"
            + KNOW
            + " what [a] [o] [b] is",
            a=a,
            b=b,
            o=op,
        ),
        (
            "I am sorry, I can't multiply or divide."
            if kind
            else "I am sorry, I only know small numbers. That is too big for me."
        ),
    )


def count(s, rng):
    (lo, hi), up = sorted(rng.sample(range(0, 21), 2)), rng.random() < 0.75
    if hi - lo > 12:
        hi = lo + rng.randint(3, 12)
    if rng.random() < 0.4:
        lo, hi = 1, rng.randint(3, 12)
    (x, y), _ = _show(rng, lo, hi)
    how = (
        "{Count|Would you please count|I'd like you to count|Start counting|Now count|Can you"
        " please count|It would be nice if you counted|I want to hear you count|Can you"
        " count|Please count|Could you count|I want you to count|Let's count|Try to count|Show me"
        " how you count|Would you count}"
    )
    if up:
        q = (
            how
            + (" to [b]" if lo == 1 and rng.random() < 0.6 else " {from|from|up from} [a] to [b]")
            + "|{List|Write|Give me|Say|Tell me} {the|all|all the} numbers {from|between} [a]"
            " {to|and} [b]"
        )
        return (
            s.say(q, end=rng.choice(".?"), a=x, b=y),
            ", ".join(map(str, range(lo, hi + 1))) + ".",
        )
    q = how + " {down|back|backwards} from [b] to [a]|" + how + " from [b] {|down |back }to [a]"
    return (
        s.say(q, end=rng.choice(".?"), a=x, b=y),
        ", ".join(map(str, range(hi, lo - 1, -1))) + ".",
    )


def neighbour(s, rng):
    n = rng.randint(1, 40) if rng.random() < 0.6 else rng.randint(1, 98)
    (x,), _ = _show(rng, n)
    if rng.random() < 0.6:
        q = (
            "{What|Which number|What number} {comes|is} {after|right after|just after|next after}"
            " [a]|What is the {next number after|number after} [a]|What comes next: [b]|"
            + KNOW
            + " {what|which number} comes after [a]|What {follows|number follows} [a]|Which number"
            " follows [a]|What would come after [a]|One more than [a] is {what|which number}|I"
            " count to [a]. What comes next|{What|Which number} is one more than [a]|And"
            " after [a]"
        )
        trail = f"{n - 1}, {n}" if n > 1 else "0, 1"
        return (s.say(q, a=x, b=trail), f"{n + 1} comes after {n}.")
    q = (
        "{What|Which number|What number} {comes|is} {before|right before|just before} [a]|What is"
        " the number before [a]|"
        + KNOW
        + " {what|which number} comes before [a]|And before [a]|What would come before [a]|One less"
        " than [a] is {what|which number}|{What|Which number} is one less than [a]"
    )
    return (s.say(q, a=x), f"{n - 1} comes before {n}.")


def between(s, rng):
    n = rng.randint(1, 40)
    (x, y), _ = _show(rng, n - 1, n + 1)
    return (
        s.say(
            "{What|Which number|What number} {is|comes|lies} between [a] and [b]|"
            + KNOW
            + " {the number|what is} between [a] and [b]",
            a=x,
            b=y,
        ),
        f"{n} is between {n - 1} and {n + 1}.",
    )


def parity(s, rng):
    n = rng.randint(0, 40) if rng.random() < 0.7 else rng.randint(0, 99)
    (x,), _ = _show(rng, n)
    is_even = n % 2 == 0
    kind = rng.randrange(3)
    if kind == 0:
        return (
            s.say(
                "Is [a] {|an }{even or odd|odd or even}{| number}|Is the number [a] {even or"
                " odd|odd or even}|"
                + KNOW
                + " {if|whether} [a] is {odd or even|even or odd}",
                a=x,
            ),
            f"{n} is {'even' if is_even else 'odd'}.",
        )
    asked_even = kind == 1
    word = "even" if asked_even else "odd"
    yes = asked_even == is_even
    return (
        s.say(
            "{Is [a] [p]|Is [a] an [p] number|Is the number [a] [p]|" + KNOW + " if [a] is [p]}",
            a=x,
            p=word,
        ),
        f"{'Yes' if yes else 'No'}, {n} is {'even' if is_even else 'odd'}.",
    )


def compare(s, rng, training=True):
    while True:
        top = rng.choice([10, 20, 100])
        a, b = rng.randint(0, top), rng.randint(0, top)
        if a != b and not (training and heldout.comparison_is_held_out(a, b)):
            break
    (x, y), _ = _show(rng, a, b)
    kind = rng.randrange(4)
    if kind <= 1:
        big = kind == 0
        w = rng.choice(
            ["bigger", "larger", "greater", "more", "higher"]
            if big
            else ["smaller", "less", "lower"]
        )
        m = rng.choice(["biggest", "largest"] if big else ["smallest", "least"])
        q = (
            "{Which|What|Which number|Which one} is [w]{:|,|} [a] or [b]|{Which|What} is the [w]"
            " {number|one|of the two}{:|,} [a] or [b]|"
            + KNOW
            + " which {number |}is [w], [a] or [b]|[a] or [b]: which is [w]|{Of|Between} [a] and"
            " [b], which is {[w]|the [w]}|Which of [a] and [b] is {[w]|the [w]}|Is [a] or [b] [w]"
        )
        result = max(a, b) if big else min(a, b)
        other = min(a, b) if big else max(a, b)
        return (
            s.say(q, a=x, b=y, w=w, m=m),
            f"{result} is {'bigger' if big else 'smaller'} than {other}.",
        )
    big = kind == 2
    w = rng.choice(["bigger", "larger", "greater", "more"] if big else ["smaller", "less"])
    yes = (a > b) == big
    return (
        s.say(
            "{Is [a] [w] than [b]|"
            + KNOW
            + " if [a] is [w] than [b]|Is the number [a] [w] than [b]|Is it true that [a] is [w]"
            " than [b]|[a] is [w] than [b], right}",
            a=x,
            b=y,
            w=w,
        ),
        f"{'Yes' if yes else 'No'}, {a} is {'bigger' if a > b else 'smaller'} than {b}.",
    )


def as_word(s, rng):
    n = rng.randint(0, 20)
    if rng.random() < 0.5:
        return (
            s.say(
                "{Write|Spell|Say|Can you write|How do you write} [a] {as a word|in words|in"
                " letters}|What is [a] {as a word|in words}|What is the word for [a]",
                a=n,
            ),
            f"{n} is {NUMBERS[n]}.",
        )
    return (
        s.say(
            "{Write|Can you write|How do you write} [a] {as a number|in digits|with digits}|What is"
            " [a] {as a number|in digits}|Which number is [a]",
            a=NUMBERS[n],
        ),
        f"{capital(NUMBERS[n])} is {n}.",
    )


def how_many(s, rng):
    n = rng.randint(2, 5)
    if rng.random() < 0.5:
        items = rng.sample(
            [
                "apple",
                "pear",
                "plum",
                "book",
                "pen",
                "coin",
                "ball",
                "stone",
                "cup",
                "hat",
                "key",
                "shell",
                "cat",
                "dog",
                "cow",
                "lamp",
                "drum",
                "kite",
                "rope",
                "bell",
            ],
            n,
        )
    else:
        items = [s.value(a_name(rng)) for _ in range(n)]
    return (
        s.say(
            "How many {things|items|words|names} are {this|these|there|in the list}: [l]|Count"
            " {these|the words|the things|the items|the names}: [l]|How many is that: [l]|How many"
            " do I have here: [l]",
            l=", ".join(items) if rng.random() < 0.6 else listed(items),
        ),
        f"That is {n}.",
    )


ALL = [
    (add, 12),
    (subtract, 10),
    (word_problem, 6),
    (double, 3),
    (too_big, 3),
    (count, 7),
    (neighbour, 5),
    (between, 2),
    (parity, 4),
    (compare, 8),
    (as_word, 3),
    (how_many, 4),
]
