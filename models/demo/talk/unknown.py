"""Questions outside the topics: polite ignorance.

The lists are long and partly invented, so that what is learned is "not one of my topics" and not a
list.
"""

from talk.text import capital, pick, reply
from talk.words import COLOURS, NOUNS, invented, plural

COUNTRIES = """
France Spain Italy Germany Japan China India Brazil Mexico Canada Egypt Kenya Norway Sweden
Poland Greece Turkey Russia Peru Chile Cuba Ireland Scotland Austria Hungary Denmark Finland
Iceland Morocco Nigeria Ghana Vietnam Thailand Nepal Iran Iraq Israel Ukraine Romania Belgium
Holland Argentina Bolivia Indonesia Malaysia Korea Mongolia Ethiopia Texas California Florida
Europe Africa Asia America
""".split()
PEOPLE = """
Einstein Newton Mozart Bach Picasso Plato Darwin Cleopatra Caesar Columbus Galileo Lincoln
Washington Gandhi Chopin Rembrandt Edison Tesla Curie Homer Dante Goethe Aristotle Socrates
Churchill Elvis Madonna Hitchcock Hemingway Tolstoy Kafka Michelangelo Leonardo Copernicus
Kepler Pythagoras Archimedes Marx Freud Kant Buddha Confucius Magellan
""".split()
TOPICS = """
physics|chemistry|biology|history|geography|politics|economics|philosophy|religion|medicine|law
the stock market|the weather|football|tennis|hockey|golf|rugby|cooking|baking|gardening|fishing
sailing|music theory|jazz|painting|photography|architecture|poetry|theatre|ballet|movies|films
television|video games|quantum mechanics|relativity|evolution|genetics|atoms|electrons
black holes|galaxies|the moon|mars|jupiter|saturn|the solar system|earthquakes|hurricanes
glaciers|oceans|rivers|mountains|deserts|democracy|the constitution|elections|taxes|inflation
insurance|banks|money|credit cards|real estate|marketing|management|logistics|diabetes|cancer
headaches|fever|the flu|allergies|vitamins|proteins|antibiotics|surgery|the heart|the brain
the liver|blood pressure|sleep|diets|yoga|engines|bridges|airplanes|helicopters|rockets
satellites|telescopes|microscopes|lasers|batteries|solar panels|nuclear power|electricity
magnets|steel|plastic|glass|concrete|python|java|databases|algorithms|sorting|recursion
compilers|operating systems|encryption|blockchains|websites|html|spreadsheets|smartphones
the internet|robots|the roman empire|the middle ages|the renaissance|world war two
the french revolution|the vikings|the pyramids|the aztecs|knights|pirates|castles
kings and queens|geometry|calculus|statistics|probability|prime numbers|fractions|square roots
logarithms|triangles|matrices|pi|infinity|grammar|adjectives|spelling|rhymes|proverbs|novels
fairy tales|newspapers|advertising|fashion|jewellery|perfume|coffee machines|tea|wine|beer
cheese making|marriage|divorce|parenting|school|university|exams|homework|jobs|salaries
interviews|contracts|visas|tourism|hotels|trains|airports|traffic|bicycles|motorbikes
the opposite sex|dreams|love|happiness|death|time travel|ghosts|aliens|unicorns|dragons|magic
astrology|horoscopes|lotteries|card games|poker|puzzles|crosswords|skiing|surfing|boxing|karate
marathons|swimming records|the world cup|cricket|volleyball|cars|tractors|violins|pianos
trumpets|drums|flutes|operating rooms|paper|printing|bees wax|honey|salt mines|gold mining
diamonds|oil|coal power|wind power|climate change|recycling|pollution|rain forests
dolphins in the wild|trees|mushrooms|roses|seeds|soil|wheat|corn
""".strip().replace("\n", "|").split("|")
DISHES = """
pizza|pancakes|an omelette|bread|soup|a cake|sushi|curry|rice|pasta|a salad|cookies|fried eggs
goulash|stew|dumplings|ice cream|jam|pie|roast beef|a burger|waffles|porridge|tacos|pudding
""".strip().replace("\n", "|").split("|")
ACTS = """
fix a car|tie a tie|drive a truck|learn to ski|lose weight|get rich|find a job|write a novel
plant a tree|build a house|paint a wall|repair a bicycle|buy a house|open a bank account
book a flight|change a tyre|iron a shirt|grow tomatoes|train for a marathon|play the piano
play the violin|learn Spanish|fly a plane|sail a boat|catch a fish|solve an equation
start a company|write a letter|write a poem|hack a computer|bake bread|cut hair|sew a dress
clean a window|pass an exam|stop smoking|sleep better|make friends|meditate|invest money
file my taxes|reset my phone|print a page|install a printer|knit a sweater|carve wood|weld steel
draw a portrait|take good photos|make a fire|survive in the desert|climb a mountain
become a doctor|become famous|speak in public|write an essay|cook dinner|cure a cold
""".strip().replace("\n", "|").split("|")
THINGS = """
telephone|light bulb|wheel|steam engine|computer|radio|printing press|airplane|car|bicycle
telescope|compass|paper|gunpowder|camera|internet|television|elevator|zipper|clock|submarine
rocket|dynamite|battery|parachute|umbrella|toothbrush|pencil|typewriter|refrigerator|microwave
helicopter|piano|violin|mirror|glasses|thermometer|microscope|tractor|sewing machine
""".strip().replace("\n", "|").split("|")

