"""Short stories about a few characters, and questions about the story that was told."""

from talk.text import article, fill, pick
from talk.words import a_name

KINDS = [
    "fox",
    "rabbit",
    "mouse",
    "bear",
    "cat",
    "dog",
    "duck",
    "owl",
    "frog",
    "squirrel",
    "hen",
    "pig",
    "wolf",
    "goat",
    "donkey",
    "lion",
    "penguin",
    "sheep",
]
PLACES = [
    "in the forest",
    "by a lake",
    "on a small farm",
    "in a green valley",
    "near the sea",
    "in an old tree",
    "on a hill",
    "at the edge of a village",
    "in a quiet garden",
    "by a river",
]
FOUND = [
    "a golden key",
    "a red ball",
    "an old map",
    "a shiny coin",
    "a small bell",
    "a blue stone",
    "a red mitten",
    "a wooden boat",
    "a silver spoon",
    "a yellow kite",
    "a music box",
    "a tiny lantern",
]
FOODS = ["apples", "honey cake", "warm soup", "berries", "fresh bread", "pancakes", "nuts"]

OPENINGS = (
    "{Once upon a time there was|Once there was|There once was} {a little|a young|a small|a brave|a"
    " curious} [k] named [n]. [N] lived [p]."
)
PLOTS = {
    "found": (
        "{One day|One morning|One sunny day} [n] found [f]. {[n] did not know whose it was, so [n]"
        ' asked a [k2] named [m].|"Whose is this?" asked [n], and showed it to [m] the [k2].} {"It'
        ' is mine!" said [m].|[m] was very happy, because it belonged to [m].} {So [n] gave it'
        " back, and the two became friends.|[n] gave it back, and they shared [e].}"
    ),
    "lost": (
        "{One day|One evening|One windy day} [n] lost [f]. [n] looked everywhere and was sad. {Then"
        " a [k2] named [m] came by and helped to look.|A [k2] named [m] saw this and wanted to"
        ' help.} {Together they found it under a bush.|[m] found it behind a big stone.} {"Thank'
        ' you!" said [n], and they ate [e] together.|[n] was happy again and shared [e] with [m].}'
    ),
    "storm": (
        "{One night|One day|One evening} a big storm came. [n] was afraid. {A [k2] named [m]"
        ' called: "Come into my house!"|Then [m] the [k2] opened a door and said: "Come in!"}'
        " Inside it was warm, and they ate [e]. {In the morning the sun was shining, and they were"
        " friends.|When the storm was over, [n] and [m] were friends.}"
    ),
    "friend": (
        "[n] had no friends and felt lonely. {One day [n] met a [k2] named [m].|One morning a [k2]"
        ' named [m] came along the path.} {"Will you play with me?" asked [n].|"Do you want to'
        ' play?" asked [m].} {They played with [f] until the evening.|They played all day and found'
        " [f].} {From that day on they were never lonely.|After that they met every day.}"
    ),
    "learn": (
        "[n] wanted to {swim|sing|dance|climb|read|count}, but did not know how. {A [k2] named [m]"
        ' said: "I will show you."|"I can teach you," said a [k2] named [m].} {They tried every'
        " day.|It was hard at first.} {In the end [n] could do it, and they celebrated with"
        " [e].|After a week [n] could do it and was very proud.}"
    ),
}
ASK = (
    "{Tell me|Would you tell me|Please tell|I would love|I'd love to hear|Will you tell me|Let us"
    " have|I need|I want|Can we have|You could tell me|May I have|Invent|Think of|Would you"
    " write|Tell|Can you tell me|Please tell me|I want to hear|I would like to hear|Could you tell"
    " me|Write|Write me|Make up|Can you write|Give me|Do you know|I'd like|How about|Let me"
    " hear|Please write|May I hear} {a|a|a short|a little|a nice}"
)


def story(s, rng, follow=True):
    """A list of turns: the story and perhaps questions about it."""
    n, m = a_name(rng), a_name(rng)
    while m == n:
        m = a_name(rng)
    k, k2 = rng.sample(KINDS, 2)
    form = rng.random()
    if form < 0.3:
        user = s.say(
            ASK + " story|A story{|, please| please}|{Another|One more} story|Story time",
            end=rng.choice("..?"),
        )
    elif form < 0.55:
        user = s.say(ASK + " story {about|of|with} [x]", end=rng.choice("..?"), x=article(k))
    else:
        n = s.value(n)
        user = s.say(
            ASK
            + " story {about|of} {[x] {named|called} [n]|[n] the [k]|[n], [x]|[x] {with the"
            " name|whose name is} [n]}",
            end=rng.choice("..?"),
            x=article(k),
            k=k,
            n=n,
        )
    slots = {
        "k": k,
        "n": n,
        "N": n,
        "m": m,
        "k2": k2,
        "p": rng.choice(PLACES),
        "f": rng.choice(FOUND),
        "e": rng.choice(FOODS),
    }
    plot = rng.choice(list(PLOTS))
    text = fill(pick(rng, OPENINGS) + " " + pick(rng, PLOTS[plot]), slots)
    turns = [(user, text.replace(" a owl", " an owl").replace("young owl", "young owl"))]
    if follow and rng.random() < 0.6:
        questions = [
            (
                (
                    "{What was|What is} the [k]{'s name| called}|What was the name of the [k]|Who"
                    " was the [k]|Who is the story about|What is the name of the [k]"
                ),
                f"The {k} was called {n}.",
            ),
            (
                (
                    "{What was|What is} the [k2]{'s name| called}|What was the name of the [k2]|Who"
                    " was the [k2]"
                ),
                f"The {k2} was called {m}.",
            ),
            (
                "Where did [n] live|Where does [n] live|Where was the home of [n]",
                f"{n} lived {slots['p']}.",
            ),
            (
                "{What|Which animal|What animal|What kind of animal} {was|is} [n]",
                f"{n} was {article(k)}.",
            ),
            (
                "{What|Which animal|What kind of animal} {was|is} [m]|Who was [m]",
                f"{m} was {article(k2)}.",
            ),
        ]
        if plot == "found":
            questions.append(("What did [n] find", f"{n} found {slots['f']}."))
        if plot == "lost":
            questions.append(("What did [n] lose|What was lost", f"{n} lost {slots['f']}."))
            questions.append(("Who helped [n]|Who helped", f"{m} helped {n}."))
        low = {key: s.value(v) if key in "nm" else v for key, v in slots.items()}
        for q, a in rng.sample(questions, rng.randint(1, 2)):
            turns.append((s.say(q, **low), a))
    return turns
