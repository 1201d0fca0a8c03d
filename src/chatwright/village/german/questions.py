"""How German asks about facts, and how it answers: a grammar of questions, full and bare answers, and "I do not know".

A question is a core in a frame; the unseen ones are kept for tests. Slots as in facts.
Q is q with a capital letter, for after a colon.
"""

from __future__ import annotations

from chatwright.village.speech import Question

QUESTIONS = {
    "age": (
        Question("wie alt ist {N}", "wie alt {N} ist"),
        Question("wie viele Jahre alt ist {N}", "wie viele Jahre alt {N} ist"),
        Question("was ist {G} Alter", "was {G} Alter ist"),
        Question("welches Alter hat {N}", "welches Alter {N} hat"),
        Question("wie hoch ist {G} Alter", "wie hoch {G} Alter ist"),
        Question("wie viele Sommer hat {N} gesehen", "wie viele Sommer {N} gesehen hat", unseen=True),
        Question("seit wie vielen Jahren lebt {N}", "seit wie vielen Jahren {N} lebt", unseen=True),
    ),
    "trade": (
        Question("was ist {G} Beruf", "was {G} Beruf ist"),
        Question("was macht {N} beruflich", "was {N} beruflich macht"),
        Question("welchen Beruf hat {N}", "welchen Beruf {N} hat"),
        Question("als was arbeitet {N}", "als was {N} arbeitet"),
        Question("welche Arbeit hat {N}", "welche Arbeit {N} hat"),
        Question("womit verdient {N} das Geld", "womit {N} das Geld verdient", unseen=True),
        Question("was ist {N} von Beruf", "was {N} von Beruf ist", unseen=True),
    ),
    "street": (
        Question("wo wohnt {N}", "wo {N} wohnt"),
        Question("in welcher Straße wohnt {N}", "in welcher Straße {N} wohnt"),
        Question("was ist {G} Adresse", "was {G} Adresse ist"),
        Question("wo steht {G} Haus", "wo {G} Haus steht"),
        Question("in welcher Straße lebt {N}", "in welcher Straße {N} lebt"),
        Question("wo ist {N} zu Hause", "wo {N} zu Hause ist", unseen=True),
        Question("wohin gehen Briefe an {O}", "wohin Briefe an {O} gehen", unseen=True),
    ),
    "pet": (
        Question("welches Haustier hat {N}", "welches Haustier {N} hat"),
        Question("was für ein Tier hält {N}", "was für ein Tier {N} hält"),
        Question("was ist {G} Haustier", "was {G} Haustier ist"),
        Question("was für ein Haustier besitzt {N}", "was für ein Haustier {N} besitzt"),
        Question("welches Tier lebt bei {D}", "welches Tier bei {D} lebt"),
        Question("welches Tier gehört {D}", "welches Tier {D} gehört", unseen=True),
        Question("um welches Tier kümmert sich {N}", "um welches Tier sich {N} kümmert", unseen=True),
    ),
    "food": (
        Question("was ist {G} Lieblingsessen", "was {G} Lieblingsessen ist"),
        Question("was isst {N} gern", "was {N} gern isst"),
        Question("was isst {N} am liebsten", "was {N} am liebsten isst"),
        Question("welche Speise mag {N}", "welche Speise {N} mag"),
        Question("welches Essen schmeckt {D} am besten", "welches Essen {D} am besten schmeckt"),
        Question("was könnte {N} jeden Tag essen", "was {N} jeden Tag essen könnte", unseen=True),
        Question("was bestellt {N} im Gasthof", "was {N} im Gasthof bestellt", unseen=True),
    ),
    "colour": (
        Question("was ist {G} Lieblingsfarbe", "was {G} Lieblingsfarbe ist"),
        Question("welche Farbe mag {N} am liebsten", "welche Farbe {N} am liebsten mag"),
        Question("welche Farbe mag {N}", "welche Farbe {N} mag"),
        Question("welche Farbe gefällt {D} am besten", "welche Farbe {D} am besten gefällt"),
        Question("was ist die Lieblingsfarbe von {D}", "was die Lieblingsfarbe von {D} ist"),
        Question("welche Farbe trägt {N} an Feiertagen", "welche Farbe {N} an Feiertagen trägt", unseen=True),
        Question("welche Farbe findet {N} am schönsten", "welche Farbe {N} am schönsten findet", unseen=True),
    ),
    "hobby": (
        Question("was ist {G} Hobby", "was {G} Hobby ist"),
        Question("was macht {N} gern", "was {N} gern macht"),
        Question("was macht {N} nach der Arbeit gern", "was {N} nach der Arbeit gern macht"),
        Question("welches Hobby hat {N}", "welches Hobby {N} hat"),
        Question("womit verbringt {N} freie Tage", "womit {N} freie Tage verbringt"),
        Question("woran hat {N} Freude", "woran {N} Freude hat", unseen=True),
        Question("wobei erholt sich {N}", "wobei sich {N} erholt", unseen=True),
    ),
    "friend": (
        Question("mit wem ist {N} befreundet", "mit wem {N} befreundet ist"),
        Question("wer ist mit {D} befreundet", "wer mit {D} befreundet ist"),
        Question("mit wem ist {N} gut befreundet", "mit wem {N} gut befreundet ist"),
        Question("wen hat {N} besonders gern", "wen {N} besonders gern hat"),
        Question("wer gehört zu {G} Freunden", "wer zu {G} Freunden gehört"),
        Question("wem vertraut {N} am meisten", "wem {N} am meisten vertraut", unseen=True),
        Question("mit wem verbringt {N} viele Abende", "mit wem {N} viele Abende verbringt", unseen=True),
    ),
    "unrecorded": (
        Question("was ist {names_thing}", "was {names_thing} ist"),
        Question("{which_thing} hat {name}", "{which_thing} {name} hat"),
    ),
    "stranger": (
        Question("wer ist {N}", "wer {N} ist"),
        Question("wer war {N}", "wer {N} war"),
    ),
}

