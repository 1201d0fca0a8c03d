"""Places, things and objects of a town, and what is true about them, in English."""

from __future__ import annotations

from chatwright.village.speech import Topic, sentences_of, words_of

OBJECTS = tuple(
    words_of("""lantern basket ladder bucket candle kettle mirror pillow blanket bottle spoon carpet clock ribbon
        drum flute saddle rope barrel chair table book lamp bell key cup plate stick coin button hat glove
        scarf umbrella wheel box map letter jar broom pencil feather ring""")
)


def _topic(place: str, at_place: str, to_place: str, keys: str, sentences: str) -> Topic:
    words = {"place": place, "the_place": place, "about": place, "at_place": at_place, "to_place": to_place}
    return Topic({**words, "place_acc": place}, tuple(keys.split()), sentences_of(sentences))


def _place(name: str, preposition: str, sentences: str) -> Topic:
    the = f"the {name}"
    return _topic(the, f"{preposition} {the}", f"to {the}", name, sentences)


def _thing(name: str, keys: str, sentences: str) -> Topic:
    return _topic(name, f"among {name}", f"to {name}", keys, sentences)


_TOWN_PLACES = {
    "mill": _place(
        "mill",
        "at",
        """The mill stands by the river. The wheel of the mill turns day and night. Farmers bring their corn to the
        mill. The mill is more than a hundred years old. White flour lies on every step of the mill. In summer
        children swim near the mill. The mill makes flour for the whole town. An old cat guards the mill against
        mice.""",
    ),
    "market": _place(
        "market",
        "at",
        """The market opens every Saturday. At the market people buy apples, cheese and bread. The market is loud and
        full of colours. Old friends meet at the market. The market begins early in the morning. A man plays music
        at the market. In winter the market sells warm socks. After the market the pigeons pick up the crumbs.""",
    ),
    "bridge": _place(
        "bridge",
        "on",
        """The bridge crosses the river. The bridge is made of grey stone. From the bridge you can see the mill.
        Children throw small sticks from the bridge. The bridge has three arches. Carts roll slowly over the bridge.
        Lovers meet on the bridge in the evening. After heavy rain the water almost touches the bridge.""",
    ),
    "school": _place(
        "school",
        "at",
        """The school has two large rooms. Children learn to read at the school. The school has a red roof. The bell of
        the school rings at eight. A tall tree stands behind the school. In summer the school is closed for six
        weeks. The youngest children of the school draw with chalk. Songs can be heard from the school.""",
    ),
    "church": _place(
        "church",
        "at",
        """The church stands on a small hill. The church has a high tower. On Sundays the bells of the church ring. It
        is cool and quiet in the church. Owls nest in the tower of the church. The windows of the church are blue
        and red. Couples get married in the church. The church is the oldest house in town.""",
    ),
    "river": _place(
        "river",
        "by",
        """The river flows through the town. Fish live in the river. The water of the river is cold and clear. In
        winter the river freezes. Boats carry wood down the river. Willows grow along the river. The river comes
        from the hills. Many people walk along the river in the evening.""",
    ),
    "forest": _place(
        "forest",
        "in",
        """The forest begins behind the last houses. Tall trees grow in the forest. Deer and foxes live in the forest.
        In autumn people look for mushrooms in the forest. The forest is dark and quiet. A narrow path leads through
        the forest. Owls can be heard in the forest at night. The forest smells of moss.""",
    ),
    "inn": _place(
        "inn",
        "at",
        """The inn has twelve beds. Travellers sleep at the inn. A big fire burns at the inn. The soup at the inn is
        famous. In the evening people sing at the inn. The inn has a green door. The inn stands across from the
        market. Horses rest in the yard of the inn.""",
    ),
    "library": _place(
        "library",
        "in",
        """The library is full of old books. It is quiet in the library. Anybody may read in the library. The library
        opens at nine. A grey cat sleeps in the library. The library has maps of the whole country. Children hear
        stories at the library. The library lends books for three weeks.""",
    ),
    "station": _place(
        "station",
        "at",
        """The station lies at the edge of the town. Two trains stop at the station every day. Travellers wait at the
        station. The station has a big clock. Flowers grow in front of the station. The station was built of red
        bricks. You can buy tickets at the station. At night the station is empty.""",
    ),
    "park": _place(
        "park",
        "in",
        """The park lies in the middle of the town. Ducks swim on the pond in the park. Old people sit on the benches
        in the park. The park is full of roses in June. Children play ball in the park. A band plays in the park in
        summer. The park closes when it gets dark. Tall trees give shade in the park.""",
    ),
    "harbour": _place(
        "harbour",
        "at",
        """The harbour is small but busy. Boats come to the harbour every morning. Gulls cry over the harbour. Fish is
        sold at the harbour. Nets hang to dry at the harbour. The harbour has a white lamp tower. Sailors tell
        stories at the harbour. A storm cannot reach the boats in the harbour.""",
    ),
    "castle": _place(
        "castle",
        "at",
        """The castle stands above the town. The castle has thick walls. Nobody lives in the castle any more. From the
        castle you can see far over the land. Bats sleep in the castle. A king built the castle long ago. The castle
        has a deep well. Children like to play at the castle.""",
    ),
    "orchard": _place(
        "orchard",
        "in",
        """The orchard is full of apple trees. In spring the orchard is white with blossom. Bees hum in the orchard. In
        autumn people pick apples in the orchard. The orchard lies behind the church. Sheep eat grass in the
        orchard. The orchard has a low stone wall. Cider is made from the apples of the orchard.""",
    ),
}
_THINGS = {
    "cats": _thing(
        "cats",
        "cats cat",
        """Cats sleep many hours a day. Cats catch mice. Cats can see well in the dark. Cats like warm places. Cats
        wash themselves with their tongues. Most cats do not like water. Cats walk very quietly.""",
    ),
    "bees": _thing(
        "bees",
        "bees bee",
        """Bees make honey. Bees live together in a hive. Bees fly from flower to flower. Bees have a sting. Every hive
        of bees has a queen. In winter bees stay close together. Bees dance to show the way.""",
    ),
    "owls": _thing(
        "owls",
        "owls owl",
        """Owls hunt at night. Owls have large eyes. Owls fly without a sound. Owls can turn their heads very far. Owls
        eat mice. Owls sleep during the day. Owls live in old towers.""",
    ),
    "horses": _thing(
        "horses",
        "horses horse",
        """Horses eat grass and hay. Horses can run fast. Horses pull heavy carts. Horses sleep standing up. Horses
        like apples. A young horse is called a foal. Horses know the way home.""",
    ),
    "winter": _thing(
        "winter",
        "winter",
        """In winter the days are short. In winter snow covers the fields. In winter people sit by the stove. Children
        build snowmen in winter. In winter many birds fly south. The river freezes in winter. In winter the nights
        are long and cold.""",
    ),
    "summer": _thing(
        "summer",
        "summer",
        """In summer the days are long. In summer people swim in the river. In summer the corn turns yellow. In summer
        everybody is outside. In summer the cherries are ripe. In summer it is warm even at night. Bees are busy in
        summer.""",
    ),
    "rain": _thing(
        "rain",
        "rain",
        """Rain comes from dark clouds. Rain is good for the gardens. Rain fills the wells. Children like to jump in
        puddles after the rain. Rain makes the roads muddy. After the rain you may see a rainbow. Ducks like the
        rain.""",
    ),
    "bread": _thing(
        "bread",
        "bread",
        """Bread is made of flour, water and salt. Bread is baked in a hot oven. Fresh bread smells good. People eat
        bread every day. Bread tastes good with butter. Old bread is given to the ducks. Dark bread keeps longer
        than white bread.""",
    ),
}
TOPICS = {**_TOWN_PLACES, **_THINGS}
PLACES = tuple(_TOWN_PLACES)
