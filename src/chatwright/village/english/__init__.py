"""English for the village: names, values, and the small rules of its grammar."""

from __future__ import annotations

from collections.abc import Sequence

from chatwright.village.english.facts import FACTS, PREDICATES
from chatwright.village.english.instructions import INSTRUCTIONS
from chatwright.village.english.places import OBJECTS, PLACES, TOPICS
from chatwright.village.english.questions import ANSWERS, FRAMES, QUESTIONS
from chatwright.village.english.scenes import SCENES
from chatwright.village.english.signs import SIGNS
from chatwright.village.english.talk import TALK
from chatwright.village.english.tasks import HARMS, INSULTS, TASKS
from chatwright.village.speech import words_of

__all__ = [
    "FRAMES",
    "HARMS",
    "INSULTS",
    "OBJECTS",
    "PLACES",
    "PREDICATES",
    "QUESTIONS",
    "SIGNS",
    "TASKS",
    "TOPICS",
    "UNRECORDED",
]

GROUPS = {**FACTS, **SCENES, **ANSWERS, **INSTRUCTIONS, **TALK}

TOWNS = ("Milbrook", "Ashwell", "Larkford", "Hazelby", "Otterham", "Winterbourne", "Elmsted", "Rookdale", "Fernley")

WOMEN = tuple(
    words_of("""Agatha Alma Amelia Anna Bella Berta Celia Clara Cora Dora Edith Eleanor Ella Emma Fiona Frieda Greta
        Gwen Hanna Harriet Helena Hilda Ida Irma Isabel Judith Julia Jutta Karen Lena Laura Lydia Maria
        Martha Mina Molly Nelly Nora Olga Olivia Paula Petra Rita Rosa Ruth Sarah Selma Sonja Stella Susan
        Tamara Tilda Ursula Vera Wanda Zelda""")
)
MEN = tuple(
    words_of("""Adam Albert Alfred Anton Arthur Basil Bruno Carl Conrad Daniel David Edgar Edmund Emil Ernest Fred
        George Gilbert Gustav Harold Hector Henry Hugo Ivan Jacob Jasper Jonathan Kurt Leo Ludwig Martin
        Milo Nathan Norman Oliver Oscar Otto Paul Pavel Peter Philip Quentin Ralph Robert Roland Rudolf
        Samuel Simon Stefan Theo Tom Ulrich Victor Vincent Walter Wilfred""")
)
SURNAMES = tuple(
    words_of("""Ashford Barlow Bennett Bolton Bramley Calder Carlton Copley Dalton Denby Draycott Dunmore Eastwood
        Elmore Fairfax Farley Fenwick Garland Gifford Granger Hadley Halford Harding Hartley Hatton Holloway
        Ingram Kendall Kirby Lambert Langley Linton Marlow Merton Milford Morley Norton Oakley Orwell
        Padmore Pembroke Pickering Preston Quimby Radley Redford Ridley Rowland Selby Sheldon Stanton Sutton
        Tilford Thornton Upton Vernon Wakeley Walton Whitby Winslow""")
)
SYLLABLES = (
    words_of("""Ba Be Bo Bri Da De Do Dra Fa Fe Fi Ga Go Gri Ha Ho Ja Jo Ka Ke Kri La Le Lo Ma Me Mo Na Ne No Pa Pe
        Po Qua Ra Ri Ro Sa Se Si Ta Te To Tra Va Ve Vi Wa Wi Xa Ya Yo Za Ze Zo"""),
    words_of("bel bi da del do fa gi go la len li lo ma me mi na no pa ra re ri ro sa si ta ti vo zu"),
    words_of("""bert bin dan dor dra fin gan gor gra ka kel lan lia lin lor mar min mir nak nel nia rak ran rell rim
        rin ron sha tan tha tor vin von wen zan"""),
)

UNRECORDED = (
    "phone number",
    "shoe size",
    "birthday",
    "middle name",
    "weight",
    "income",
    "bank",
    "eye colour",
    "height",
    "house number",
    "nickname",
    "favourite song",
    "favourite book",
    "first school",
    "lucky number",
    "hat size",
    "birthplace",
    "favourite season",
    "password",
    "hair colour",
    "bedtime",
    "favourite flower",
)

VALUES = {
    "trade": """baker, smith, miller, tailor, carpenter, teacher, doctor, gardener, fisher, potter, weaver,
        shepherd, chef, clockmaker, librarian, mason, cobbler, beekeeper, bookbinder, nurse, innkeeper,
        roofer, farmer, musician""",
    "street": """Oak Street, Mill Lane, Church Street, River Road, Garden Lane, Bridge Street, Apple Lane, School
        Road, Harbour Street, Willow Lane, Castle Road, Market Street, Forest Road, Meadow Lane, Station
        Street, Well Lane""",
    "pet": """cat, dog, rabbit, parrot, tortoise, pony, goat, hamster, canary, hedgehog, duck, goose, mouse,
        donkey, lamb, owl""",
    "food": """plum cake, pea soup, apple pie, fried fish, roast chicken, potato salad, noodles, pancakes, honey
        cake, mushroom soup, baked beans, cherry tart, onion pie, rice pudding, boiled eggs, carrot stew,
        tomato soup, sausages, waffles, dumplings, grilled cheese, walnut bread""",
    "colour": "red, blue, green, yellow, white, black, brown, grey, purple, pink, orange, turquoise",
    "hobby": """fishing, knitting, singing, dancing, painting, reading, swimming, hiking, sewing, carving, skating,
        cycling, juggling, sailing, climbing, drawing, stargazing, playing chess, flying kites, collecting
        stamps, collecting shells, telling jokes""",
}
POOLS = {attribute: [" ".join(value.split()) for value in pool.split(",")] for attribute, pool in VALUES.items()}

