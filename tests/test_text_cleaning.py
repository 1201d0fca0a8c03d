import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatwright.text.cleaning import clean, normal_form, sections, without_notices, without_wrapping

BOOK = (
    "The tailor sat by the window and sewed, and he was of good cheer, for the\n"
    "sun shone upon his table, and his needle went through the cloth as if it\n"
    "were butter. Then came a woman down the street, crying that she had good-\n"
    "natured jam to sell, and cheap.\n"
)
VERSE = "  The fox went out\n  on a winter night\n  and prayed for the moon\n"

PIECES = ["a", "Ã", "©", "â€", "™", "\u0301", "\u200b", "\xad", "\r", "\n", " ", "\t", "\x00", "\u2028", "A\u0303"]
messy = some.text() | some.lists(some.sampled_from(PIECES)).map("".join)


@given(messy)
def test_cleaning_twice_changes_nothing_more(text):
    assert clean(clean(text)) == clean(text)


def test_equal_looking_texts_become_equal():
    assert clean("cafe\u0301\r\nna\u00efve  \r\n") == clean("café\nnaïve") == "café\nnaïve"
    assert clean("\ufeffone\u00a0two\x07\u200b so\u00adft\ttab\x0bline") == "one two soft\ttab\nline"
    assert clean("a\ud800b") == "a\ufffdb"
    assert clean("a\n\n\n\nb") == "a\n\n\n\nb"  # gaps tell where chapters end


def test_misread_utf8_is_mended_in_both_cases():
    original = "“Yes,” said café – it’s so…"
    misread = original.encode("utf-8").decode("cp1252", errors="ignore")
    assert clean(misread) == original
    assert clean(misread.lower().replace("Ã", "ã")).startswith("“yes,” said")
    assert clean("amanhã») and âme") == "amanhã») and âme"


def test_texts_that_differ_in_case_and_spaces_have_one_normal_form():
    assert normal_form("The  FOX\n\nran ") == normal_form("the fox ran") != normal_form("the fox runs")


def test_gutenbergs_notices_are_cut_off():
    book = (
        "The Project Gutenberg eBook of Tales\n\nTitle: Tales\n\n*** START OF THE PROJECT GUTENBERG EBOOK TALES ***\n\n"
        "Once there was a fox.\n\n*** END OF THE PROJECT GUTENBERG EBOOK TALES ***\nLicence follows."
    )
    assert without_notices(book) == "Once there was a fox."
    assert without_notices("*** A star and no notice") == "*** A star and no notice"


def test_wrapped_paragraphs_are_joined_and_verse_is_not():
    text = f"{BOOK}\n{BOOK}\n\n\n{VERSE}\n{BOOK}"
    joined = without_wrapping(text)
    assert joined.count("\n") < text.count("\n") - 8
    assert "for the sun shone upon his table" in joined
    assert "she had good-natured jam" in joined
    assert VERSE.rstrip("\n") in joined
    assert "\n\n\n" in joined
    assert joined.split() == text.replace("good-\nnatured", "good-natured").split()


UNWRAPPED = {
    "verse": VERSE * 5,
    "one paragraph per line": "One line.\n\nAnother line that is longer.\n" * 5,
    "one sentence per line": "Sentence one is here.\nSentence two.\nA third one, longer than both.\n" * 9,
}


@pytest.mark.parametrize("text", UNWRAPPED.values(), ids=UNWRAPPED)
def test_texts_that_are_not_wrapped_stay_as_they_are(text):
    assert without_wrapping(text) == text


@given(some.text(alphabet="ab.\n #", max_size=400), some.integers(1, 60))
def test_sections_are_short_enough_and_hold_every_letter_in_order(text, limit):
    found = sections(text, limit)
    assert all(0 < len(section) <= limit for section in found)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_long_texts_are_cut_before_headings_and_after_gaps():
    chapters = [f"Chapter {n}\n\n" + "A sentence of the tale. " * 20 for n in range(4)]
    assert [section[:9] for section in sections("\n\n\n\n".join(chapters), 600)] == [f"Chapter {n}" for n in range(4)]
    headed = "\n\n".join(f"## Part {n}\n\n" + "A sentence of the tale. " * 20 for n in range(4))
    assert [section[:9] for section in sections(headed, 600)] == [f"## Part {n}" for n in range(4)]
    assert sections("short\n\n\n\n\ntext", 600) == ["short\n\ntext"]


def test_a_title_stays_with_its_chapter():
    text = "THE TALES\n\n\n\nOF A FOX\n\n\n\n" + "It ran through the wood. " * 60 + "\n\n\n\nThe end."
    found = sections(text, 1000)
    assert found[0].startswith("THE TALES\n\nOF A FOX\n\nIt ran")
