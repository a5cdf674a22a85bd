"""Colours of things, and mixing them."""

from talk import heldout
from talk.text import KNOW, article, capital, listed
from talk.words import COLOURS, COLOUR_OF, MIXES, invented, plural


def _many(thing):
    """ "a lemon" -> "lemons"."""
    for a in ("a ", "an "):
        if thing.startswith(a):
            return plural(thing[len(a) :])
    return None


def colour_of(s, rng, training=True):
    i = rng.randrange(len(COLOUR_OF))
    thing, colour, verb = COLOUR_OF[i]
    many = _many(thing)
    if many and rng.random() < 0.35:
        thing, verb = many, "are"
    kind = rng.random()
    if kind < 0.6:
        return (
            s.say(
                "{What|Which} colour {[v] [t]|does [t] have}|What's the colour of [t]|{What|Which}"
                " is the colour of [t]|"
                + KNOW
                + " {the colour of [t]|what colour [t] [v]|which colour [t] [v]}|[T]: what"
                " colour|[t] [v] {what|which} colour|The colour of [t] is {what|which one}|What"
                " colour can I see when I look at [t]|Can you describe the colour of [t]|How"
                " would you colour [t]|What colour do I need to paint [t]|In what colour [v]"
                " [t]|What colour would you say [t] [v]|What colour [v] [t]"
                " {usually|normally|mostly}|And the colour of [t]".replace(
                    "does [t] have", "does [t] have" if verb == "is" else "do [t] have"
                ),
                t=thing,
                T=capital(thing),
                v=verb,
            ),
            f"{capital(thing)} {verb} {colour}.",
        )
    if kind < 0.75:
        return (
            s.say(
                f"{{{capital(verb)} [t] [c]|Is it true that [t] {verb} [c]|[T] {verb} [c],"
                f" right|Would you say that [t] {verb} [c]}}",
                t=thing,
                T=capital(thing),
                c=colour,
            ),
            f"Yes, {thing} {verb} {colour}.",
        )
    while True:
        j = rng.randrange(len(COLOURS))
        if COLOURS[j] != colour and not (training and heldout.colour_is_held_out(i, j)):
            break
    return (
        s.say(
            f"{{{capital(verb)} [t] [c]|Is it true that [t] {verb} [c]|[T] {verb} [c], right|Would"
            f" you say that [t] {verb} [c]}}",
            t=thing,
            T=capital(thing),
            c=COLOURS[j],
        ),
        f"No, {thing} {verb} {colour}.",
    )


def colour_unknown(s, rng):
    word = invented(rng).lower()
    t = rng.choice([article(word), "the " + word, plural(word)])
    v = "are" if t == plural(word) else "is"
    return (
        s.say(
            "{What|Which} colour [v] [t]|What's the colour of [t]|"
            + KNOW
            + " {the colour of [t]|what colour [t] [v]}",
            t=t,
            v=v,
        ),
        "I am sorry, I don't know that colour.",
    )


def mix(s, rng):
    a, b, c = rng.choice(MIXES)
    if rng.random() < 0.5:
        a, b = b, a
    kind = rng.random()
    if kind < 0.75:
        return (
            s.say(
                "What {colour |}{do I get|do you get|comes out|results} {if I mix|when I mix|from"
                " mixing|by mixing|if you mix} [a] and [b]|{Mix|Please mix|I mix|Let's mix} [a]"
                " {and|with} [b]{|. What do I get|, what is it}|What do [a] and [b] {make|give}{|"
                " together}|[a] {plus|and|mixed with} [b] {makes|gives|is} what|"
                + KNOW
                + " what [a] and [b] make|Which colour is made {of|from} [a] and [b]|What is [a]"
                " {mixed with|plus} [b]|I have [a] and [b] paint. What can I mix|Which colour"
                " {will I see|appears} when I mix [a] and [b]|When [a] meets [b], what colour"
                " {comes out|do we get}|Mixing [a] and [b] gives {what|which colour}|I put [a]"
                " into [b]. Which colour is it now|If I paint [a] over [b], what colour do I get",
                a=a,
                b=b,
            ),
            f"{capital(a)} and {b} make {c}.",
        )
    return (
        (
            s.say(
                "How {do|can} I {make|get|mix} [c]|{Which|What} colours make [c]|From which colours"
                " do I mix [c]|What can I mix to get [c]|[c] is made of which colours|Of which"
                " colours is [c] made|Which colours {do I mix|should I mix|do I need} {for|to"
                " get|to make} [c]|"
                + KNOW
                + " how to {make|mix|get} [c]",
                c=c,
            ),
            f"Mix {a} and {b} to get {c}.",
        )
        if c != "brown"
        else mix(s, rng)
    )


def name_colours(s, rng):
    n = rng.randint(2, 5)
    some = rng.sample(COLOURS, n)
    number = [None, None, "two", "three", "four", "five"][n]
    return (
        s.say(
            "{Name|List|Give me|Tell me|Say|Can you name|Do you know} "
            + f"{{{number}|{n}}}"
            + " colours",
            end=rng.choice(".?"),
        ),
        capital(listed(some)) + ".",
    )


ALL = [(colour_of, 14), (colour_unknown, 2), (mix, 5), (name_colours, 2)]
