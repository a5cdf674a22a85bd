"""What training never sees, so that the evaluation can ask for it.

Three kinds: combinations of facts (these functions); names, towns and topics (these lists); and
the last turn of every conversation of eval/questions.json that is not common speech. Generator in
talk/conversation.py drops what has one.
"""


def sum_is_held_out(a, b):
    """Both orders of a sum are held out together."""
    a, b = min(a, b), max(a, b)
    return a >= 2 and (a * 7 + b * 5) % 11 == 3


def difference_is_held_out(a, b):
    return 2 <= b < a and (a * 5 + b * 3) % 11 == 4


def comparison_is_held_out(a, b):
    return (a * 13 + b * 7) % 12 == 5


def animals_are_held_out(small, big):
    """Ranks in the list of sizes; both directions are held out together."""
    return (small * 5 + big * 3) % 7 == 2


def colour_is_held_out(index, colour_index):
    """Is a thing asked for with a wrong colour ("is snow red")?"""
    return (index * 3 + colour_index * 5) % 8 == 1


NAMES = {
    "Marlene",
    "Tovin",
    "Quentin",
    "Ophelia",
    "Jasper",
    "Beatrix",
    "Corvin",
    "Delphine",
    "Fabian",
    "Gwen",
    "Hector",
    "Isolde",
    "Kasimir",
    "Leander",
    "Mirabel",
    "Norbert",
    "Ottilie",
    "Percy",
    "Rowena",
    "Sigrid",
    "Tamsin",
    "Ulrich",
    "Viola",
    "Wilbur",
    "Yvonne",
    "Zelda",
    "Ambrose",
    "Bruna",
    "Cosmo",
    "Dagmar",
    "Pixel",
    "Biscuit",
    "Pepper",
    "Shadow",
    "Waffles",
    "Bandit",
    "Ginger",
    "Snowball",
    "Tiger-Lily",
    "Rusty",
}
TOWNS = {"Lisbon", "Helsinki", "Brno", "Utrecht", "Nairobi", "Galway"}
# Words of unknown topics. No user turn of the training text has one.
TOPIC_WORDS = {
    "volcano",
    "portugal",
    "guitar",
    "penicillin",
    "basketball",
    "mortgage",
    "saxophone",
    "photosynthesis",
    "beethoven",
    "algebra",
    "tsunami",
    "bitcoin",
    "napoleon",
    "dinosaurs",
    "astronaut",
    "lasagna",
    "javascript",
    "eiffel",
    "olympics",
    "neptune",
    "shakespeare",
    "gravity",
    "passport",
    "australia",
    "vaccine",
    "plumber",
    "opera",
    "senator",
    "malaria",
    "chess",
}


def has_held_out_word(text):
    words = set(
        text.lower()
        .replace("'s", " ")
        .replace("?", " ")
        .replace(".", " ")
        .replace(",", " ")
        .replace("!", " ")
        .split()
    )
    return bool(words & TOPIC_WORDS) or bool(words & _LOWER)


_LOWER = {n.lower() for n in NAMES | TOWNS} - {"shadow", "pepper", "ginger"}
