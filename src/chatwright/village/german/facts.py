"""How German states recorded facts: predicates, sentences made for one attribute, and their combinations.

Slots: N, O, D = the person by name or pronoun (who, whom, to whom); name, names, she, own, own_f ... = always so;
m1 = a predicate in a main clause ("hat eine Katze"), s1 = in a subordinate clause ("eine Katze hat"), v1 and r1 = its
verb and the rest, p1 and q1 = main and subordinate clause in the past.
"""

from __future__ import annotations

from chatwright.village.speech import Predicate

PREDICATES = {
    "age": (
        Predicate("ist", "war", "{age} Jahre alt"),
        Predicate("ist", "war", "schon {age} Jahre alt"),
        Predicate("ist", "war", "genau {age}"),
        Predicate("hat", "hatte", "{age} Sommer gesehen"),
        Predicate("lebt", "lebte", "seit {age} Jahren auf dieser Welt"),
        Predicate("zählt", "zählte", "{age} Jahre"),
    ),
    "trade": (
        Predicate("ist", "war", "{trade}"),
        Predicate("arbeitet", "arbeitete", "als {trade}"),
        Predicate("verdient", "verdiente", "als {trade} das Geld"),
        Predicate("ist", "war", "{trade} von Beruf"),
        Predicate("ist", "war", "schon lange {trade}"),
        Predicate("hat", "hatte", "als {trade} viel zu tun"),
    ),
    "street": (
        Predicate("wohnt", "wohnte", "in der {street}"),
        Predicate("lebt", "lebte", "in der {street}"),
        Predicate("hat", "hatte", "ein Haus in der {street}"),
        Predicate("ist", "war", "in der {street} zu Hause"),
        Predicate("mietet", "mietete", "zwei Zimmer in der {street}"),
        Predicate("geht", "ging", "jeden Abend heim in die {street}"),
    ),
    "pet": (
        Predicate("hat", "hatte", "{a_pet_acc}"),
        Predicate("besitzt", "besaß", "{a_pet_acc}"),
        Predicate("hält", "hielt", "{a_pet_acc}"),
        Predicate("kümmert", "kümmerte", "sich um {a_pet_acc}"),
        Predicate("teilt", "teilte", "das Haus mit {a_pet_dat}"),
        Predicate("hat", "hatte", "zu Hause {a_pet_acc}"),
    ),
    "food": (
        Predicate("isst", "aß", "gern {food}"),
        Predicate("mag", "mochte", "{food}"),
        Predicate("isst", "aß", "am liebsten {food}"),
        Predicate("könnte", "konnte", "jeden Tag {food} essen"),
        Predicate("bestellt", "bestellte", "im Gasthof {food}"),
        Predicate("wünscht", "wünschte", "sich zu jedem Fest {food}"),
    ),
    "colour": (
        Predicate("mag", "mochte", "die Farbe {colour}"),
        Predicate("liebt", "liebte", "{colour} mehr als jede andere Farbe"),
        Predicate("findet", "fand", "{colour} am schönsten"),
        Predicate("trägt", "trug", "an Feiertagen {colour}"),
        Predicate("streicht", "strich", "jede Tür {colour_adj}"),
        Predicate("mag", "mochte", "{colour} am liebsten"),
    ),
    "hobby": (
        Predicate("{hobby_v}", "{hobby_p}", "{hobby_gern}"),
        Predicate("{hobby_v}", "{hobby_p}", "nach der Arbeit {hobby_gern}"),
        Predicate("verbringt", "verbrachte", "freie Tage mit {hobby}"),
        Predicate("hat", "hatte", "viel Freude am {hobby}"),
        Predicate("erholt", "erholte", "sich beim {hobby}"),
        Predicate("liebt", "liebte", "das {hobby}"),
    ),
    "friend": (
        Predicate("ist", "war", "mit {friend} befreundet"),
        Predicate("hat", "hatte", "{a_friend_acc} namens {friend}"),
        Predicate("vertraut", "vertraute", "{friend} am meisten"),
        Predicate("verbringt", "verbrachte", "viele Abende mit {friend}"),
        Predicate("ist", "war", "gut mit {friend} befreundet"),
        Predicate("hat", "hatte", "{friend} besonders gern"),
    ),
}

