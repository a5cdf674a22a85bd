"""Word lists: all written for this model."""

NAMES = """
Anna Ben Clara David Emma Felix Greta Henry Ida Jonas Karla Leo Maria Nina Oscar Paul Rosa Simon
Tina Victor Willa Adam Bella Carlos Dora Elias Fatima George Hanna Ivan Julia Kevin Lena Martin
Nora Otto Petra Ralf Sara Tom Ute Vera Walter Yara Zoe Alice Bob Charlie Daisy Eric Fiona Gustav
Helen Isaac Jack Kate Liam Mia Noah Olivia Peter Ruth Sam Theo Uma Vincent Wendy Amir Bianca
Cedric Diana Edgar Flora Gina Hugo Irene Jamal Kira Louis Mona Nils Olga Pablo Rita Stefan Tara
Vlad Wanda Yusuf Zara Aisha Bruno Chloe Dario Elena Frank Grace Hassan Ines Jorge Klara Luca
Marta Nico Pia Rafael Sofia Tobias Yuki Akira Chen Deepa Kofi Lin Mei Omar Priya Ravi Sana Tariq
Wei Ximena Andrei Boris Katya Dmitri Lars Sven Astrid Freya Erik Max Molly Lucy Ella Harry Ron
Jane Mark Luke John Mary Linda Susan Karen Lisa Betty James Robert Michael William Thomas Daniel
Nancy Laura Emily Amy Judy Joan Jean Ann Rose Julie Joyce Diane Alan Ralph Roy Eugene Randy
Wayne Carl
""".split()

# Two or three of these make a name or a word that nobody has heard.
SYLLABLES_A = """
ba be bi bo bu da de di do du fa fe fi fo ga ge go gu ha he hi ho ja je jo ju ka ke ki ko ku la
le li lo lu ma me mi mo mu na ne ni no nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to
tu va ve vi vo wa we wi ya yo za ze zi zo bra bri cla cro dra fra fri gla gra gri kra kri pla
pra pri sha she sta ste tra tri tho thi the al el il ar er ir an en in or ol um
""".split()
SYLLABLES_B = """
n s l r t m k x d lla nna ra la na ta da sa ka rin ton lin den mar vin nes las tor rik bert win
mond gard nor lo mo ko no ro do va ri li ni ki ti mi ck sh th nd rt st lf ley by dy ny ly ry ney
sey son ster
""".split()

TOWNS = """
Berlin Paris London Rome Madrid Vienna Oslo Dublin Prague Warsaw Athens Boston Chicago Denver
Dallas Tokyo Delhi Cairo Lagos Lima Quito Sydney Toronto Hamburg Munich Zurich Geneva Milan
Naples Seville Porto Lyon Ghent Turin Leeds York Bristol Bath Oakville Riverton Greenfield
Hillside Lakewood Milltown Ashford Newport Kingston Brighton
""".split()

COLOURS = [
    "red",
    "blue",
    "green",
    "yellow",
    "orange",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "grey",
]
MORE_COLOURS = [
    "turquoise",
    "violet",
    "gold",
    "silver",
    "beige",
    "navy",
    "lime",
    "maroon",
    "crimson",
    "olive",
    "coral",
    "amber",
]

FOODS = """
pizza pasta soup rice bread cheese salad noodles curry pancakes porridge dumplings potatoes
tomatoes lentils beans sushi apples pears plums cherries grapes bananas strawberries chocolate
honey cake pie cookies waffles omelette fish stew toast yoghurt popcorn peas carrots corn
mushrooms olives
""".split()

RELATIVES = """
sister brother mother father friend aunt uncle cousin neighbour teacher grandmother grandfather
daughter son wife husband doctor boss colleague
""".split()

THINGS = """
apples pears plums books pens coins balls stones cups hats keys shells stamps cards cookies
marbles buttons pencils flowers eggs oranges lemons toys boxes bottles socks shoes chairs spoons
plates leaves nuts candles stickers
""".split()

OBJECTS = """
apple pear plum book pen coin ball stone cup hat key shell stamp card cookie marble button
pencil flower egg lemon toy box bottle sock shoe chair spoon plate leaf nut candle kite lamp
drum map rope bell ladder basket umbrella blanket bucket
""".split()

