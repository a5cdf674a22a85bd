"""Animals: sounds, legs, young, homes, sizes."""

from talk import heldout
from talk.text import KNOW, article, capital, listed
from talk.words import ANIMALS, SIZES, SIZE_STEP, invented, plural


def _known(field):
    return [a for a, v in ANIMALS.items() if v[field] not in ("", None)]


_SOUND, _LEGS, _YOUNG, _HOME = _known(0), _known(2), _known(3), _known(4)


def animal(s, rng):
    k = rng.random()
    if k < 0.25:
        a = rng.choice(_SOUND)
        verb, cry = ANIMALS[a][:2]
        if rng.random() < 0.25 and cry:
            return (
                s.say(
                    "{Which|What} animal {says|goes|makes} [c]|Who says [c]|"
                    + KNOW
                    + " which animal says [c]|[c]! Which animal is that",
                    c=cry,
                ),
                _who_says(rng, cry),
            )
        return (
            s.say(
                "{What|Which} {sound|noise} does [x] make|What does [x] say|"
                + KNOW
                + " {what [x] says|what sound [x] makes|the sound of [x]}|How does [x]"
                " {sound|go}|Which sound comes from [x]|What {sound|noise} can [x] make|What"
                " {sound|noise} will I hear from [x]|[x] makes {what|which} {sound|noise}|What"
                " cry has [x]|If [x] could talk, what would it say|Do you know the {sound|noise}"
                " of [x]|What is the sound of [x]|What {sound|noise} do [p] make|What do [p]"
                " say|How do [p] sound|And what does [x] say",
                x=article(a),
                p=plural(a),
            ),
            f"{capital(article(a))} {verb}" + (f": {cry}!" if cry else "."),
        )
    if k < 0.45:
        a = rng.choice(_LEGS)
        legs = ANIMALS[a][2]
        return (
            s.say(
                "How many {legs|feet} does [x] have|How many legs {has [x]|do [p] have}|"
                + KNOW
                + " how many legs [x] has|What is the number of legs of [x]|On how many legs does"
                " [x] {walk|stand|run}|How many legs can I count on [x]|[x] has how many legs|The"
                " legs of [x]: how many are there|If I see [x], how many legs does it have|How"
                " many legs do you see on [x]|And how many legs does [x] have",
                x=article(a),
                p=plural(a),
            ),
            f"{capital(article(a))} has {legs_word(legs)}.",
        )
    if k < 0.65:
        a = rng.choice(_YOUNG)
        young = ANIMALS[a][3]
        if rng.random() < 0.15:
            mothers = [b for b in _YOUNG if ANIMALS[b][3] == young]
            return (
                s.say(
                    "What {is|does} a [y]{| grow into| become}|{What|Which} animal is a [y]|A [y]"
                    " is the young of {what|which animal}|What animal does a [y] {become|grow"
                    " into}",
                    y=young,
                ),
                (
                    f"{capital(article(young))} is a young"
                    f" {mothers[0] if len(mothers) < 2 else rng.choice(mothers)}."
                ),
            )
        return (
            s.say(
                "What is {a baby|a young|the young of a} [n] called|What do you call {a baby|a"
                " young} [n]|"
                + KNOW
                + " what a {baby|young} [n] is called|What is the {baby|child|young} of [x]{|"
                " called}|What is the {name|word} {of|for} a {baby|young} [n]|How do you call the"
                " young of [x]|What are {baby|young} [p] called|Which name {has|is given to} a"
                " {young|baby} [n]|The {baby|young|child} of [x] is called what|How is a"
                " {baby|young} [n] called|What name do we give {to |}a {baby|young} [n]|A little"
                " [n] is a what|A {baby|young} [n] is called what",
                n=a,
                x=article(a),
                p=plural(a),
            ),
            f"A young {a} is called {article(young)}.",
        )
    if k < 0.83:
        a = rng.choice(_HOME)
        home = ANIMALS[a][4]
        return (
            s.say(
                "Where {does [x] live|do [p] live|is the home of [x]}|"
                + KNOW
                + " where [x] lives|What is the home of [x]|Where {can|would} I find [x]|Where does"
                " [x] {sleep|stay}|[x] lives where|Where is [x] at home|What place is home to"
                " [x]|Where do people find [p]|What do we call the home of [x]|In what do [p]"
                " live|Which place does [x] live in|In what place does [x] live|And where does"
                " [x] live",
                x=article(a),
                p=plural(a),
            ),
            (
                f"{capital(article(a))} lives in {home}."
                if not home.startswith(("the ice", "the grassland", "the savanna", "a farm"))
                else f"{capital(article(a))} lives on {home}."
            ),
        )
    if rng.random() < 0.3:
        a = rng.choice(_LEGS)
        legs = ANIMALS[a][2]
        return (
            s.say(
                "Does [x] have {any |}{legs|feet}|Do [p] have {any |}{legs|feet}|Has [x] got legs|"
                + KNOW
                + " if [x] has legs",
                x=article(a),
                p=plural(a),
            ),
            f"{'Yes' if legs else 'No'}, {article(a)} has {legs_word(legs)}.",
        )
    a = rng.choice([x for x in ANIMALS if x not in ("fly", "bat") or rng.random() < 0.7])
    flies = ANIMALS[a][5]
    return (
        s.say(
            "Can {[x]|[p]} fly|{Does [x]|Do [p]} fly|"
            + KNOW
            + " if [x] can fly|Is [x] able to fly|Are [p] able to fly|[x] can fly, right|Could [x]"
            " fly|Have you seen [x] fly|Is [x] a flying animal|May [x] fly",
            x=article(a),
            p=plural(a),
        ),
        f"{'Yes' if flies else 'No'}, {article(a)} can{'' if flies else 'not'} fly.",
    )