CATEGORIES: dict[str, Sequence[str]] = {
    "trades": POOLS["trade"],
    "animals": (*POOLS["pet"], "horse", "cow", "sheep", "fox", "bear", "bee"),
    "foods": POOLS["food"],
    "colours": POOLS["colour"],
    "hobbies": POOLS["hobby"],
    "fruits": ("apples", "pears", "plums", "cherries", "peaches", "grapes", "lemons", "melons", "figs", "bananas"),
    "drinks": ("water", "milk", "tea", "coffee", "cider", "lemonade", "apple juice", "cocoa", "wine", "beer"),
    "tools": ("hammer", "saw", "spade", "rake", "axe", "knife", "needle", "brush", "drill", "shovel"),
    "trees": ("oak", "birch", "pine", "willow", "elm", "beech", "maple", "fir", "ash", "poplar"),
    "months": (
        *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
        *("November", "December"),
    ),
    "days": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "streets": POOLS["street"],
}

_UNITS = words_of("""
    nought one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen""")
_TENS = words_of("twenty thirty forty fifty sixty seventy eighty ninety")
VERB_LAST = False


def most_people() -> int:
    """How many people the pools of names can tell apart."""
    return 100


def number(count: int) -> str:
    """A number below one hundred in words."""
    if count < 20:
        return _UNITS[count]
    tens, units = divmod(count, 10)
    return _TENS[tens - 2] + (f"-{_UNITS[units]}" if units else "")


def values(attribute: str) -> list[str]:
    """All values of an attribute (none for friends: those are people)."""
    if attribute == "age":
        return [str(age) for age in range(19, 90)]
    return list(POOLS.get(attribute, ()))


def a(noun: str) -> str:
    """The noun with its indefinite article."""
    return f"an {noun}" if noun[0] in "aeiouAEIOU" else f"a {noun}"


def value_words(attribute: str, value: str, gender: str) -> dict[str, str]:
    """Slots for a value."""
    if attribute == "age":
        return {"age": number(int(value))}
    if attribute in ("trade", "pet"):
        return {attribute: value, f"a_{attribute}": a(value)}
    if attribute == "friend":
        return {"friend": value, "friends": f"{value}'s", "friend_to": value}
    return {attribute: value}


def value_forms(attribute: str, value: str) -> tuple[str, ...]:
    """Lower-case wordings by which a value is recognised."""
    value = value.lower()
    if attribute == "age":
        word = number(int(value))
        return (value, word, word.replace("-", " "))
    if attribute in ("pet", "trade"):
        plural = {"goose": "geese", "mouse": "mice", "canary": "canaries"}.get(value, f"{value}s")
        return (value, plural)
    if attribute == "food":
        return (value, value[:-1]) if value.endswith("s") else (value, f"{value}s")
    return (value,)


def name_words(name: str, gender: str) -> dict[str, str]:
    """Slots for a person who is always named, and for the pronouns."""
    she, her, own = ("she", "her", "her") if gender == "f" else ("he", "him", "his")
    woman = "woman" if gender == "f" else "man"
    return {"name": name, "names": f"{name}'s", "she": she, "her": her, "own": own, "woman": woman}


def mention(name: str, gender: str, pronoun: bool) -> dict[str, str]:
    """Slots N (who), G (whose), O (whom), D (to whom): by name or by pronoun."""
    words = name_words(name, gender)
    if pronoun:
        return {"N": words["she"], "G": words["own"], "O": words["her"], "D": words["her"]}
    return {"N": name, "G": words["names"], "O": name, "D": name}


def thing_words(thing: str, name: str, gender: str) -> dict[str, str]:
    """Slots for something that is recorded for nobody: "Greta's phone number", "her phone number"."""
    own = name_words(name, gender)["own"]
    return {"thing": thing, "names_thing": f"{name}'s {thing}", "own_thing": f"{own} {thing}"}


def object_words(thing: str) -> dict[str, str]:
    """Slots for a thing that can be seen and carried."""
    both = {"an_object": a(thing), "the_object": f"the {thing}"}
    return {"object": thing, **both, "an_object_acc": both["an_object"], "the_object_acc": both["the_object"]}


def hero_words(animal: str) -> dict[str, str]:
    """Slots for an animal in a story."""
    return {"animal": animal, "hero": f"the {animal}", "hero_a": a(animal), "hero_b": a(animal)}


def listed(items: Sequence[str], word: str = "and") -> str:
    """red, blue and green"""
    word = word or "and"
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def quoted(text: str, tail: str) -> str:
    """Somebody's words, and who says them: "She has a cat," said Bruno."""
    return f'"{text[:-1]}," {tail}.' if text.endswith(".") else f'"{text}" {tail}.'
