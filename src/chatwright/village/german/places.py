"""Places, things and objects of a town, and what is true about them, in German."""

from __future__ import annotations

from chatwright.village.speech import Topic, sentences_of, words_of

OBJECT_GENDERS = {
    **dict.fromkeys(
        words_of("""Laterne Leiter Kerze Decke Flasche Uhr Trommel Lampe Glocke Tasse Münze Kiste Landkarte Feder
            Schere Tasche Bürste Schüssel"""),
        "f",
    ),
    **dict.fromkeys(
        words_of("""Korb Eimer Kessel Spiegel Löffel Teppich Sattel Stuhl Tisch Schlüssel Teller Stock Knopf Hut
            Handschuh Schal Schirm Krug Besen Bleistift Ring Kamm"""),
        "m",
    ),
    **dict.fromkeys(words_of("Kissen Seil Fass Buch Bild"), "n"),
}


def _place(nominative: str, accusative: str, at_place: str, to_place: str, key: str, sentences: str) -> Topic:
    words = {"place": nominative, "the_place": nominative, "place_acc": accusative, "about": accusative}
    return Topic({**words, "at_place": at_place, "to_place": to_place}, tuple(key.split()), sentences_of(sentences))


def _thing(about: str, keys: str, sentences: str) -> Topic:
    words = {"place": about, "the_place": about, "place_acc": about, "about": about}
    return Topic({**words, "at_place": "dort", "to_place": "dorthin"}, tuple(keys.split()), sentences_of(sentences))