def legs_word(n):
    return {0: "no legs", 2: "two legs", 4: "four legs", 6: "six legs", 8: "eight legs"}[n]


def _who_says(rng, cry):
    first = next(a for a in ANIMALS if ANIMALS[a][1] == cry)
    return f"{capital(article(first))} says {cry}."


def animal_size(s, rng, training=True):
    while True:
        i, j = rng.randrange(len(SIZES)), rng.randrange(len(SIZES))
        lo, hi = min(i, j), max(i, j)
        if hi - lo >= SIZE_STEP and not (training and heldout.animals_are_held_out(lo, hi)):
            break
    x, y = article(SIZES[i]), article(SIZES[j])
    big = rng.random() < 0.6
    w = rng.choice(["bigger", "larger"] if big else ["smaller"])
    a, b = article(SIZES[hi]), article(SIZES[lo])
    right = f"{a} is bigger than {b}" if big else f"{b} is smaller than {a}"
    if rng.random() < 0.6:
        return (
            s.say(
                "{Which|What|Which animal|Which one} is [w]{:|,|} [x] or [y]|"
                + KNOW
                + " {which|what} is [w], [x] or [y]|[X] or [y]: which is [w]|Is [x] or [y]"
                " [w]|Which of them is [w]: [x] or [y]|Who is [w], [x] or [y]",
                x=x,
                y=y,
                X=capital(x),
                w=w,
            ),
            capital(right) + ".",
        )
    yes = (i == hi) == big
    return (
        s.say(
            "Is [x] [w] than [y]|"
            + KNOW
            + " if [x] is [w] than [y]|Is it true that [x] is [w] than [y]|[X] is [w] than [y],"
            " right",
            x=x,
            y=y,
            X=capital(x),
            w=w,
        ),
        f"{'Yes' if yes else 'No'}, {x} is {'bigger' if i == hi else 'smaller'} than {y}.",
    )


def name_animals(s, rng):
    n = rng.randint(2, 5)
    some = rng.sample(list(ANIMALS), n)
    number = [None, None, "two", "three", "four", "five"][n]
    if rng.random() < 0.3:
        a = rng.choice(list(ANIMALS))
        return (
            s.say(
                "{Name|Give me|Tell me|Say|Can you name|Do you know} an animal|What animals do you"
                " know|Name any animal",
                end=rng.choice(".?"),
            ),
            capital(article(a)) + ".",
        )
    return (
        s.say(
            "{Name|List|Give me|Tell me|Say|Can you name|Do you know} "
            + f"{{{number}|{n}}}"
            + " {animals|different animals|kinds of animals}",
            end=rng.choice(".?"),
        ),
        capital(listed([article(a) for a in some])) + ".",
    )


def animal_unknown(s, rng):
    a = invented(rng).lower()
    return (
        s.say(
            "{What|Which} sound does [x] make|What does [x] say|How many legs does [x] have|Where"
            " does [x] live|What is a baby [a] called|What is [x]|What do [p] eat|How"
            " {big|old|fast|heavy} is [x]|"
            + KNOW
            + " {where [x] lives|what [x] is|what [p] eat}",
            a=a,
            x=article(a),
            p=plural(a),
        ),
        "I am sorry, I don't know that.",
    )


def animal_is(s, rng):
    """Things about known animals that are not known."""
    a = rng.choice(list(ANIMALS))
    return (
        s.say(
            "{What|Which food} {does [x]|do [p]} eat|How {old|fast|heavy|clever|tall} {is [x]|are"
            " [p]}|How {long|many years} {does [x]|do [p]} live|How much does [x]"
            " {weigh|cost|eat}|How many {teeth|eyes|bones|hairs|children} does [x] have|Where can I"
            " buy [x]|What is the Latin name of [x]|How do I {train|feed|draw|catch|wash} [x]",
            a=a,
            x=article(a),
            p=plural(a),
        ),
        "I am sorry, I don't know that.",
    )


ALL = [(animal, 18), (animal_size, 7), (name_animals, 3), (animal_unknown, 3), (animal_is, 4)]
