"""Things that the user tells and asks for later."""

from talk.text import article, capital, pick, reply
from talk.words import (
    ANIMALS,
    COLOURS,
    FOODS,
    MORE_COLOURS,
    NOUNS,
    NUMBERS,
    RELATIVES,
    THINGS,
    TOWNS,
    a_name,
    invented,
)

PETS = [
    "dog",
    "cat",
    "rabbit",
    "hamster",
    "parrot",
    "horse",
    "goldfish",
    "turtle",
    "mouse",
    "duck",
    "goat",
    "snake",
    "hen",
    "donkey",
    "pony",
    "canary",
]
WISH = "{Please remember|Remember|Keep in mind|Note|Don't forget}"
REMIND = (
    "{|Do you remember |Can you tell me |Tell me |Do you know |Please tell me |Do you still know"
    " |Remind me: |Now tell me |Can you say }"
)


def _ask(rng, direct, indirect):
    """A question: as it is, or with words before it."""
    if rng.random() < 0.5:
        return pick(rng, direct)
    return pick(
        rng,
        "{Do you remember|Can you tell me|Tell me|Do you recall|Could you recall|Try to"
        " remember|Can you repeat|Repeat|I want to hear|Say again|Let me hear|Are you able to tell"
        " me|What do you know about|Do you know|Please tell me|Do you still know|Now tell me|Remind"
        " me|I forgot|Could you tell me|Have you noted|Can you remember} ",
    ) + pick(rng, indirect)


class Fact:
    """key: what it is about; tell, ack, ask (a function), answer, unknown: texts."""

    def __init__(self, key, tell, ack, direct, indirect, answer, missing):
        self.key, self.tell, self.ack, self.direct, self.indirect, self.answer, self.missing = (
            key,
            tell,
            ack,
            direct,
            indirect,
            answer,
            missing,
        )

    def told(self, s, rng):
        text = s.say(self.tell, end=rng.choice("..!"), open_with=False)
        return text, reply(rng, self.ack)

    def asked(self, s, rng):
        return s.say(_ask(rng, self.direct, self.indirect)), self.answer

    def asked_untold(self, s, rng):
        return s.say(_ask(rng, self.direct, self.indirect)), self.missing


def name(s, rng, n=None):
    n = s.value(n or a_name(rng))
    return Fact(
        "name",
        "{|Hello! |Hi! |Hi, |Hello, |Hey, |Good day, |Good evening! |Nice to meet you, |Let me"
        f" say who I am: |Welcome me, }}{{My name is {n}|my name's {n}|I am {n}|I'm {n}|I am called"
        f" {n}|call me {n}|you can call me {n}|people call me {n}|they call me {n}|{n} is my"
        f" name|{n} here|this is {n}|{n} is what my friends call me|please call me {n}|the name is"
        f" {n}|I go by {n}|I am known as {n}|my mother named me {n}|I was named {n}|it is {n}"
        f" speaking|you are talking to {n}|everybody calls me {n}}}|{WISH} {{that my name is {n}|my"
        f" name: {n}|that I am {n}|that I am called {n}}}|My name is {n}. {{And you|What is"
        " yours|Please remember it|Remember that|Nice to meet you|How are you|Who are you}",
        f"{{Nice to meet you, {n}!|Hello, {n}! Nice to meet you.|Hello, {n}! How can I help you?}}",
        "{What is my name|What's my name|Who am I|What am I called|My name is what|What name do I"
        " have|What would my name be|Could you say my name|You know my name, right|With what name"
        " did I come|What did I say my name {is|was}|How am I called|Which name did I {tell|give}"
        " you|What name did I tell you|What do {people|my friends|they} call me|And my name|And who"
        " am I|So what is my name|What was my name{| again}|By which name do you know me|How should"
        " you call me|Say my name|My name}",
        "{my name|what my name is|who I am|what I am called|the name I told you|the name that I"
        " gave you|under which name you know me|how I am called|what my name was}",
        f"Your name is {n}.",
        "You have not told me your name yet.",
    )