# The colour of things: (thing with article or plural, colour, is or are)
COLOUR_OF = [
    ("grass", "green", "is"),
    ("snow", "white", "is"),
    ("the sky", "blue", "is"),
    ("a lemon", "yellow", "is"),
    ("a banana", "yellow", "is"),
    ("coal", "black", "is"),
    ("milk", "white", "is"),
    ("a strawberry", "red", "is"),
    ("blood", "red", "is"),
    ("a carrot", "orange", "is"),
    ("a pumpkin", "orange", "is"),
    ("chocolate", "brown", "is"),
    ("a tree trunk", "brown", "is"),
    ("a leaf", "green", "is"),
    ("a frog", "green", "is"),
    ("an elephant", "grey", "is"),
    ("a flamingo", "pink", "is"),
    ("a pig", "pink", "is"),
    ("a polar bear", "white", "is"),
    ("a raven", "black", "is"),
    ("a swan", "white", "is"),
    ("the sun", "yellow", "is"),
    ("the sea", "blue", "is"),
    ("a tomato", "red", "is"),
    ("a cherry", "red", "is"),
    ("a cucumber", "green", "is"),
    ("a pea", "green", "is"),
    ("salt", "white", "is"),
    ("the night", "black", "is"),
    ("a mouse", "grey", "is"),
    ("a fire engine", "red", "is"),
    ("a plum", "purple", "is"),
    ("an aubergine", "purple", "is"),
    ("lavender", "purple", "is"),
    ("spinach", "green", "is"),
    ("a lime", "green", "is"),
    ("rice", "white", "is"),
    ("coffee", "brown", "is"),
    ("a brown bear", "brown", "is"),
    ("a chick", "yellow", "is"),
    ("an orange", "orange", "is"),
    ("cotton", "white", "is"),
    ("a ruby", "red", "is"),
    ("an emerald", "green", "is"),
    ("a sapphire", "blue", "is"),
    ("a crow", "black", "is"),
    ("ink", "blue", "is"),
    ("wood", "brown", "is"),
    ("rain clouds", "grey", "are"),
    ("sunflowers", "yellow", "are"),
    ("a fox", "orange", "is"),
    ("broccoli", "green", "is"),
    ("a stop sign", "red", "is"),
    ("ash", "grey", "is"),
    ("butter", "yellow", "is"),
    ("sugar", "white", "is"),
    ("blueberries", "blue", "are"),
    ("a cactus", "green", "is"),
    ("a parrot", "green", "is"),
    ("a shadow", "black", "is"),
]
MIXES = [
    ("red", "blue", "purple"),
    ("red", "yellow", "orange"),
    ("blue", "yellow", "green"),
    ("black", "white", "grey"),
    ("red", "white", "pink"),
    ("red", "green", "brown"),
]

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
SEASONS = ["spring", "summer", "autumn", "winter"]
SEASON_OF = [
    "winter",
    "winter",
    "spring",
    "spring",
    "spring",
    "summer",
    "summer",
    "summer",
    "autumn",
    "autumn",
    "autumn",
    "winter",
]
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]

# Animals: sound (verb of one, verb of many), legs, young, home, flies. "" is not known here.
ANIMALS = {
    "dog": ("barks", "woof", 4, "puppy", "a kennel", False),
    "cat": ("meows", "meow", 4, "kitten", "a house", False),
    "cow": ("moos", "moo", 4, "calf", "a barn", False),
    "sheep": ("bleats", "baa", 4, "lamb", "a meadow", False),
    "horse": ("neighs", "neigh", 4, "foal", "a stable", False),
    "pig": ("grunts", "oink", 4, "piglet", "a sty", False),
    "duck": ("quacks", "quack", 2, "duckling", "a pond", True),
    "hen": ("clucks", "cluck", 2, "chick", "a coop", False),
    "lion": ("roars", "roar", 4, "cub", "a den", False),
    "wolf": ("howls", "howl", 4, "pup", "a den", False),
    "frog": ("croaks", "croak", 4, "tadpole", "a pond", False),
    "bee": ("buzzes", "buzz", 6, "larva", "a hive", True),
    "snake": ("hisses", "hiss", 0, "", "a hole", False),
    "owl": ("hoots", "hoot", 2, "owlet", "a tree", True),
    "mouse": ("squeaks", "squeak", 4, "pup", "a hole", False),
    "goat": ("bleats", "baa", 4, "kid", "a barn", False),
    "bear": ("growls", "growl", 4, "cub", "a cave", False),
    "bird": ("sings", "tweet", 2, "chick", "a nest", True),
    "crow": ("caws", "caw", 2, "chick", "a nest", True),
    "donkey": ("brays", "hee-haw", 4, "foal", "a stable", False),
    "goose": ("honks", "honk", 2, "gosling", "a pond", True),
    "elephant": ("trumpets", "toot", 4, "calf", "the savanna", False),
    "spider": ("", "", 8, "", "a web", False),
    "ant": ("", "", 6, "larva", "an anthill", False),
    "fish": ("", "", 0, "", "the water", False),
    "rabbit": ("", "", 4, "kit", "a burrow", False),
    "fox": ("barks", "", 4, "cub", "a den", False),
    "deer": ("", "", 4, "fawn", "the forest", False),
    "butterfly": ("", "", 6, "caterpillar", "the garden", True),
    "eagle": ("screeches", "", 2, "eaglet", "a nest", True),
    "swan": ("", "", 2, "cygnet", "a lake", True),
    "kangaroo": ("", "", 2, "joey", "the grassland", False),
    "whale": ("sings", "", 0, "calf", "the sea", False),
    "shark": ("", "", 0, "pup", "the sea", False),
    "penguin": ("", "", 2, "chick", "the ice", False),
    "tiger": ("roars", "roar", 4, "cub", "the jungle", False),
    "monkey": ("chatters", "", 2, "", "the jungle", False),
    "camel": ("", "", 4, "calf", "the desert", False),
    "squirrel": ("", "", 4, "kit", "a tree", False),
    "bat": ("squeaks", "", 2, "pup", "a cave", True),
    "beaver": ("", "", 4, "kit", "a lodge", False),
    "fly": ("buzzes", "buzz", 6, "maggot", "", True),
    "turkey": ("gobbles", "gobble", 2, "chick", "a farm", False),
    "snail": ("", "", 0, "", "its shell", False),
}
# From small to big.
SIZES = """
ant fly bee spider snail butterfly mouse frog bat squirrel crow duck rabbit cat hen fox goose
dog sheep goat wolf pig deer lion bear donkey cow horse camel elephant whale
""".split()
SIZE_STEP = 3  # only animals that are this far apart are compared

