"""What English prose in the village is made of: predicates, scenes, letters, markets, stories, places.

Slots: N, G, O = the person by name or pronoun (who, whose, whom); name, names, she, her, own = always so;
m1 = a predicate ("has a cat"), s1 = the same in a subordinate clause, p1 = in the past.
"""

from __future__ import annotations

from chatwright.village.speech import Predicate, Topic

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
        Predicate("never says", "never said", "no to {food}"),
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
        "{N} will soon be older than {age}, but not yet.",
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
        "{street} is where {N} lives.",
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
        "Nobody enjoys {hobby} as much as {N} [does|].",
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

_SCENES = {
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "season": ("spring", "summer", "autumn", "winter"),
    "weather": (
        "the sun [was shining|stood high]",
        "it was raining [a little|hard]",
        "a cold wind blew [from the river|over the fields]",
        "snow lay on the roofs",
        "the air was [clear|warm|fresh]",
        "there was fog over the river",
        "the first stars could be seen",
    ),
    "time": ("in the morning", "at noon", "in the afternoon", "in the evening", "before breakfast", "after work"),
    "day_opening": (
        "It was a <weekday> in <season>, and <weather>.",
        "On <weekday> <weather>.",
        "One <weekday> <time> <weather>.",
        "<weather> when the bell of {town} rang.",
        "It was early <season> in {town}.",
        "Nobody in {town} was in a hurry that <weekday>.",
    ),
    "action": (
        "{name} went {to_place} and met {name2}.",
        "{name} was standing {at_place} when {name2} came by.",
        "{name} carried {an_object_acc} {to_place}.",
        "{name} and {name2} sat {at_place} and talked.",
        "{name} had forgotten {an_object_acc} {at_place}, and {name2} brought it back.",
        "{name} was looking for {an_object_acc} and found it {at_place}.",
        "{name} showed {name2} {an_object_acc}.",
        "{name2} waved to {name} {at_place}.",
        "{name} helped {name2} to carry {an_object_acc} {to_place}.",
    ),
    "filler": (
        "They laughed and went on.",
        "A [dog|cart|child|bird] went past.",
        "The bell rang [three|four|five] times.",
        "The two of them had time.",
        "Somebody was singing behind a window.",
        "The children ran home.",
        "It smelled of [bread|hay|rain|smoke].",
        "The street was quiet.",
        "{at_place} there was nobody else.",
    ),
    "scene_end": (
        "Then they said goodbye and went home.",
        "In the evening everything was quiet again.",
        "So the day came to an end.",
        "Later they all drank tea together.",
        "That was a good day.",
        "And {name} walked home, happy and tired.",
        "Nobody forgot that day for a long time.",
        "Then it grew dark, and the lamps were lit.",
    ),
    "said": ("said {speaker}", "said {speaker}", "{speaker} said", "explained {speaker}", "added {speaker}"),
    "answered": ("said {speaker}", "answered {speaker}", "replied {speaker}", "{speaker} answered"),
    "called_out": ("said {speaker}", "{speaker} said"),
    "asked": ("asked {speaker}", "asked {speaker}", "{speaker} asked", "{speaker} wanted to know"),
    "greeting_line": (
        "Good morning, {name2}!",
        "Hello, {name2}! How are you?",
        "Good day, {name2}. Nice to see you.",
        "Good evening, {name2}!",
    ),
    "talk_opening": (
        "{name} and {name2} met {at_place} and spoke about {about}.",
        "{at_place} {name} and {name2} were talking about {about}.",
        "{name2} was new in {town} and asked {name} about {about}.",
        "One <weekday> {name} came to {name2} with many questions about {about}.",
        "Over a cup of tea {name} told {name2} about {about}.",
    ),
    "talk_end": (
        "Thank you, now I know more.",
        "That is good to know.",
        "I did not know that.",
        "How nice!",
        "You know a lot.",
        "I must remember that.",
    ),
    "letter_opening": (
        "Dear {name2},\nI am writing to you from {town}, where <weather>.",
        "Dear {name2},\nthank you for your letter. Let me tell you about the people here.",
        "My dear {name2},\nyou asked me how things are in {town}.",
        "Dear {name2},\ntoday I walked {to_place} and thought of you.",
    ),
    "letter_middle": (
        "Yesterday I met {about}.",
        "Do you remember {about}?",
        "You would like {about}.",
        "I must tell you about {about}.",
        "I often think of {about}.",
    ),
    "letter_end": (
        "Please write soon.\nYours, {name}",
        "With best wishes from {name}",
        "More next week.\nYour friend {name}",
        "Come and visit us!\n{name}",
    ),
    "market": (
        "On market day the stalls were full: there were {foods}.",
        "At one stall you could buy {objects}, at another {foods}.",
        "{name} bought {objects}.",
        "{name} wanted {objects}, but had only a few coins.",
        "The <season> market smelled of {foods}.",
        "{name2} sold {objects} and was pleased.",
        "Three children looked at the {objects} for a long time.",
        "\"How much is {the_object}?\" asked {name}. \"{number} coins,\" said {name2}.",
    ),
    "notice": (
        "Every <weekday> there is [music|dancing|a market|a long meal|story time] {at_place}.",
        "On <weekday> the people of {town} meet {at_place}.",
        "In <season> the [old|young] people of {town} [sing|play|sit together] {at_place}.",
        "Lost {at_place}: {an_object}. Please bring it to {name}.",
        "Found {at_place}: {an_object}. Ask {name}.",
    ),
    "same_trade": (
        "{names_list} have the same trade: each of them is {a_trade}.",
        "In {town} {count} people work as {a_trade}: {names_list}.",
    ),
    "same_pet": (
        "{names_list} each have {a_pet}.",
        "In {town} {count} people keep {a_pet}: {names_list}.",
    ),
    "same_food": (
        "{names_list} all like to eat {food}.",
        "In {town} {count} people love {food}: {names_list}.",
    ),
    "same_colour": (
        "{names_list} have the same favourite colour: {colour}.",
        "In {town} {count} people like {colour} best: {names_list}.",
    ),
    "same_hobby": (
        "{names_list} all enjoy {hobby}.",
        "In {town} {count} people like {hobby}: {names_list}.",
    ),
    "same_street": (
        "{names_list} are neighbours, for they all live on {street}.",
        "On {street} there live {count} people: {names_list}.",
    ),
    "food_category": ("fruits",),
    "visitor": (
        "A stranger called {stranger} came to {town}. Nobody knew {stranger}.",
        "{stranger} was not from {town}. {stranger} had come from far away.",
        "A traveller asked for {stranger}, but nobody in {town} had heard of {stranger}.",
        "The name {stranger} was not in the book of {town}.",
        "My name is {stranger}, said the traveller. Welcome, {stranger}, said {name}.",
        "For one night {stranger} slept at the inn. Then {stranger} went on.",
        "{stranger} and {stranger2} came together, and {stranger2} carried the bags.",
        "{name} wrote down the name: {stranger}.",
    ),
    "visitor_ask": (
        "Who is {stranger}?",
        "Do you know {stranger}?",
        "Where does {stranger} live?",
        "Have you seen {stranger}?",
        "What does {stranger} do?",
    ),
    "homonyms": (
        "There are two people called {first} in {town}: {full} and {full2}.",
        "If somebody asks for {first}, people ask back: do you mean {full} or {full2}?",
        "{full} and {full2} have the same first name.",
        "Do not mix up {full} and {full2}.",
        "A letter for {first} came. Is it for {full} or for {full2}? asked the postman.",
    ),
    "short_version": (
        "In short: {N} {m1}.",
        "The short version: {N} {m1}.",
        "In one sentence: {name} {m1} and {m2}.",
        "To say it in a few words: {N} {m1}.",
    ),
    "howto": ("To {task}, you do this.", "This is how to {task}.", "Here is how {name} likes to {task}.", "How to {task}:"),
    "story_opening": (
        "Once upon a time there was {hero_a} who lived near {the_place}.",
        "Long ago {hero_a} lived by {the_place}.",
        "One day {hero} went {to_place}.",
        "One <season> {hero} found {an_object_acc} {at_place}.",
        "Early in the morning {hero} set out with {an_object_acc}.",
        "It was a cold night, and {hero} could not sleep.",
    ),
    "story_event": (
        "There {hero} met a [small|lost|hungry|friendly] <creature>, and they became friends.",
        "Suddenly it began to rain, and {hero} looked for a dry place.",
        "{hero} lost {an_object_acc} and looked for it everywhere.",
        "A strong wind came and carried {an_object_acc} through the air.",
        "{hero} heard a strange sound behind a tree.",
        "{hero} climbed a hill and saw all of {town}.",
        "A little <creature> asked for help, and {hero} stayed.",
        "{hero} was hungry and shared some bread with a <creature>.",
        "On the way {hero} found an old letter under a stone.",
        "{hero} was afraid of the dark, but went on.",
    ),
    "creature": ("fox", "bird", "frog", "bear", "squirrel", "child", "traveller", "beetle", "deer"),
    "story_end": (
        "In the end {hero} came home happy.",
        "Since that day {hero} has never been alone.",
        "And so everything ended well.",
        "That night {hero} slept deeply and dreamed of the stars.",
        "From then on everybody in {town} knew the story.",
        "At last the sun came out, and {hero} laughed.",
    ),
    "animal": ("fox", "bear", "frog", "squirrel", "deer", "beetle", "bird", "swan", "badger", "wolf", "hare", "crow"),
    "hero_person": ("a {woman} called {name}",),
}