def colour(s, rng, c=None):
    c = c or rng.choice(COLOURS + MORE_COLOURS)
    c = s.value(c)
    return Fact(
        "colour",
        f"{{My favourite colour is {c}|{c} is my favourite colour|The colour I like {{best|most}}"
        f" is {c}|I like the colour {c} {{best|most}}|I love the colour {c}|My favourite is the"
        f" colour {c}|I like {c} best of all colours|Of all colours I like {c} best|The best colour"
        f" is {c}|For me the best colour is {c}|{WISH} that my favourite colour is {c}|{WISH} that"
        f" I like the colour {c}|My preferred colour is {c}}}",
        f"{{{capital(c)} is a nice colour!|{capital(c)}, what a nice colour!|I will remember that"
        f" you like {c}.}}",
        "{What is my favourite colour|Which colour {do I like best|is my favourite|do I like"
        " most|do I like|do I love|do I prefer}|What colour do I {like|like"
        " best|love|prefer}|What's my favourite colour|And my favourite colour|What did I say {my"
        " favourite colour is|about my favourite colour}|What was my favourite colour|Which colour"
        " did I {tell you|say|name}|My favourite colour is what|Which one of the colours do I"
        " like|What colour was it that I like|So what colour do I love|Which is my favourite"
        " colour|Which colour is the best for me|What colour did I say|What is the colour I like"
        " best}",
        "{my favourite colour|which colour I like|which of the colours I like best|the colour that"
        " I told you|which colour I prefer|what colour I like best|what my favourite colour is|the"
        " colour that I like|which colour is my favourite}",
        f"Your favourite colour is {c}.",
        "You have not told me your favourite colour yet.",
    )


def food(s, rng):
    f = s.value(rng.choice(FOODS))
    return Fact(
        "food",
        f"{{My favourite food is {f}|{f} is my favourite food|I like to eat {f}|I love {{to eat"
        f" |}}{f}|The food I like {{best|most}} is {f}|I could eat {f} every day|{WISH} that my"
        f" favourite food is {f}|{WISH} that I like to eat {f}|Most of all I like to eat {f}}}",
        f"{{I will remember that you like {f}.|{capital(f)}, that sounds good!}}",
        "{What is my favourite food|What do I like to eat|Which food do I like{| best}|What's my"
        " favourite food|And my favourite food|What do I like best to eat|What is the food that I"
        " like|What was it that I like to eat|What did I say about food|Which meal do I like|What"
        " was my favourite food|What food did I {tell you about|name}|What do I {love|like best} to"
        " eat|What could I eat every day}",
        "{my favourite food|what I like to eat|which food I like|what my favourite food is|the food"
        " that I like}",
        f"Your favourite food is {f}.",
        "You have not told me your favourite food yet.",
    )


def age(s, rng):
    n = rng.randint(5, 90)
    return Fact(
        "age",
        f"{{I am {n} years old|I'm {n} years old|My age is {n}|I turned {n} {{today|yesterday|this"
        f" year}}|I have {n} years behind me|I am {n} years of age|{WISH} that I am {n} years old|I"
        f" just turned {n}}}",
        f"{{I will remember that you are {n} years old.|{n} years, I will remember that.}}",
        "{How old am I|What is my age|What's my age|And my age|How old did I say I am|Which age did"
        " I tell you|How many years old am I|Which age do I have|What was my age|How many years do"
        " I have|How old was I|What did I say about my age}",
        "{how old I am|my age|what my age is|which age I told you}",
        f"You are {n} years old.",
        "You have not told me your age yet.",
    )


def town(s, rng, t=None):
    t = s.value(t or (rng.choice(TOWNS) if rng.random() < 0.5 else invented(rng)))
    return Fact(
        "town",
        f"{{I live in {t}|I am from {t}|I'm from {t}|My home is in {t}|My town is {t}|I come from"
        f" {t}|{t} is where I live|{t} is my home|The town I live in is {t}|My home town is"
        f" {t}|{WISH} that I live in {t}|I moved to {t}|I was born in {t} and I live there}}",
        f"{{I will remember that you live in {t}.|I hope that {t} is a nice place!}}",
        "{Where do I live|In which town do I live|What is my town|Where am I from|Where is my"
        " home|And where do I live|Which town do I live in|Where did I say I live|What is my home"
        " town|Which {town|place|city} did I tell you|What town am I from|Where do I come from|In"
        " what place is my home|Which town is mine|Which place do I come from|Where was it that I"
        " live|Do you know where my home is}",
        "{where I live|where I am from|which town I live in|the town I live in|where my home is}",
        f"You live in {t}.",
        "You have not told me where you live yet.",
    )