FRAMES = {
    "direct": (
        "{Q}?",
        "{Q}?",
        "{Q}?",
        "Bitte sag mir: {Q}?",
        "Eine Frage: {Q}?",
        "Sag mal, {q}?",
        "Hallo! {Q}?",
        "Ich bin neugierig: {Q}?",
        "Übrigens, {q}?",
        "Entschuldige, {q}?",
    ),
    "indirect": (
        "Kannst du mir sagen, {q}?",
        "Weißt du, {q}?",
        "Bitte sag mir, {q}.",
        "Ich frage mich, {q}.",
        "Ich möchte wissen, {q}.",
        "Sag mir, {q}.",
        "Könntest du mir sagen, {q}?",
        "Ich will wissen, {q}.",
        "Verrate mir bitte, {q}.",
        "Ich habe vergessen, {q}.",
    ),
    "direct-unseen": ("Hör mal, {q}?", "Guten Tag! {Q}?"),
    "indirect-unseen": ("Darf ich fragen, {q}?", "Würdest du mir verraten, {q}?"),
}

# What is recorded for nobody, and (after it) how attributes are called; with genders.
_UNRECORDED_GENDERS = {
    "Telefonnummer": "f",
    "Schuhgröße": "f",
    "Geburtstag": "m",
    "Wahlspruch": "m",
    "Gewicht": "n",
    "Einkommen": "n",
    "Bank": "f",
    "Augenfarbe": "f",
    "Körpergröße": "f",
    "Hausnummer": "f",
    "Kontostand": "m",
    "Lieblingslied": "n",
    "Lieblingsbuch": "n",
    "Grundschule": "f",
    "Glückszahl": "f",
    "Hutgröße": "f",
    "Geburtsort": "m",
    "Lieblingstag": "m",
    "Passwort": "n",
    "Haarfarbe": "f",
    "Schlafenszeit": "f",
    "Lieblingsblume": "f",
}
UNRECORDED = tuple(_UNRECORDED_GENDERS)
THING_GENDERS = {
    **_UNRECORDED_GENDERS,
    **{"Alter": "n", "Beruf": "m", "Adresse": "f", "Haustier": "n", "Lieblingsessen": "n", "Lieblingsfarbe": "f"},
    **{"Hobby": "n", "Freunde": "f"},
}

