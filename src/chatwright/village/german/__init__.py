"""German for the village: names, values, and the small rules of its grammar."""

from __future__ import annotations

from collections.abc import Sequence

from chatwright.village.german.facts import FACTS, PREDICATES
from chatwright.village.german.instructions import INSTRUCTIONS
from chatwright.village.german.places import OBJECT_GENDERS, PLACES, TOPICS
from chatwright.village.german.questions import ANSWERS, FRAMES, QUESTIONS, THING_GENDERS, UNRECORDED
from chatwright.village.german.scenes import ANIMALS, SCENES
from chatwright.village.german.signs import SIGNS
from chatwright.village.german.talk import TALK
from chatwright.village.german.tasks import HARMS, INSULTS, TASKS
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
OBJECTS = tuple(OBJECT_GENDERS)

TOWNS = (
    "Lerchenau",
    "Erlental",
    "Hasenried",
    "Otterfurt",
    "Winterau",
    "Ulmenau",
    "Rabental",
    "Farnhausen",
    "Weidenbach",
)

WOMEN = tuple(
    words_of("""Agathe Alma Amelie Anna Berta Bettina Clara Cora Dora Edith Elena Elli Emma Emilia Frieda Gerda
        Greta Hanna Hedwig Heike Helene Hilde Ida Ilse Irma Jana Johanna Judith Julia Jutta Karin Katrin
        Lena Lina Lotte Luise Maria Martha Mina Monika Nora Olga Paula Petra Renate Rita Rieke Ruth Sabine
        Selma Sonja Tilda Ulla Ursula Vera Wanda""")
)
MEN = tuple(
    words_of("""Adam Albert Alfred Anton Arthur Bernd Bruno Carl Christian Daniel David Dieter Edgar Emil Erich
        Erwin Friedrich Georg Gerhard Gustav Harald Heinrich Hermann Holger Hugo Jakob Jan Joachim Johann
        Jonathan Konrad Kurt Leo Ludwig Martin Milo Norbert Oliver Oskar Otto Paul Peter Philipp Ralf
        Richard Robert Roland Rolf Rudolf Samuel Simon Stefan Theo Ulrich Viktor Walter""")
)
SURNAMES = tuple(
    words_of("""Ahrend Albrecht Bachmann Behrend Brandt Buchner Burkhardt Dahlmann Dietrich Ebert Eckert Ehlert
        Gerlach Göbel Grabow Haberland Hagedorn Hartmann Heinemann Hellwig Hillmann Hoffmann Immel Jahnke
        Kaminski Kirchner Kleinert Krüger Kühn Lehmann Lindner Lohmann Marquardt Meinert Merkel Neumann
        Nolte Oberlin Ostermann Petersen Pohlmann Quandt Rademann Radtke Reinhardt Sandmann Seidel Steffen
        Tiedemann Trautmann Uhlig Vollmer Wagenknecht Wegener Wiegand Wollmann Zabel Behnke Thielemann
        Stolte""")
)
SYLLABLES = (
    words_of("""Ba Be Bo Bri Da De Do Dra Fa Fe Fi Ga Go Gri Ha Ho Ja Jo Ka Ke Kri La Le Lo Ma Me Mo Na Ne No Pa Pe
        Po Qua Ra Ri Ro Sa Se Si Ta Te To Tra Va Ve Vi Wa Wi Ya Yo Za Ze Zo"""),
    words_of("bel bi da del do fa gi go la len li lo ma me mi na no pa ra re ri ro sa si ta ti vo zu"),
    words_of("""bert bin dan dor dra fin gan gor gra ka kel lan lia lin lor mar min mir nak nel nia rak ran rell rim
        rin ron scha tan tha tor vin von wen"""),
)