def number(s, rng):
    n = rng.randint(0, 99)
    k = rng.choice(["lucky", "favourite"])
    return Fact(
        "number",
        f"{{My {k} number is {n}|{n} is my {k} number|The number I like best is {n}|My {k} number:"
        f" {n}|{WISH} that my {k} number is {n}|{WISH} the number {n}}}",
        f"{{I will remember the number {n}.|{n}, I will remember that.}}",
        f"{{What is my {k} number|Which number {{did I tell you|is my {k} number|do I like|did I"
        f" say}}|What's my {k} number|And my {k} number|What was my {k} number|What was the"
        " number|What number did I tell you|Which number should you remember}",
        f"{{my {k} number|the number|which number I told you|what my {k} number is}}",
        f"Your number is {n}.",
        "You have not told me a number yet.",
    )


def word(s, rng):
    w = s.value(rng.choice(NOUNS + list(ANIMALS)) if rng.random() < 0.6 else invented(rng).lower())
    return Fact(
        "word",
        f"{{{WISH} {{this word|the word|this|the secret word|my word}}{{:|}} {w}|The {{secret"
        f" |magic |}}word is {w}|My {{secret |magic |}}word is {w}|I will tell you a word: {w}|Here"
        f" is a word for you: {w}|The password is {w}|Our password is {w}}}",
        f"{{I will remember the word {w}.|I will remember: {w}.}}",
        "{What is the {secret |magic |}word|Which word {did I tell you|should you remember|did I"
        " ask you to remember|did I give you|did I say}|What was the {secret |magic |}word|And the"
        " word|What word did I {tell you|say|give you}|What is the password|What was the"
        " password|What is my word|What did I ask you to remember}",
        "{the word|the secret word|which word I told you|the word I gave you|what the word was|the"
        " password}",
        f"The word is {w}.",
        "You have not told me a word yet.",
    )


def pet(s, rng, n=None, p=None):
    """Kind and name of a pet: two facts told at once."""
    p, n = p or rng.choice(PETS), s.value(n or a_name(rng))
    x = article(p)
    return Fact(
        "pet",
        f"{{I have {x} {{named|called}} {n}|My {p} is {{called|named}} {n}|My pet is {x}"
        f" {{named|called}} {n}|I have {x}. {{His|Her|Its}} name is {n}|I have {x}, {n}|{n} is my"
        f" {p}|My {p}'s name is {n}|The name of my {p} is {n}|At home I have {x} {{named|called}}"
        f" {n}|I got {x} {{named|called}} {n}|We have {x} {{named|called}} {n}|I live with {x}"
        f" {{named|called}} {n}|My {p} has a name: {n}|{WISH} that my {p} is called {n}|I own {x}"
        f" named {n}|They gave me {x} named {n}}}",
        f"{{I will remember that your {p} is called {n}.|What a nice name, {n}!}}",
        f"{{What is my {p} called|What is {{the name of|}} my {p}{{'s name|'s name}}|What is the"
        f" name of my {p}|What's my {p}'s name|How is my {p} called|What was {{the name of my"
        f" {p}|my {p}'s name|my {p} called}}|And my {p}|What name does my {p} have|Which name did I"
        f" give my {p}|What did I call my {p}|Who is my {p}|Which name has my {p}|What is it that"
        f" my {p} is called|By which name do I call my {p}|What did I tell you about my {p}|What is"
        f" {{the name of my pet|my pet's name|my pet called}}|What's the name of my {p}|My {p} is"
        " called what}".replace("{the name of|} my", "my"),
        f"{{the name of my {p}|the name that my {p} has|which name my {p} has|my {p}'s name|what my"
        f" {p} is called|how my {p} is called|what I call my {p}|the name of my pet}}",
        f"Your {p} is called {n}.",
        f"You have not told me about a {p} yet.",
    )


def pet_kind(s, rng, p=None):
    p = p or rng.choice(PETS)
    x = article(p)
    return Fact(
        "pet",
        f"{{I have {x}|My pet is {x}|I have {x} at home|I got {x} {{today|yesterday|last week}}|We"
        f" have {x}|I own {x}|There is {x} in my house|I have a pet: {x}|I bought {x}|{WISH} that I"
        f" have {x}|I live with {x}|I keep {x}}}",
        f"{{{capital(x)} is a nice pet!|I will remember that you have {x}.}}",
        "{What pet do I have|Which pet do I have|What kind of pet do I have|Which animal do I"
        " have|What animal do I {have|own|keep}|What is my pet|And my pet|What animal is my pet|Do"
        " I have a pet|What pet did I tell you about|Which animal lives with me|Which animal is"
        " mine|What sort of animal is my pet|What sort of pet did I say I have|What animal did I"
        " say I have|Which pet is mine}",
        "{what pet I have|which pet I have|which animal I have|my pet|what kind of pet I have|what"
        " animal I keep}",
        f"You have {x}.",
        "You have not told me about a pet yet.",
    )


