"""How English states recorded facts: predicates, sentences made for one attribute, and their combinations.

Slots: N, G, O = the person by name or pronoun (who, whose, whom); name, names, she, her, own = always so;
m1 = a predicate ("has a cat"), s1 = the same in a subordinate clause, p1 = in the past.
"""

from __future__ import annotations

from chatwright.village.speech import Predicate

PREDICATES = {
    "age": (
        Predicate("is", "was", "{age} years old"),
        Predicate("is", "was", "{age}"),
        Predicate("is", "was", "{age} years of age"),
        Predicate("has", "had", "lived for {age} years"),
        Predicate("has", "had", "seen {age} summers"),
        Predicate("has", "had", "reached the age of {age}"),
    ),
    "trade": (
        Predicate("is", "was", "{a_trade}"),
        Predicate("works", "worked", "as {a_trade}"),
        Predicate("earns", "earned", "a living as {a_trade}"),
        Predicate("is", "was", "{a_trade} by trade"),
        Predicate("became", "had become", "{a_trade} long ago"),
        Predicate("makes", "made", "a living as {a_trade}"),
    ),
    "street": (
        Predicate("lives", "lived", "on {street}"),
        Predicate("has", "had", "a house on {street}"),
        Predicate("has", "had", "a home on {street}"),
        Predicate("can", "could", "be found on {street}"),
        Predicate("rents", "rented", "two rooms on {street}"),
        Predicate("walks", "walked", "home to {street} every evening"),
    ),
    "pet": (
        Predicate("has", "had", "{a_pet}"),
        Predicate("owns", "owned", "{a_pet}"),
        Predicate("keeps", "kept", "{a_pet}"),
        Predicate("takes", "took", "care of {a_pet}"),
        Predicate("shares", "shared", "the house with {a_pet}"),
        Predicate("has", "had", "{a_pet} at home"),
    ),
    "food": (
        Predicate("likes", "liked", "to eat {food}"),
        Predicate("loves", "loved", "{food}"),
        Predicate("likes", "liked", "{food} best of all"),
        Predicate("would", "would", "eat {food} every day"),
        Predicate("orders", "ordered", "{food} at the inn"),
        Predicate("asks", "asked", "for {food} at every feast"),
    ),
    "colour": (
        Predicate("likes", "liked", "the colour {colour}"),
        Predicate("loves", "loved", "{colour} more than any other colour"),
        Predicate("prefers", "preferred", "{colour} to all other colours"),
        Predicate("wears", "wore", "{colour} on holidays"),
        Predicate("paints", "painted", "every door {colour}"),
        Predicate("thinks", "thought", "that {colour} is the finest colour"),
    ),
    "hobby": (
        Predicate("likes", "liked", "{hobby}"),
        Predicate("enjoys", "enjoyed", "{hobby} after work"),
        Predicate("spends", "spent", "free days {hobby}"),
        Predicate("loves", "loved", "{hobby} on Sundays"),
        Predicate("passes", "passed", "the time by {hobby}"),
        Predicate("is", "was", "fond of {hobby}"),
    ),
    "friend": (
        Predicate("is", "was", "a friend of {friend}"),
        Predicate("is", "was", "{friends} best friend"),
        Predicate("has", "had", "a good friend called {friend}"),
        Predicate("trusts", "trusted", "{friend} more than anybody"),
        Predicate("spends", "spent", "many evenings with a friend, {friend}"),
        Predicate("calls", "called", "{friend} {own} best friend"),
    ),
}

_SENTENCES = {
    "say_age": (
        "{G} age is {age}.",
        "The age of {name} is {age}.",
        "{age} years have passed since {N} was born.",
        "Last spring {N} turned {age}.",
        "{N} turned {age} a short time ago.",
    ),
    "say_trade": (
        "{G} trade is that of {a_trade}.",
        "The town needs {a_trade}, and {N} is one.",
        "If you need {a_trade}, ask {O}.",
        "{G} work is [hard|good]: {N} is {a_trade}.",
        "The sign over {G} door says that {a_trade} works there.",
    ),
    "say_street": (
        "{G} house stands on {street}.",
        "{G} home is on {street}.",
        "On {street} you will find {G} house.",
        "{street} is the street that {N} calls home.",
        "Letters for {O} go to {street}.",
    ),
    "say_pet": (
        "{G} pet is {a_pet}.",
        "There is {a_pet} in {G} house.",
        "The {pet} in the yard belongs to {O}.",
        "{G} {pet} [sleeps by the stove|is well fed|is known to all the neighbours|likes the sun].",
        "Every morning {N} feeds {own} {pet}.",
    ),
    "say_food": (
        "{G} favourite food is {food}.",
        "Nothing tastes better to {O} than {food}.",
        "On Sundays there is {food} on {G} table.",
        "If you want to please {O}, bring {food}.",
        "What {N} likes most at dinner is {food}.",
    ),
    "say_colour": (
        "{G} favourite colour is {colour}.",
        "The favourite colour of {name} is {colour}.",
        "Of all colours {N} likes {colour} best.",
        "{G} coat is {colour}, because that is {own} favourite colour.",
        "{colour} is the colour that {N} loves.",
    ),
    "say_hobby": (
        "{G} hobby is {hobby}.",
        "{hobby} is {G} favourite pastime.",
        "In {own} free time {name} likes {hobby}.",
        "When work is done, {N} is happiest {hobby}.",
        "Nobody enjoys {hobby} as much as {N}[ does|].",
    ),
    "say_friend": (
        "{G} best friend is {friend}.",
        "{friend} is the best friend that {N} has.",
        "{friend} is {G} friend.",
        "{G} friend {friend} often comes to visit.",
        "{N} and {friend} are good friends.",
    ),
}

_STATEMENTS = {
    "one": (
        "{N} {m1}.",
        "{N} {m1}.",
        "{N} {m1}.",
        "Everybody knows that {N} {s1}.",
        "People say that {N} {s1}.",
        "It is true that {N} {s1}.",
        "As you may know, {N} {m1}.",
        "[In those days|At that time|When I last came by,] {N} {p1}.",
        "I have heard that {N} {s1}.",
        "The neighbours know that {N} {s1}.",
        "{name}, you must know, {m1}.",
    ),
    "two": (
        "{N} {m1} and {m2}.",
        "{name}, who {s1}, {m2}.",
        "{N} {m1}, and {she} {m2}.",
        "[People|The neighbours] say that {N} {s1} and {s2}.",
        "{N} {m1}. Besides, {she} {m2}.",
        "[In those days|At that time] {N} {p1} and {p2}.",
        "Everybody knows that {name}, who {s1}, {m2}.",
        "{name} is the {woman} who {s1} and {s2}.",
    ),
    "three": (
        "{N} {m1}, {m2} and {m3}.",
        "{name}, who {s1}, {m2} and {m3}.",
        "{N} {m1} and {m2}, and {she} {m3}.",
        "{N} {m1}. {she} {m2} and {m3}.",
        "There was a {woman} called {name} who {p1}, {p2} and {p3}.",
    ),
    "contrast": (
        "{name} {m1}, but {name2} {m2}.",
        "{name} {m1}, while {name2} {s2}.",
        "{name2} {m2}. {name}, however, {m1}.",
        "While {name2} {s2}, {name} {m1}.",
    ),
}

FACTS = {**_SENTENCES, **_STATEMENTS}
