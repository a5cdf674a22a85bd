"""Days, months, seasons, time."""

from talk.text import KNOW, capital, listed
from talk.words import DAYS, MONTHS, MONTH_DAYS, ORDINALS, SEASONS, SEASON_OF


def day(s, rng):
    i = rng.randrange(7)
    d = DAYS[i]
    k = rng.random()
    w = "{What|Which} {day|day of the week|weekday}"
    if k < 0.35:
        return (
            s.say(
                w
                + " {comes|is} {after|right after} [d]|"
                + KNOW
                + " {what|which} day comes after [d]|What comes after [d]|{What|Which} {is|comes}"
                " the day after [d]|Today is [d]. {What|Which day} is tomorrow|If today is [d],"
                " {what|which day} is tomorrow|What follows [d]|Tomorrow is the day after [d]."
                " Which day is it|{What|Which} day is next after [d]|It is [d] now. And"
                " tomorrow|One day after [d] is {what|which day}|After [d] we have {what|which"
                " day}|What will be the day after [d]|What day follows [d]|And after"
                " [d]|Yesterday was [y]. What day is tomorrow",
                d=d,
                y=DAYS[(i + 6) % 7],
            ),
            f"{DAYS[(i + 1) % 7]} comes after {d}.",
        )
    if k < 0.65:
        return (
            s.say(
                w
                + " {comes|is} {before|right before} [d]|"
                + KNOW
                + " {what|which} day comes before [d]|What comes before [d]|{What|Which} is the day"
                " before [d]|Today is [d]. {What|Which day} was yesterday|If today is [d],"
                " {what|which day} was yesterday|And before [d]|It is [d] now. And yesterday|One"
                " day before [d] is {what|which day}|{What|Which} day is it before [d]|Before [d]"
                " we have {what|which day}|What was the day before [d]",
                d=d,
            ),
            f"{DAYS[(i + 6) % 7]} comes before {d}.",
        )
    if k < 0.73:
        return (
            s.say(
                "How many days {are in|are there in} a week|How many days does a week have|How many"
                " days has a week|"
                + KNOW
                + " how many days {a week has|are in a week}|How long is a week|What is the number"
                " of days in a week"
            ),
            "A week has seven days.",
        )
    if k < 0.82:
        return (
            s.say(
                "{List|Name|Tell me|Say|What are|Can you list|Give me|Can you name} {all |}the"
                " {days of the week|weekdays|days|seven days}|What days are in a week|Which days"
                " does a week have|List all days"
            ),
            listed(DAYS) + ".",
        )
    if k < 0.9:
        weekend = i >= 5
        return (
            s.say(
                "Is [d] {on|part of|in} the weekend|Is [d] a {weekend day|day of the weekend}|"
                + KNOW
                + " if [d] is on the weekend|Does [d] belong to the weekend",
                d=d,
            ),
            f"{'Yes' if weekend else 'No'}, {d} is {'' if weekend else 'not '}on the weekend.",
        )
    return (
        s.say(
            "{What|Which} is the [o] day of the week|"
            + KNOW
            + " the [o] day of the week|Which day of the week is the [o]|Which day comes [o] in"
            " {the|a} week",
            o=ORDINALS[i],
        ),
        f"{d} is the {ORDINALS[i]} day of the week.",
    )


def weekend(s, rng):
    return (
        s.say(
            "{What|Which} days are {on|in} the weekend|When is the weekend|{What|Which} days"
            " {is|make} the weekend|"
            + KNOW
            + " {which days are the weekend|when the weekend is}"
        ),
        "The weekend is Saturday and Sunday.",
    )