_TOWN_PLACES = {
    "Mühle": _place(
        *("die Mühle", "die Mühle", "an der Mühle", "zur Mühle", "mühle"),
        """Die Mühle steht am Fluss. Das Rad der Mühle dreht sich Tag und Nacht. Die Bauern bringen ihr Korn zur Mühle.
        Die Mühle ist mehr als hundert Jahre alt. Weißes Mehl liegt auf jeder Stufe der Mühle. Im Sommer baden
        Kinder nahe der Mühle. Die Mühle macht Mehl für die ganze Stadt. Ein alter Kater bewacht die Mühle.""",
    ),
    "Markt": _place(
        *("der Markt", "den Markt", "auf dem Markt", "zum Markt", "markt"),
        """Der Markt öffnet jeden Samstag. Auf dem Markt gibt es Äpfel, Käse und Brot. Der Markt ist laut und bunt.
        Alte Bekannte treffen sich auf dem Markt. Der Markt beginnt früh am Morgen. Ein Mann macht Musik auf dem
        Markt. Im Winter gibt es auf dem Markt warme Socken. Nach dem Markt kommen die Tauben.""",
    ),
    "Brücke": _place(
        *("die Brücke", "die Brücke", "auf der Brücke", "zur Brücke", "brücke"),
        """Die Brücke führt über den Fluss. Die Brücke ist aus altem Stein. Von der Brücke kann man die Mühle sehen.
        Kinder werfen kleine Zweige von der Brücke. Die Brücke hat drei Bögen. Wagen rollen langsam über die Brücke.
        Am Abend treffen sich Verliebte auf der Brücke. Nach dem Regen reicht das Wasser fast an die Brücke.""",
    ),
    "Schule": _place(
        *("die Schule", "die Schule", "in der Schule", "zur Schule", "schule"),
        """Die Schule hat zwei große Räume. In der Schule lernen Kinder das Alphabet. Die Schule hat ein steiles Dach.
        Die Glocke der Schule läutet um acht. Ein hoher Baum steht hinter der Schule. Im Sommer ist die Schule sechs
        Wochen lang geschlossen. Die Kleinsten schreiben in der Schule mit Kreide. Aus der Schule hört man Lieder.""",
    ),
    "Kirche": _place(
        *("die Kirche", "die Kirche", "in der Kirche", "zur Kirche", "kirche"),
        """Die Kirche steht auf einem kleinen Hügel. Die Kirche hat einen hohen Turm. Am Sonntag läuten die Glocken der
        Kirche. In der Kirche ist es kühl und still. Im Turm der Kirche nisten Vögel. Die Fenster der Kirche sind
        bunt. In der Kirche heiraten die Paare. Die Kirche ist das älteste Haus der Stadt.""",
    ),
    "Fluss": _place(
        *("der Fluss", "den Fluss", "am Fluss", "zum Fluss", "fluss"),
        """Der Fluss fließt durch die Stadt. Im Fluss leben Fische. Das Wasser im Fluss ist kalt und klar. Im Winter
        friert der Fluss zu. Boote bringen Holz den Fluss hinab. Am Fluss wachsen Weiden. Der Fluss kommt aus den
        Bergen. Am Abend gehen viele Leute am Fluss entlang.""",
    ),
    "Wald": _place(
        *("der Wald", "den Wald", "im Wald", "in den Wald", "wald"),
        """Der Wald beginnt hinter den letzten Häusern. Im Wald wachsen hohe Bäume. Rehe und Füchse leben im Wald. Im
        Herbst findet man im Wald Pilze. Der Wald ist dunkel und still. Ein schmaler Weg führt durch den Wald.
        Nachts hört man im Wald seltsame Rufe. Der Wald riecht nach Moos.""",
    ),
    "Gasthof": _place(
        *("der Gasthof", "den Gasthof", "im Gasthof", "zum Gasthof", "gasthof"),
        """Der Gasthof hat zwölf Betten. Im Gasthof schlafen Reisende. Im Gasthof brennt ein großes Feuer. Die Küche im
        Gasthof ist berühmt. Am Abend klingen im Gasthof Lieder. Der Gasthof hat eine breite Tür. Der Gasthof steht
        gegenüber vom Markt. Im Hof vom Gasthof ruhen die Pferde.""",
    ),
    "Bücherei": _place(
        *("die Bücherei", "die Bücherei", "in der Bücherei", "zur Bücherei", "bücherei"),
        """Die Bücherei ist voller alter Bücher. In der Bücherei ist es still. In die Bücherei darf jeder kommen. Die
        Bücherei öffnet um neun. Ein alter Kater schläft in der Bücherei. Die Bücherei hat Karten vom ganzen Land.
        In der Bücherei hören Kinder Märchen. Die Bücherei verleiht Bücher für drei Wochen.""",
    ),
    "Bahnhof": _place(
        *("der Bahnhof", "den Bahnhof", "am Bahnhof", "zum Bahnhof", "bahnhof"),
        """Der Bahnhof liegt am Rand der Stadt. Am Bahnhof halten jeden Tag zwei Züge. Reisende warten am Bahnhof. Der
        Bahnhof hat eine große Uhr. Vor dem Bahnhof wachsen Blumen. Der Bahnhof ist aus Ziegeln gebaut. Am Bahnhof
        kann man Fahrkarten kaufen. Nachts ist der Bahnhof leer.""",
    ),
    "Park": _place(
        *("der Park", "den Park", "im Park", "in den Park", "park"),
        """Der Park liegt mitten in der Stadt. Auf dem Teich im Park schwimmen Schwäne. Alte Leute sitzen im Park auf
        den Bänken. Im Juni ist der Park voller Rosen. Kinder spielen im Park Ball. Im Sommer gibt es im Park Musik.
        Der Park schließt, wenn es dunkel wird. Hohe Bäume geben im Park Schatten.""",
    ),
    "Hafen": _place(
        *("der Hafen", "den Hafen", "am Hafen", "zum Hafen", "hafen"),
        """Der Hafen ist klein, aber voller Leben. Jeden Morgen kommen Boote in den Hafen. Möwen schreien über dem
        Hafen. Am Hafen verkauft man Fisch. Am Hafen trocknen die Netze. Der Hafen hat einen hohen Turm mit einem
        Licht. Am Hafen erzählen Seeleute Geschichten. Kein Sturm erreicht die Boote im Hafen.""",
    ),
    "Burg": _place(
        *("die Burg", "die Burg", "auf der Burg", "zur Burg", "burg"),
        """Die Burg steht über der Stadt. Die Burg hat dicke Mauern. Auf der Burg wohnt heute niemand mehr. Von der
        Burg sieht man weit über das Land. In der Burg schlafen Fledermäuse. Ein König baute vor langer Zeit die
        Burg. Die Burg hat einen tiefen Brunnen. Kinder spielen oft auf der Burg.""",
    ),
    "Obstgarten": _place(
        *("der Obstgarten", "den Obstgarten", "im Obstgarten", "in den Obstgarten", "obstgarten"),
        """Der Obstgarten ist voller Apfelbäume. Im Frühling blüht der ganze Obstgarten. Bienen summen im Obstgarten.
        Im Herbst pflückt man im Obstgarten Äpfel. Der Obstgarten liegt hinter der Kirche. Im Obstgarten grasen
        Schafe. Der Obstgarten hat eine niedrige Mauer. Aus den Äpfeln vom Obstgarten macht man Most.""",
    ),
}
_THINGS = {
    "Katzen": _thing(
        "Katzen",
        "katzen katze",
        """Katzen schlafen viele Stunden am Tag. Katzen fangen Mäuse. Katzen sehen im Dunkeln gut. Katzen mögen warme
        Plätze. Katzen putzen sich mit der Zunge. Die meisten Katzen mögen kein Wasser. Katzen gehen sehr leise.""",
    ),
    "Bienen": _thing(
        "Bienen",
        "bienen biene",
        """Bienen machen Honig. Bienen leben zusammen in einem Stock. Bienen fliegen von Blüte zu Blüte. Bienen haben
        einen Stachel. Jedes Volk der Bienen hat eine Königin. Im Winter bleiben Bienen dicht zusammen. Bienen
        zeigen einander den Weg.""",
    ),
    "Eulen": _thing(
        "Eulen",
        "eulen eule",
        """Eulen jagen in der Nacht. Eulen haben große Augen. Eulen fliegen ohne ein Geräusch. Eulen können den Kopf
        sehr weit drehen. Eulen fressen Mäuse. Eulen schlafen am Tag. Eulen wohnen in alten Türmen.""",
    ),
    "Pferde": _thing(
        "Pferde",
        "pferde pferd",
        """Pferde fressen Gras und Heu. Pferde laufen schnell. Pferde ziehen schwere Wagen. Pferde schlafen im Stehen.
        Pferde mögen Äpfel. Ein junges Pferd heißt Fohlen. Pferde finden den Weg nach Hause.""",
    ),
    "Winter": _thing(
        "den Winter",
        "winter",
        """Im Winter sind die Tage kurz. Im Winter liegt Schnee auf den Feldern. Im Winter sitzen die Leute am Ofen. Im
        Winter bauen Kinder Schneemänner. Im Winter ziehen viele Vögel in den Süden. Im Winter friert der Fluss zu.
        Im Winter sind die Nächte lang und kalt.""",
    ),
    "Sommer": _thing(
        "den Sommer",
        "sommer",
        """Im Sommer sind die Tage lang. Im Sommer baden die Leute im Fluss. Im Sommer wird das Korn reif. Im Sommer
        sind alle draußen. Im Sommer gibt es Kirschen. Im Sommer ist es auch nachts warm. Im Sommer haben die Bienen
        viel zu tun.""",
    ),
    "Regen": _thing(
        "den Regen",
        "regen",
        """Der Regen kommt aus dunklen Wolken. Der Regen ist gut für die Gärten. Der Regen füllt die Brunnen. Nach dem
        Regen springen Kinder in die Pfützen. Der Regen macht die Wege weich. Nach dem Regen sieht man manchmal
        einen Regenbogen. Im Regen quaken die Frösche.""",
    ),
    "Brot": _thing(
        "das Brot",
        "brot",
        """Brot besteht aus Mehl, Wasser und Salz. Brot kommt aus dem heißen Ofen. Frisches Brot riecht gut. Die Leute
        essen jeden Tag Brot. Brot schmeckt gut mit Butter. Altes Brot bekommen die Schwäne. Dunkles Brot hält
        länger als helles Brot.""",
    ),
}
TOPICS = {**_TOWN_PLACES, **_THINGS}
PLACES = tuple(_TOWN_PLACES)