OPPOSITES = """
hot cold|big small|tall short|fast slow|old young|new used|up down|in out|on off|day night
black white|happy sad|good bad|light dark|heavy light|hard soft|open closed|full empty|wet dry
clean dirty|rich poor|strong weak|early late|near far|left right|high low|long short|thick thin
wide narrow|deep shallow|loud quiet|rough smooth|sharp blunt|sweet sour|easy difficult
true false|right wrong|first last|begin end|start stop|push pull|come go|give take|buy sell
win lose|love hate|laugh cry|ask answer|find lose|always never|all none|above below
inside outside|before after|here there|yes no|top bottom|front back|north south|east west
summer winter|alive dead|awake asleep|brave afraid|polite rude|kind cruel|cheap expensive
safe dangerous|beautiful ugly|clever stupid|lazy busy|warm cool|tight loose|forward backward
arrive leave|remember forget|sit stand|rise fall|increase decrease|friend enemy|question answer
noisy silent|simple complex|ancient modern|bright dim|calm angry|float sink|freeze melt
import export|major minor|maximum minimum|many few|more less|most least|odd even|plus minus
public private|raw cooked|shiny dull|success failure|victory defeat
"""
OPPOSITES = [tuple(p.split()) for p in OPPOSITES.strip().replace("\n", "|").split("|")]

IRREGULAR = """
mouse mice|goose geese|foot feet|tooth teeth|man men|woman women|child children|ox oxen
sheep sheep|fish fish|deer deer|leaf leaves|wolf wolves|knife knives|wife wives|shelf shelves
half halves|life lives|person people|thief thieves|calf calves
"""
IRREGULAR = dict(p.split() for p in IRREGULAR.strip().replace("\n", "|").split("|"))
NOUNS = """
cat dog cow horse pig duck hen lion frog bee snake owl goat bear bird crow donkey spider ant
rabbit tiger monkey camel apple pear plum book pen coin ball stone cup hat key shell stamp card
button pencil flower egg lemon toy box bottle sock shoe chair spoon plate nut candle kite lamp
drum map rope bell ladder basket umbrella blanket bucket house tree car boat train road river
mountain city baby story berry cherry lady puppy penny party family country daisy pony fly bus
glass dress brush dish fox bush peach bench watch match witch church beach class kiss wish table
window door wall garden field bridge ship plane bike truck star cloud finger hand arm leg eye
ear nose neck king queen friend teacher doctor farmer
""".split()


def plural(noun):
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun + "s"


NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty
""".split()


def invented(rng):
    """A word that looks like a name."""
    word = rng.choice(SYLLABLES_A)
    if rng.random() < 0.5:
        word += rng.choice(SYLLABLES_A)
    return (word + rng.choice(SYLLABLES_B)).capitalize()


def a_name(rng):
    return rng.choice(NAMES) if rng.random() < 0.55 else invented(rng)