def month(s, rng):
    i = rng.randrange(12)
    m = MONTHS[i]
    k = rng.random()
    if k < 0.25:
        return (
            s.say(
                "{What|Which} month {comes|is} {after|right after} [m]|"
                + KNOW
                + " {what|which} month comes after [m]|What comes after [m]|Which month follows"
                " [m]|It is [m]. What is the next month|And after [m]|One month after [m] is"
                " {what|which month}|After [m] we have {what|which month}|Which month is next"
                " after [m]|When [m] is over, which month begins|What is the month after [m]",
                m=m,
            ),
            f"{MONTHS[(i + 1) % 12]} comes after {m}.",
        )
    if k < 0.45:
        return (
            s.say(
                "{What|Which} month {comes|is} {before|right before} [m]|"
                + KNOW
                + " {what|which} month comes before [m]|What comes before [m]|It is [m]. What was"
                " the last month|And before [m]|One month before [m] is {what|which month}|Before"
                " [m] we have {what|which month}|Which month is it before [m]|What is the month"
                " before [m]",
                m=m,
            ),
            f"{MONTHS[(i + 11) % 12]} comes before {m}.",
        )
    if k < 0.6:
        n = "28 or 29" if i == 1 else str(MONTH_DAYS[i])
        return (
            s.say(
                "How many days {are in|are there in|has} [m]|How many days does [m] have|How long"
                " is [m]|"
                + KNOW
                + " how many days [m] has|How many days has [m]|What is the number of days in [m]",
                m=m,
            ),
            f"{m} has {n} days.",
        )
    if k < 0.75:
        return (
            s.say(
                "{What|Which} is the [o] month{| of the year}|"
                + KNOW
                + " the [o] month{| of the year}|Which month is the [o]|Which month of the year"
                " comes [o]|What is month number [n]",
                o=ORDINALS[i],
                n=i + 1,
            ),
            f"{m} is the {ORDINALS[i]} month.",
        )
    if k < 0.9:
        return (
            s.say(
                "{What|Which} season is [m] in|Is [m] in {summer or winter|winter or summer|spring"
                " or autumn}|In {what|which} season is [m]|"
                + KNOW
                + " the season of [m]|Which season does [m] belong to|[m] is part of which"
                " season|Is [m] a {summer|winter|spring|autumn} month|When I think of [m], which"
                " season is it|In [m], which season do we have|What season is it in [m]",
                m=m,
            ),
            f"{m} is in {SEASON_OF[i]}.",
        )
    return (
        s.say(
            "How many months {are in|are there in|has} a year|How many months does a year have|"
            + KNOW
            + " how many months a year has|What is the number of months in a year"
        ),
        "A year has twelve months.",
    )


def months_and_seasons(s, rng):
    k = rng.randrange(4)
    if k == 0:
        return (
            s.say(
                "{List|Name|Tell me|Say|What are|Can you list|Give me|Can you name} {all |}the"
                " {months|months of the year|twelve months}|Which months does a year have|List all"
                " months"
            ),
            listed(MONTHS) + ".",
        )
    if k == 1:
        return (
            s.say(
                "{List|Name|Tell me|Say|What are|Can you name|Give me} {all |}the {seasons|four"
                " seasons|seasons of the year}|Which seasons are there|What seasons does a year"
                " have"
            ),
            "The seasons are spring, summer, autumn and winter.",
        )
    if k == 2:
        return (
            s.say(
                "How many seasons {are there|has a year|are in a year|does a year have}|"
                + KNOW
                + " how many seasons there are|What is the number of seasons"
            ),
            "There are four seasons.",
        )
    i = rng.randrange(4)
    if rng.random() < 0.5:
        return (
            s.say(
                "{What|Which} season {comes|is} after [x]|What comes after [x]|"
                + KNOW
                + " which season comes after [x]|Which season follows [x]",
                x=SEASONS[i],
            ),
            f"{capital(SEASONS[(i + 1) % 4])} comes after {SEASONS[i]}.",
        )
    return (
        s.say(
            "{What|Which} season {comes|is} before [x]|What comes before [x]|"
            + KNOW
            + " which season comes before [x]",
            x=SEASONS[i],
        ),
        f"{capital(SEASONS[(i + 3) % 4])} comes before {SEASONS[i]}.",
    )


def time_facts(s, rng):
    q, a = rng.choice(
        [
            (
                (
                    "How many hours {are in|are there in|has} a day|How many hours does a day"
                    " have|How long is a day"
                ),
                "A day has 24 hours.",
            ),
            (
                (
                    "How many minutes {are in|are there in|has} an hour|How many minutes does an"
                    " hour have|How long is an hour"
                ),
                "An hour has 60 minutes.",
            ),
            (
                (
                    "How many seconds {are in|are there in|has} a minute|How many seconds does a"
                    " minute have|How long is a minute"
                ),
                "A minute has 60 seconds.",
            ),
            (
                (
                    "How many days {are in|are there in|has} a year|How many days does a year"
                    " have|How long is a year"
                ),
                "A year has 365 days, and 366 in a leap year.",
            ),
            (
                "How many weeks {are in|are there in|has} a year|How many weeks does a year have",
                "A year has 52 weeks.",
            ),
            (
                "What {time|day|date} is it{| now| today}|What is the {time|date}|What's the"
                " {time|date}|{Which|What} day is {today|it today}|What day is today|"
                + KNOW
                + " the {time|date}|Do you have the time|What year is it",
                "I don't know. I have no clock and no calendar.",
            ),
        ]
    )
    return s.say(q), a


ALL = [(day, 9), (weekend, 1), (month, 9), (months_and_seasons, 4), (time_facts, 5)]