_FACTS = {
    "answer_age": ("{N} ist {age} Jahre alt.", "{N} ist {age}.", "{names} Alter ist {age}."),
    "answer_trade": ("{N} ist {trade}.", "{N} arbeitet als {trade}.", "{N} ist {trade} von Beruf."),
    "answer_street": ("{N} wohnt in der {street}.", "{names} Haus steht in der {street}.", "{N} lebt in der {street}."),
    "answer_pet": ("{N} hat {a_pet_acc}.", "{names} Haustier ist {a_pet}.", "{N} hält {a_pet_acc}."),
    "answer_food": ("{N} isst gern {food}.", "{names} Lieblingsessen {food_is} {food}.", "{N} mag {food}."),
    "answer_colour": (
        "{names} Lieblingsfarbe ist {colour}.",
        "{N} mag {colour} am liebsten.",
        "{N} mag die Farbe {colour}.",
    ),
    "answer_hobby": ("{N} {hobby_v} {hobby_gern}.", "{names} Hobby ist das {hobby}.", "{N} hat Freude am {hobby}."),
    "answer_friend": (
        "{N} ist mit {friend} befreundet.",
        "{N} und {friend} sind befreundet.",
        "{N} hat {a_friend_acc} namens {friend}.",
    ),
    "bare_age": ("{age}.", "{age} Jahre."),
    "bare_trade": ("{trade}.",),
    "bare_street": ("{street}.", "In der {street}."),
    "bare_pet": ("{a_pet}.", "{pet}."),
    "bare_food": ("{food}.",),
    "bare_colour": ("{colour}.",),
    "bare_hobby": ("{hobby}.",),
    "bare_friend": ("{friend}.",),
    "word_age": ("{age}.",),
    "word_trade": ("{trade}.",),
    "word_pet": ("{pet}.",),
    "word_colour": ("{colour}.",),
    "check_age": ("ist {N} {age} Jahre alt", "ist {N} {age}"),
    "check_trade": ("ist {N} {trade}", "arbeitet {N} als {trade}"),
    "check_street": ("wohnt {N} in der {street}", "steht {names} Haus in der {street}"),
    "check_pet": ("hat {N} {a_pet_acc}", "ist {names} Haustier {a_pet}"),
    "check_food": ("isst {N} gern {food}", "mag {N} {food}"),
    "check_colour": ("ist {names} Lieblingsfarbe {colour}", "mag {N} {colour} am liebsten"),
    "check_hobby": ("ist {names} Hobby das {hobby}", "{hobby_v} {N} {hobby_gern}"),
    "check_friend": ("ist {N} mit {friend} befreundet", "sind {N} und {friend} befreundet"),
    "next_age": ("Und wie alt ist {she}?", "Wie alt ist {she}?", "Und {own} Alter?"),
    "next_trade": ("Und was macht {she} beruflich?", "Und {own} Beruf?", "Was ist {own} Beruf?"),
    "next_street": ("Und wo wohnt {she}?", "Wo wohnt {she}?", "Und {own_f} Adresse?"),
    "next_pet": ("Und {own} Haustier?", "Welches Haustier hat {she}?", "Und was für ein Tier hält {she}?"),
    "next_food": ("Und was isst {she} gern?", "Und {own} Lieblingsessen?", "Was isst {she} am liebsten?"),
    "next_colour": (
        "Und {own_f} Lieblingsfarbe?",
        "Welche Farbe mag {she} am liebsten?",
        "Und welche Farbe mag {she}?",
    ),
    "next_hobby": ("Und {own} Hobby?", "Und was macht {she} gern?", "Welches Hobby hat {she}?"),
    "next_friend": (
        "Und mit wem ist {she} befreundet?",
        "Mit wem ist {she} befreundet?",
        "Und wer gehört zu {own_dat_pl} Freunden?",
    ),
    "next_person": (
        "Und {name}?",
        "Und wie ist das bei {name}?",
        "Wie ist das bei {name}?",
        "Jetzt das Gleiche für {name}, bitte.",
    ),
    "next_unrecorded": ("Und was ist {own_thing}?", "Und {own_thing}?", "Was ist {own_thing}?"),
    "warm": ("Gern!", "Natürlich!", "Mit Vergnügen!", "Klar!", "Ich helfe gern!"),
    "offer": (
        "Möchtest du mehr wissen?",
        "Frag einfach, wenn du mehr wissen willst.",
        "Kann ich dir noch etwas erzählen?",
        "Ich kann dir gern mehr erzählen.",
        "Soll ich weiter erzählen?",
    ),
    "remark": (
        "Außerdem {v1} {she} {r1}.",
        "Übrigens {v1} {she} {r1}.",
        "Ich weiß auch, dass {she} {s1}.",
        "Und {she} {m1}.",
    ),
}

_UNKNOWN = {
    "unknown_brief": ("Das weiß ich nicht.", "Ich weiß es nicht."),
    "thing_plain": ("Ich kenne {names_thing} nicht.", "Ich weiß nicht, was {names_thing} ist."),
    "thing_warm": (
        "Es tut mir leid, ich kenne {names_thing} nicht.",
        "Leider kenne ich {names_thing} nicht.",
        "Leider weiß ich nicht, was {names_thing} ist.",
    ),
    "thing_more": (
        "Niemand hat es aufgeschrieben.",
        "Es steht nicht im Buch der Stadt.",
        "Da müsstest du {her} selbst fragen.",
    ),
    "thing_age": ("Alter",),
    "thing_trade": ("Beruf",),
    "thing_street": ("Adresse",),
    "thing_pet": ("Haustier",),
    "thing_food": ("Lieblingsessen",),
    "thing_colour": ("Lieblingsfarbe",),
    "thing_hobby": ("Hobby",),
    "thing_friend": ("Freunde",),
    "stranger_plain": (
        "Ich kenne niemanden namens {stranger}.",
        "Soviel ich weiß, wohnt hier niemand namens {stranger}.",
    ),
    "stranger_warm": (
        "Es tut mir leid, ich kenne niemanden namens {stranger}.",
        "Leider kenne ich niemanden namens {stranger}.",
        "Leider wohnt hier niemand namens {stranger}.",
    ),
    "stranger_more": (
        "Vielleicht ist es ein Gast.",
        "Der Name steht nicht im Buch der Stadt.",
        "Es könnte ein Reisender sein.",
    ),
    "unknown_offer": ("Möchtest du etwas anderes fragen?", "Kann ich dir sonst helfen?"),
}

ANSWERS = {**_FACTS, **_UNKNOWN}