SORRY = [
    "{I am sorry, I don't know that.|I am sorry, I don't know that.|I am sorry, I don't know that."
    " I am a very small model.|I am sorry, I don't know that. I only know a few simple topics.}"
]
KNOW = (
    "{Would you tell me|Let me know|Can you say|Would you know|Maybe you know|Tell me|Can you tell"
    " me|Do you know|Please tell me|I want to know|I'd like to know|Could you tell me|I wonder}"
)

QUESTIONS = [
    (
        "What is the {capital|population|flag|currency|size|history|president|national"
        " anthem|area|climate|king|highest mountain|longest river|biggest city|language} of"
        " [country]"
    ),
    (
        "{Who is the|Who was the first|Who will be the next} {president|king|queen|prime"
        " minister|emperor|mayor} of [country]"
    ),
    "How many people live in [country]",
    "Where is [country]",
    "Which {language|money|food} do they {speak|use|eat} in [country]",
    "How far is it {to|from here to} [country]",
    "When did [country] become {a country|independent}",
    "What should I {see|visit|eat} in [country]",
    "Is it {warm|cold|safe|expensive} in [country]",
    "Which countries are {next to|near} [country]",
    "Who {was|is} [person]",
    "When was [person] born",
    "When did [person] die",
    "What did [person] {do|invent|write|discover|paint|say}",
    "Where {was|did} [person] {born|live}",
    "What is [person] {famous|known} for",
    "How old {is|was} [person]",
    "Why is [person] famous",
    "Have you heard of [person]",
    KNOW + " {who [person] is|about [person]|when [person] was born|something about [person]}",
    "Tell me the life of [person]",
    (
        "{What is|What are|Explain|Describe|Define|Explain to me|What do you know about|What can"
        " you tell me about|Teach me about|Give me a lesson about} [topic]"
    ),
    KNOW + " {about|something about|more about|everything about|what you know about} [topic]",
    "How {does|do} [topic] work",
    "Why {is|are} [topic] {important|so hard|difficult|interesting|popular|useful}",
    "Who invented [topic]",
    "When {was|were} [topic] {invented|discovered}",
    "What is the {history|meaning|theory|future|best book|secret|basis|use} {of|about|on} [topic]",
    "What do you think {about|of} [topic]",
    "Do you like [topic]",
    "{Write|Give me} {an essay|a report|a text|an article} {about|on} [topic]",
    "Is [topic] {dangerous|hard|expensive|useful|healthy|real}",
    "Can you {help me with|teach me|explain} [topic]",
    "I have a question about [topic]",
    "Let's talk about [topic]",
    "Are you good at [topic]",
    "I need advice about [topic]",
    (
        "{How do I|How can I|How do you|How does one|What is the best way to|Tell me how to|Explain"
        " how to|Teach me how to|I want to know how to|Show me how to|Can you show me how to} [act]"
    ),
    "Can you [act]",
    "Can you help me {to |}[act]",
    "What do I need to [act]",
    (
        "{How do I|How can I|How do you|Tell me how to|What is the recipe for|I want to}"
        " {cook|make|prepare} [dish]"
    ),
    "{Give me|Do you have|What is|I need} {a|the} recipe for [dish]",
    "What goes into [dish]",
    "How long {does|do} [dish] {cook|take}",
    "Who {invented|built|made|discovered} the {first |}[thing]",
    "When was the {first |}[thing] {invented|built|made|discovered}",
    "How does {a|the} [thing] work",
    "How much does a [thing] cost",
    "Where can I buy a [thing]",
    "What is a [thing] made of",
    "Which [thing] is the best",
    "How heavy is a [thing]",
    "What is {a|an} [word]",
    "What does {the word |}[word] mean",
    "Who is [Word]",
    "Where is [Word]",
    "What is the capital of [Word]",
    "What is [word]",
    "Tell me about [Word]",
    "Explain [word]",
    "Do you know [Word]",
    "When was [Word] {born|built|founded}",
    "Define [word]",
    "How do I [word]",
    "What is the price of [word]",
    (
        "How {tall|high|deep|long|wide|heavy|old|big|far|fast} is {the|the}"
        " {tower|bridge|river|lake|mountain|ocean|desert|island|moon|sun|earth|ship|castle|temple|statue|canal}"
        " {of|in} [place]"
    ),
    (
        "What is the {tallest|highest|deepest|longest|largest|oldest|fastest|most expensive}"
        " {building|mountain|river|lake|car|train|ship|city|country|desert|tree|planet|ocean|sea}"
        " in the world"
    ),
    (
        "Who won the {match|game|race|election|war|final|world cup|championship|prize|lottery}{|"
        " yesterday| last year| in [year]}"
    ),
    "What happened in [year]",
    "Who was born in [year]",
    "What was the {weather|news|price of gold} in [year]",
    (
        "What is the {weather|news|temperature|traffic}{| like} {today|tomorrow|in"
        " [place]|outside|now}"
    ),
    "Will it {rain|snow|be cold|be sunny} {today|tomorrow|in [place]}",
    (
        "What is the {price|value|cost} of {gold|silver|oil|a stock|a house|milk|bread|a ticket to"
        " [place]}"
    ),
    (
        "Translate {this|[noun]|a word|my text} {to|into}"
        " {German|French|Spanish|Chinese|Latin|Italian|Russian}"
    ),
    "How do you say [noun] in {German|French|Spanish|Chinese|Latin|Italian|Russian|Japanese}",
    "What is the {French|German|Spanish|Latin|Italian} word for [noun]",
    (
        "What should I {wear|eat|cook|read|watch|buy|do|study|play} {today|tonight|tomorrow|for"
        " dinner|at school}"
    ),
    (
        "Which {book|movie|song|car|phone|game|film|band|restaurant|hotel|school|computer|camera}"
        " is the best"
    ),
    (
        "What is the best"
        " {book|movie|song|car|phone|game|film|band|restaurant|hotel|school|computer|camera}{| of"
        " all| in [place]}"
    ),
    (
        "Who {wrote|painted|sang|composed|directed|played in} {the book|the picture|the song|the"
        " film|the symphony|the play} {[Word]|about [place]}"
    ),
    (
        "What is the {boiling point|melting point|density|formula|atomic number|chemical symbol} of"
        " {water|iron|gold|lead|oxygen|salt|helium|carbon|copper|sodium|silver}"
    ),
    (
        "Why {is the sky blue|is the sea salty|do birds sing|do leaves fall|is blood red|do we"
        " sleep|do we dream|do stars shine|do cats purr|is snow white|do people laugh|do we"
        " age|does it rain|is fire hot|do onions make me cry}"
    ),
    (
        "How {do|can} {planes fly|fish breathe|plants grow|magnets stick|volcanoes erupt|ships"
        " float|birds fly|bees make honey|phones work|computers work|engines run|clouds form|stars"
        " form}"
    ),
    (
        "How many {bones are in the body|teeth has a shark|stars are there|countries are"
        " there|people are there|planets are there|keys has a piano|cards are in a deck|letters are"
        " in the alphabet|oceans are there|players are in a team|strings has a violin}"
    ),
    (
        "What is your {opinion|favourite"
        " {colour|food|song|film|book|animal|number|movie|city}|telephone"
        " number|address|email|password}"
    ),
    "Where {can I|do I} {buy|find|get} {cheap|good|new|fresh} [nouns]",
    "How much {do|does} {[nouns]|a [noun]} cost",
    "Who will win {the election|the game|tomorrow|the cup}",
    (
        "{Call|Text|Email|Phone} {my mother|a taxi|the police|my boss|the doctor|an ambulance}{|"
        " for me}"
    ),
    (
        "{Play|Turn on|Turn off|Open|Close|Buy|Order|Set|Send|Download|Print} {the music|the"
        " light|the radio|the door|a pizza|an alarm|a message|a song|a file|my email|a timer|a"
        " ticket|some music}"
    ),
    "What is the meaning of life",
    "Is there a god",
    "What happens after death",
    "Will you take over the world",
    "What is love",
    "What is {the answer to everything|truth|time|art|consciousness}",
    (
        "I have a {headache|fever|cough|rash|cold|toothache|problem with my"
        " {car|phone|boss|computer|tax}}. What should I do"
    ),
]