def relative(s, rng, n=None, r=None):
    r, n = r or rng.choice(RELATIVES), s.value(n or a_name(rng))
    return Fact(
        "relative " + r,
        f"{{My {r} is {{called|named}} {n}|My {r}'s name is {n}|The name of my {r} is {n}|I have a"
        f" {r} {{named|called}} {n}|{n} is my {r}|My {r} {n} {{is here|is nice|came today|lives far"
        f" away|is very kind|is tall}}|{WISH} that my {r} is called {n}|I met my {r} {n}|This is my"
        f" {r} {n}}}",
        f"{{I will remember that your {r} is called {n}.|What a nice name, {n}!}}",
        f"{{What is my {r} called|Which name has my {r}|What do I call my {r}|What did I say about"
        f" the name of my {r}|What is my {r}'s name|What is the name of my {r}|Who is my {r}|How is"
        f" my {r} called|What was {{the name of my {r}|my {r}'s name}}|And my {r}|What name does my"
        f" {r} have|What's my {r}'s name|My {r} is called what}}",
        f"{{the name of my {r}|my {r}'s name|what my {r} is called|who my {r} is|how my {r} is"
        " called}",
        f"Your {r} is called {n}.",
        f"You have not told me about your {r} yet.",
    )


def things(s, rng):
    t, n = rng.choice(THINGS), rng.randint(2, 20)
    w = NUMBERS[n] if rng.random() < 0.3 else n
    return Fact(
        "things " + t,
        f"{{I have {w} {t}|I own {w} {t}|There are {w} {t} in my {{bag|box|room}}|I bought {w}"
        f" {t}|{WISH} that I have {w} {t}|In my bag are {w} {t}|I found {w} {t}}}",
        f"{{{n} {t}, I will remember that.|I will remember that you have {n} {t}.}}",
        f"{{How many {t} do I have|How many {t} did I {{say|tell you about|buy}}|How many {t} are"
        f" there|And how many {t} do I have|What is the number of my {t}|How many {t} {{have I|were"
        " there}}",
        f"{{how many {t} I have|the number of my {t}|how many {t} there are}}",
        f"You have {n} {t}.",
        f"You have not told me about your {t} yet.",
    )


KINDS = [
    (name, 10),
    (colour, 6),
    (pet, 6),
    (pet_kind, 3),
    (food, 3),
    (age, 3),
    (town, 4),
    (number, 3),
    (word, 4),
    (relative, 5),
    (things, 3),
]
_FLAT = [f for f, w in KINDS for _ in range(w)]


def some_facts(s, rng, n):
    """n facts about different things."""
    facts, keys = [], set()
    while len(facts) < n:
        f = rng.choice(_FLAT)(s, rng)
        if f.key not in keys:
            keys.add(f.key)
            facts.append(f)
    return facts


def together(s, rng):
    """Two facts in one message: (user, reply, facts)."""
    k = rng.randrange(4)
    n, m, c = (
        s.value(a_name(rng)),
        s.value(a_name(rng)),
        s.value(rng.choice(COLOURS + MORE_COLOURS)),
    )
    p, r = rng.choice(PETS), rng.choice(RELATIVES)
    hello = "{|Hello! |Hi! |Hey! |Hi, }"
    if k == 0:
        user = s.say(
            hello
            + f"{{My name is|I am|I'm}} {n} and {{I have {article(p)} {{named|called}} {m}|my {p}"
            f" is {{called|named}} {m}}}",
            end=".",
            open_with=False,
        )
        facts = [name(s, rng, n), pet(s, rng, m, p)]
    elif k == 1:
        user = s.say(
            hello
            + f"{{My name is|I am|I'm}} {n} and {{my favourite colour is {c}|I like the colour"
            f" {c}|{c} is my favourite colour}}",
            end=".",
            open_with=False,
        )
        facts = [name(s, rng, n), colour(s, rng, c)]
    elif k == 2:
        t = s.value(invented(rng) if rng.random() < 0.5 else rng.choice(TOWNS))
        user = s.say(
            hello + f"{{My name is|I am|I'm}} {n} {{and I live in {t}|from {t}|and I am from {t}}}",
            end=".",
            open_with=False,
        )
        facts = [name(s, rng, n), town(s, rng, t)]
    else:
        user = s.say(
            hello + f"{{My name is|I am|I'm}} {n} and my {r} is {{called|named}} {m}",
            end=".",
            open_with=False,
        )
        facts = [name(s, rng, n), relative(s, rng, m, r)]
    return (
        user,
        reply(rng, f"{{Nice to meet you, {n}!|Nice to meet you, {n}! I will remember that.}}"),
        facts,
    )