_SENTENCES = {
    "say_age": (
        "Vor {age} Jahren wurde {N} geboren.",
        "Im Frühling wurde {N} {age} Jahre alt.",
        "{names} Alter beträgt {age} Jahre.",
        "Seit {N} lebt, sind {age} Jahre vergangen.",
        "An {names} Geburtstag brannten {age} Kerzen.",
    ),
    "say_trade": (
        "{names} Beruf kennt hier jeder: {N} ist {trade}.",
        "Wer {a_trade_acc} braucht, fragt {O}.",
        "Wenn du {a_trade_acc} suchst, frag {O}.",
        "Die Arbeit ist [schwer|schön], denn {N} ist {trade}.",
        "Auf dem Schild an {names} Tür steht, dass hier {a_trade} arbeitet.",
    ),
    "say_street": (
        "{names} Haus steht in der {street}.",
        "In der {street} findest du {names} Haus.",
        "Die {street} ist die Straße, in der {N} wohnt.",
        "Briefe an {O} gehen in die {street}.",
        "{names} Adresse ist die {street}.",
    ),
    "say_pet": (
        "{names} Haustier ist {a_pet}.",
        "In {names} Haus lebt {a_pet}.",
        "{the_pet} im Hof gehört {D}.",
        "{names} {pet} [schläft am Ofen|liegt in der Sonne|ist bei allen Nachbarn bekannt|frisst viel].",
        "{own_pet} ist {D} sehr lieb, denn {name} hat {a_pet_acc} [gern|lange gesucht].",
    ),
    "say_food": (
        "{names} Lieblingsessen {food_is} {food}.",
        "Nichts schmeckt {D} besser als {food}.",
        "Sonntags gibt es bei {D} {food}.",
        "Wer {D} eine Freude machen will, bringt {food}.",
        "Am liebsten isst {N} {food}.",
    ),
    "say_colour": (
        "{names} Lieblingsfarbe ist {colour}.",
        "Die Lieblingsfarbe von {name} ist {colour}.",
        "Von allen Farben mag {N} {colour} am liebsten.",
        "{names} Mantel ist {colour_adj}, denn das ist {own_f} Lieblingsfarbe.",
        "{colour} ist die Farbe, die {N} liebt.",
    ),
    "say_hobby": (
        "{names} Hobby ist das {hobby}.",
        "Das {hobby} ist {names} liebste Beschäftigung.",
        "In der freien Zeit {hobby_v} {N} {hobby_gern}.",
        "Nach der Arbeit ist {N} beim {hobby} am glücklichsten.",
        "Niemand hat so viel Freude am {hobby} wie {N}.",
    ),
    "say_friend": (
        "{names} {best_friend} heißt {friend}.",
        "{friend} ist {names} {best_friend}.",
        "{N} und {friend} sind gute Freunde.",
        "{friend} kommt oft zu {D}, denn die beiden sind befreundet.",
        "Mit {friend} ist {N} befreundet.",
    ),
}

_STATEMENTS = {
    "one": (
        "{N} {m1}.",
        "{N} {m1}.",
        "{N} {m1}.",
        "Alle wissen, dass {N} {s1}.",
        "Man sagt, dass {N} {s1}.",
        "Es ist wahr, dass {N} {s1}.",
        "Wie du vielleicht weißt, {v1} {N} {r1}.",
        "[Damals|Zu jener Zeit] {p1v} {N} {r1}.",
        "Ich habe gehört, dass {N} {s1}.",
        "Die Nachbarn wissen, dass {N} {s1}.",
        "Soviel ich weiß, {v1} {N} {r1}.",
    ),
    "two": (
        "{N} {m1} und {m2}.",
        "{name}, {rel} {s1}, {m2}.",
        "{N} {m1}, und {she} {m2}.",
        "[Man sagt|Die Nachbarn sagen], dass {N} {s1} und {s2}.",
        "{N} {m1}. Außerdem {v2} {she} {r2}.",
        "[Damals|Zu jener Zeit] {p1v} {N} {r1} und {p2}.",
        "Alle wissen, dass {name}, {rel} {s1}, {s2}.",
        "{name} ist {the_woman}, {rel} {s1} und {s2}.",
    ),
    "three": (
        "{N} {m1}, {m2} und {m3}.",
        "{name}, {rel} {s1}, {m2} und {m3}.",
        "{N} {m1} und {m2}, und {she} {m3}.",
        "{N} {m1}. {she} {m2} und {m3}.",
        "Es war einmal {a_woman} namens {name}, {rel} {q1}, {q2} und {q3}.",
    ),
    "contrast": (
        "{name} {m1}, aber {name2} {m2}.",
        "{name} {m1}, während {name2} {s2}.",
        "{name2} {m2}. {name} dagegen {m1}.",
        "Während {name2} {s2}, {v1} {name} {r1}.",
    ),
}

FACTS = {**_SENTENCES, **_STATEMENTS}