# Masculine and feminine.
TRADES = {
    man: f"{man}in"
    for man in words_of("""
        Bäcker Schmied Müller Schneider Tischler Lehrer Gärtner Fischer Töpfer Weber Schäfer Uhrmacher
        Bibliothekar Maurer Schuster Imker Buchbinder Pfleger Wirt Dachdecker Landwirt Musiker""")
} | {"Arzt": "Ärztin", "Koch": "Köchin"}
# Gender and plural.
PETS = {
    "Katze": ("f", "Katzen"),
    "Hund": ("m", "Hunde"),
    "Kaninchen": ("n", "Kaninchen"),
    "Wellensittich": ("m", "Wellensittiche"),
    "Schildkröte": ("f", "Schildkröten"),
    "Pony": ("n", "Ponys"),
    "Ziege": ("f", "Ziegen"),
    "Hamster": ("m", "Hamster"),
    "Kanarienvogel": ("m", "Kanarienvögel"),
    "Igel": ("m", "Igel"),
    "Ente": ("f", "Enten"),
    "Gans": ("f", "Gänse"),
    "Maus": ("f", "Mäuse"),
    "Esel": ("m", "Esel"),
    "Lamm": ("n", "Lämmer"),
    "Eule": ("f", "Eulen"),
}
FOODS = tuple(
    words_of("""Pflaumenkuchen Erbsensuppe Apfelkuchen Bratfisch Brathähnchen Kartoffelsalat Nudeln Pfannkuchen
        Honigkuchen Pilzsuppe Bohneneintopf Kirschtorte Zwiebelkuchen Milchreis Rührei Möhreneintopf
        Tomatensuppe Bratwurst Waffeln Klöße Käsebrot Nussbrot""")
)
PLURAL_FOODS = ("Nudeln", "Pfannkuchen", "Waffeln", "Klöße")
COLOURS = tuple(words_of("Rot Blau Grün Gelb Violett Schwarz Braun Grau Lila Rosa Orange Türkis"))
# Present, past, and what is done, for "fährt gern Rad".
HOBBIES = {
    "Angeln": ("angelt", "angelte", ""),
    "Stricken": ("strickt", "strickte", ""),
    "Singen": ("singt", "sang", ""),
    "Tanzen": ("tanzt", "tanzte", ""),
    "Malen": ("malt", "malte", ""),
    "Lesen": ("liest", "las", ""),
    "Schwimmen": ("schwimmt", "schwamm", ""),
    "Wandern": ("wandert", "wanderte", ""),
    "Nähen": ("näht", "nähte", ""),
    "Schnitzen": ("schnitzt", "schnitzte", ""),
    "Radfahren": ("fährt", "fuhr", "Rad"),
    "Jonglieren": ("jongliert", "jonglierte", ""),
    "Segeln": ("segelt", "segelte", ""),
    "Klettern": ("klettert", "kletterte", ""),
    "Zeichnen": ("zeichnet", "zeichnete", ""),
    "Backen": ("backt", "backte", ""),
    "Schachspielen": ("spielt", "spielte", "Schach"),
    "Kartenspielen": ("spielt", "spielte", "Karten"),
    "Flötespielen": ("spielt", "spielte", "Flöte"),
    "Briefmarkensammeln": ("sammelt", "sammelte", "Briefmarken"),
    "Muschelsammeln": ("sammelt", "sammelte", "Muscheln"),
    "Rudern": ("rudert", "ruderte", ""),
}
STREETS = tuple(
    words_of("""Eichenstraße Mühlgasse Kirchstraße Uferstraße Gartengasse Brückenstraße Apfelgasse Schulstraße
        Hafenstraße Weidengasse Schlossstraße Marktstraße Waldstraße Wiesengasse Bahnhofstraße Brunnengasse""")
)
POOLS: dict[str, list[str]] = {
    "trade": list(TRADES),
    "street": list(STREETS),
    "pet": list(PETS),
    "food": list(FOODS),
    "colour": list(COLOURS),
    "hobby": list(HOBBIES),
}