def unknown(s, rng):
    q = pick(rng, rng.choice(QUESTIONS))
    w = invented(rng).lower()
    if rng.random() < 0.25:
        w += " " + invented(rng).lower()
    topic = rng.choice(TOPICS) if rng.random() < 0.8 else w
    country = rng.choice(COUNTRIES) if rng.random() < 0.75 else invented(rng)
    person = (
        rng.choice(PEOPLE)
        if rng.random() < 0.6
        else invented(rng) + (" " + invented(rng) if rng.random() < 0.6 else "")
    )
    noun = rng.choice(NOUNS)
    user = s.say(
        q,
        country=country,
        person=person,
        topic=topic,
        dish=rng.choice(DISHES),
        act=rng.choice(ACTS),
        thing=rng.choice(THINGS),
        word=w,
        Word=w.title(),
        place=rng.choice(COUNTRIES) if rng.random() < 0.5 else invented(rng),
        year=rng.randint(1000, 2030),
        noun=noun,
        nouns=plural(noun),
    )
    return user, reply(rng, SORRY)


def nonsense(s, rng):
    """Words without sense, or a single word."""
    k = rng.randrange(3)
    if k == 0:
        text = " ".join(invented(rng).lower() for _ in range(rng.randint(1, 4)))
    elif k == 1:
        text = "".join(rng.choice("asdfghjklqwertyuiop") for _ in range(rng.randint(4, 12)))
    else:
        text = rng.choice(NOUNS + COLOURS)
    return (capital(text) if rng.random() < 0.3 else text) + rng.choice(
        ["", "", ".", "?"]
    ), "I am sorry, I did not understand that. Can you say it in other words?"


ALL = [(unknown, 20), (nonsense, 1)]