def chat(s, rng, distractor, long=False):
    """Turns that tell facts and ask for them. distractor() gives turns between."""
    turns, known = [], {}
    if rng.random() < 0.2:
        user, answer, facts = together(s, rng)
        turns.append((user, answer))
        for f in facts:
            known[f.key] = f
    for f in some_facts(
        s, rng, rng.choice([1, 1, 2, 2, 3]) if not known else rng.choice([0, 0, 1])
    ):
        if f.key in known:
            continue
        if f.key == "pet" and any(k.startswith("pet") for k in known):
            continue
        turns.append(f.told(s, rng))
        known[f.key] = f
        while rng.random() < 0.3:
            turns += distractor()
    for _ in range(rng.randint(4, 12) if long else rng.choice([0, 0, 1, 1, 2, 3])):
        turns += distractor()
    for f in rng.sample(list(known.values()), min(len(known), rng.choice([1, 1, 2, 2, 3]))):
        turns.append(f.asked(s, rng))
        if rng.random() < 0.15:
            turns += distractor()
    if rng.random() < 0.12:  # a change
        key = rng.choice(list(known))
        maker = {
            "name": name,
            "colour": colour,
            "town": town,
            "food": food,
            "age": age,
            "number": number,
            "word": word,
        }.get(key)
        if maker:
            f = maker(s, rng)
            user = s.say(
                rng.choice(
                    [
                        t
                        for t in [
                            "Actually, ",
                            "No, sorry, ",
                            "I changed my mind: ",
                            "Wait, ",
                            "Sorry, ",
                        ]
                    ]
                )
                + _plain(key, f),
                end=".",
                open_with=False,
            )
            turns.append(
                (user, reply(rng, "{Thank you, I will remember that.|Okay, I will remember that.}"))
            )
            if rng.random() < 0.4:
                turns += distractor()
            turns.append(f.asked(s, rng))
    if rng.random() < 0.22:
        f = some_facts(s, rng, 1)[0]
        if f.key not in known:
            turns.append(f.asked_untold(s, rng))
    return turns


def _plain(key, fact):
    value = (
        fact.answer.rstrip(".").split(" is ")[-1]
        if key not in ("town", "age")
        else fact.answer.rstrip(".").split(" in " if key == "town" else "are ")[-1]
    )
    return {
        "name": f"my name is {value}",
        "colour": f"my favourite colour is {value}",
        "town": f"I live in {value}",
        "food": f"my favourite food is {value}",
        "age": f"I am {value}",
        "number": f"my number is {value}",
        "word": f"the word is {value}",
    }[key]


def untold(s, rng):
    """Asked without having been told."""
    return [some_facts(s, rng, 1)[0].asked_untold(s, rng)]


def from_system(s, rng):
    """The system prompt tells a fact about the user: (system, fact)."""
    n = a_name(rng)
    k = rng.randrange(3)
    if k == 0:
        text = reply(
            rng,
            f"{{The user's name is {n}|The name of the user is {n}|You are talking with {n}|The"
            f" user is called {n}}}.",
        )
        fact = name(s, rng, n)
        fact.answer = f"Your name is {n}."
    elif k == 1:
        c = rng.choice(COLOURS + MORE_COLOURS)
        text = reply(rng, f"{{The user's favourite colour is {c}|The user likes the colour {c}}}.")
        fact = colour(s, rng, c)
        fact.answer = f"Your favourite colour is {c}."
    else:
        t = rng.choice(TOWNS) if rng.random() < 0.5 else invented(rng)
        text = reply(rng, f"{{The user lives in {t}|The user is from {t}}}.")
        fact = town(s, rng, t)
        fact.answer = f"You live in {t}."
    return text, fact