CATEGORIES: dict[str, Sequence[str]] = {
    "Berufe": POOLS["trade"],
    "Tiere": (*POOLS["pet"], "Pferd", "Kuh", "Schaf", "Fuchs", "Bär", "Biene"),
    "Speisen": POOLS["food"],
    "Farben": POOLS["colour"],
    "Hobbys": POOLS["hobby"],
    "Früchte": tuple(words_of("Äpfel Birnen Pflaumen Kirschen Pfirsiche Trauben Zitronen Melonen Feigen Bananen")),
    "Getränke": tuple(words_of("Wasser Milch Tee Kaffee Most Limonade Apfelsaft Kakao Wein Bier")),
    "Werkzeuge": tuple(words_of("Hammer Säge Spaten Rechen Axt Messer Nadel Pinsel Bohrer Schaufel")),
    "Bäume": tuple(words_of("Eiche Birke Kiefer Weide Ulme Buche Ahorn Tanne Esche Pappel")),
    "Monate": tuple(
        words_of("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
    ),
    "Wochentage": tuple(words_of("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag")),
    "Straßen": POOLS["street"],
}

_UNITS = words_of("""
    null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn
    siebzehn achtzehn neunzehn""")
_TENS = words_of("zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
VERB_LAST = True

_A = {"m": ("ein", "einen", "einem"), "f": ("eine", "eine", "einer"), "n": ("ein", "ein", "einem")}
_THE = {"m": ("der", "den", "dem"), "f": ("die", "die", "der"), "n": ("das", "das", "dem")}


def most_people() -> int:
    """How many people the pools of names can tell apart."""
    return 100


def number(count: int) -> str:
    """A number below one hundred in words."""
    if count < 20:
        return _UNITS[count]
    tens, units = divmod(count, 10)
    if not units:
        return _TENS[tens - 2]
    return f"{'ein' if units == 1 else _UNITS[units]}und{_TENS[tens - 2]}"


def values(attribute: str) -> list[str]:
    """All values of an attribute (none for friends: those are people)."""
    if attribute == "age":
        return [str(age) for age in range(19, 90)]
    return list(POOLS.get(attribute, ()))


def value_words(attribute: str, value: str, gender: str) -> dict[str, str]:
    """Slots for a value; `gender` is the person's, for a friend the friend's."""
    if attribute == "age":
        return {"age": number(int(value))}
    if attribute == "trade":
        trade = TRADES[value] if gender == "f" else value
        nominative, accusative, _ = _A[gender]
        both = {"a_trade": f"{nominative} {trade}", "a_trade_acc": f"{accusative} {trade}"}
        return {"trade": trade, "trade_neutral": f"{value} oder {TRADES[value]}", **both}
    if attribute == "pet":
        kind = PETS[value][0]
        nominative, accusative, dative = (f"{article} {value}" for article in _A[kind])
        own = f"{'ihr' if gender == 'f' else 'sein'}{'e' if kind == 'f' else ''} {value}"
        words = {"pet": value, "a_pet": nominative, "a_pet_acc": accusative, "a_pet_dat": dative, "own_pet": own}
        return {**words, "the_pet": f"{_THE[kind][0]} {value}"}
    if attribute == "food":
        return {"food": value, "food_is": "sind" if value in PLURAL_FOODS else "ist"}
    if attribute == "colour":
        return {"colour": value, "colour_adj": value.lower()}
    if attribute == "hobby":
        present, past, thing = HOBBIES[value]
        gladly = f"gern {thing}" if thing else "gern"
        return {"hobby": value, "hobby_v": present, "hobby_p": past, "hobby_gern": gladly}
    if attribute == "friend":
        best, acc = (
            ("beste Freundin", "eine gute Freundin") if gender == "f" else ("bester Freund", "einen guten Freund")
        )
        return {"friend": value, "friends": f"{value}s", "best_friend": best, "a_friend_acc": acc}
    return {attribute: value}


def value_forms(attribute: str, value: str) -> tuple[str, ...]:
    """Lower-case wordings by which a value is recognised."""
    lower = value.lower()
    if attribute == "age":
        return (value, number(int(value)))
    if attribute == "trade":
        woman = TRADES[value].lower()
        return (lower, woman, f"{woman}nen", f"{lower}s")
    if attribute == "pet":
        return (lower, PETS[value][1].lower(), f"{lower}s")
    if attribute == "colour":
        return (lower, *(f"{lower}{ending}" for ending in ("e", "en", "er", "es", "em")))
    if attribute == "hobby":
        present, past, thing = HOBBIES[value]
        if not thing:
            return (lower, present, past, f"{lower}s")
        thing = thing.lower()
        alone = (f"{present} {thing}", f"{past} {thing}", f"{thing} {present}", f"{thing} {past}")
        return (lower, f"gern {thing}", *alone)
    return (lower,)


def name_words(name: str, gender: str) -> dict[str, str]:
    """Slots for a person who is always named, and for the pronouns. own_f: "ihre", before a feminine noun."""
    she, her, to_her, stem = ("sie", "sie", "ihr", "ihr") if gender == "f" else ("er", "ihn", "ihm", "sein")
    woman, a_woman = ("Frau", "eine Frau") if gender == "f" else ("Mann", "ein Mann")
    words = {"name": name, "names": f"{name}s", "she": she, "her": her, "to_her": to_her, "woman": woman}
    own = {
        "own_dat_pl": f"{stem}en",
        "own": stem,
        "own_f": f"{stem}e",
        "own_acc": f"{stem}en",
        "own_dat": f"{stem}em",
        "own_f_dat": f"{stem}er",
    }
    return {
        **words,
        **own,
        "a_woman": a_woman,
        "the_woman": f"{'die' if gender == 'f' else 'der'} {woman}",
        "rel": "die" if gender == "f" else "der",
        "gender": gender,
    }


def mention(name: str, gender: str, pronoun: bool) -> dict[str, str]:
    """Slots N (who), O (whom), D (to whom) by name or by pronoun; G (whose) is always the name."""
    words = name_words(name, gender)
    if pronoun:
        return {"N": words["she"], "O": words["her"], "D": words["to_her"], "G": words["names"]}
    return {"N": name, "O": name, "D": name, "G": words["names"]}


def thing_words(thing: str, name: str, gender: str) -> dict[str, str]:
    """Slots for something that is recorded for nobody: "Gretas Telefonnummer", "ihre Telefonnummer"."""
    kind = THING_GENDERS[thing]
    stem = "ihr" if gender == "f" else "sein"
    which = {"m": "welchen", "f": "welche", "n": "welches"}[kind]
    words = {"thing": thing, "names_thing": f"{name}s {thing}", "which_thing": f"{which} {thing}"}
    return {**words, "own_thing": f"{stem}{'e' if kind == 'f' else ''} {thing}"}


def object_words(thing: str) -> dict[str, str]:
    """Slots for a thing that can be seen and carried."""
    kind = OBJECT_GENDERS[thing]
    an, an_acc, _ = (f"{article} {thing}" for article in _A[kind])
    the, the_acc, _ = (f"{article} {thing}" for article in _THE[kind])
    return {"object": thing, "an_object": an, "an_object_acc": an_acc, "the_object": the, "the_object_acc": the_acc}


def hero_words(animal: str) -> dict[str, str]:
    """Slots for an animal in a story."""
    kind, accusative = ANIMALS[animal]
    words = {"animal": animal, "hero": f"{_THE[kind][0]} {animal}", "hero_a": f"{_A[kind][0]} {animal}"}
    return {**words, "hero_b": f"{_A[kind][1]} {accusative}", "rel": _THE[kind][0]}


def listed(items: Sequence[str], word: str = "und") -> str:
    """Rot, Blau und Grün"""
    word = word or "und"
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def quoted(text: str, tail: str) -> str:
    """Somebody's words, and who says them: "Sie hat eine Katze", sagte Bruno."""
    return f'"{text.removesuffix(".")}", {tail}.'