PROSE = {**_SENTENCES, **_STATEMENTS, **_SCENES}

OBJECTS = tuple(
    """lantern basket ladder bucket candle kettle mirror pillow blanket bottle spoon carpet clock ribbon drum flute
    saddle rope barrel chair table book lamp bell key cup plate stick coin button hat glove scarf umbrella wheel box map
    letter jar broom pencil feather ring""".split()
)


def _topic(place: str, at_place: str, to_place: str, keys: str, sentences: str) -> Topic:
    words = {"place": place, "the_place": place, "about": place, "at_place": at_place, "to_place": to_place}
    lines = tuple(f"{line.strip()}." for line in " ".join(sentences.split()).split(".") if line.strip())
    return Topic({**words, "place_acc": place}, tuple(keys.split()), lines)


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
        mill. The mill is more than a hundred years old. White flour lies on every step of the mill. In summer children
        swim near the mill. The mill makes flour for the whole town. An old cat guards the mill against mice.""",
    ),
    "market": _place(
        "market",
        "at",
        """The market opens every Saturday. At the market people buy apples, cheese and bread. The market is loud and
        full of colours. Old friends meet at the market. The market begins early in the morning. A man plays music at
        the market. In winter the market sells warm socks. After the market the pigeons pick up the crumbs.""",
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
        the school rings at eight. A tall tree stands behind the school. In summer the school is closed for six weeks.
        The youngest children of the school draw with chalk. Songs can be heard from the school.""",
    ),
    "church": _place(
        "church",
        "at",
        """The church stands on a small hill. The church has a high tower. On Sundays the bells of the church ring. It
        is cool and quiet in the church. Owls nest in the tower of the church. The windows of the church are blue and
        red. Couples get married in the church. The church is the oldest house in town.""",
    ),
    "river": _place(
        "river",
        "by",
        """The river flows through the town. Fish live in the river. The water of the river is cold and clear. In winter
        the river freezes. Boats carry wood down the river. Willows grow along the river. The river comes from the hills.
        Many people walk along the river in the evening.""",
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
        famous. In the evening people sing at the inn. The inn has a green door. The inn stands across from the market.
        Horses rest in the yard of the inn.""",
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
        """The park lies in the middle of the town. Ducks swim on the pond in the park. Old people sit on the benches in
        the park. The park is full of roses in June. Children play ball in the park. A band plays in the park in summer.
        The park closes when it gets dark. Tall trees give shade in the park.""",
    ),
    "harbour": _place(
        "harbour",
        "at",
        """The harbour is small but busy. Boats come to the harbour every morning. Gulls cry over the harbour. Fish is
        sold at the harbour. Nets hang to dry at the harbour. The harbour has a white lamp tower. Sailors tell stories
        at the harbour. A storm cannot reach the boats in the harbour.""",
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
        autumn people pick apples in the orchard. The orchard lies behind the church. Sheep eat grass in the orchard.
        The orchard has a low stone wall. Cider is made from the apples of the orchard.""",
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
        """Horses eat grass and hay. Horses can run fast. Horses pull heavy carts. Horses sleep standing up. Horses like
        apples. A young horse is called a foal. Horses know the way home.""",
    ),
    "winter": _thing(
        "winter",
        "winter",
        """In winter the days are short. In winter snow covers the fields. In winter people sit by the stove. Children
        build snowmen in winter. In winter many birds fly south. The river freezes in winter. In winter the nights are
        long and cold.""",
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
        bread every day. Bread tastes good with butter. Old bread is given to the ducks. Dark bread keeps longer than
        white bread.""",
    ),
}
TOPICS = {**_TOWN_PLACES, **_THINGS}
PLACES = tuple(_TOWN_PLACES)
