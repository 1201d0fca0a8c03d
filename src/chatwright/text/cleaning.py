"""Cleaning: one form for the same text, before anything is counted, compared or learned.

In: text as files hold it.  Out: text in Unicode NFC with `\\n` line ends, without control characters, mended quotes
("â€œ" to “), without Project Gutenberg's notices, and with the hard-wrapped lines of printed books joined to
paragraphs. The tokenizer changes nothing, so what is cleaned here is what a model learns and what bits per byte count.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator

__all__ = ["clean", "normal_form", "sections", "without_notices", "without_wrapping"]

# Control characters but for tab and line feed, and marks nobody sees: zero-width space, soft hyphen, byte order mark.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")
_GAP = re.compile(r"\n{3,}")
# UTF-8 read as Windows-1252: quotes and dashes begin with "â€", accented letters with "Ã". Lower-casing makes Œ to œ.
_MISREAD = re.compile("â€(?:[œŒ™˜“”¦¢\x9d]|)|Ã[\u00a0-\u00aa\u00ac-\u00ba\u00bc-\u00bf]")
_MENDED = {
    "œ": "“", "Œ": "“", "™": "’", "˜": "‘", "“": "–", "”": "—", "¦": "…", "¢": "•", "\x9d": "”", "": "”",
}  # fmt: skip
_NOTICE_START = re.compile(r"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^*]*\*\*\*[^\n]*\n", re.I | re.M)
_NOTICE_END = re.compile(
    r"^\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|^End of (?:the |this )?Project Gutenberg", re.I | re.M
)

_WIDTHS = range(50, 91)  # characters per line of texts that were wrapped by hand or by an old editor
_FULL = 0.75  # share of the width that a line has which was wrapped because the next word did not fit


def clean(text: str) -> str:
    """The one form of a text; `clean(clean(text)) == clean(text)`. Paragraphs and gaps stay, see `sections`."""
    if text.isascii():
        return _cleaned(text)
    # What is removed may bring an accent to its letter, and so on: repeat until nothing changes.
    while (cleaned := _cleaned(unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", text)))) != text:
        text = cleaned
    return text


def _cleaned(text: str) -> str:
    if "â€" in text or "Ã" in text:
        text = _MISREAD.sub(_mend, text)
    text = _LINE_END.sub("\n", text)
    text = _UNSEEN.sub("", text).replace("\u00a0", " ")
    if " \n" in text or "\t\n" in text:
        text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    return text.strip()


def _mend(found: re.Match[str]) -> str:
    misread = found.group()
    if misread.startswith("â€"):
        return _MENDED[misread[2:]]
    return chr(ord(misread[1]) + 0x40)  # bytes C3 A9 are U+00E9


def normal_form(text: str) -> str:
    """What two texts share that count as the same: letters without case, words without the spaces between them."""
    return " ".join(text.casefold().split())


def without_notices(text: str) -> str:
    """A Project Gutenberg book without the head and foot that are no part of it; any other text unchanged."""
    start = _NOTICE_START.search(text)
    text = text[start.end() :] if start else text
    end = _NOTICE_END.search(text)
    return (text[: end.start()] if end else text).strip()


def without_wrapping(text: str) -> str:
    """Join the lines of paragraphs that were wrapped at a fixed width; verse, lists and other texts stay as they are.

    A text counts as wrapped if nine of ten lines end before some width of 50 to 90 characters and most lines inside
    paragraphs nearly fill it. Within it, a paragraph is joined if all its lines but the last are that full and none is
    indented.
    """
    paragraphs = text.split("\n\n")
    inner = sorted(len(line) for paragraph in paragraphs for line in paragraph.strip("\n").split("\n")[:-1])
    if len(inner) < 3:
        return text
    width = inner[int(0.9 * (len(inner) - 1))]
    full = len(inner) - bisect_left(inner, _FULL * width)
    if width not in _WIDTHS or full < 0.6 * len(inner):
        return text
    return "\n\n".join(_joined(paragraph, _FULL * width) for paragraph in paragraphs)


def _joined(paragraph: str, full: float) -> str:
    lines = paragraph.strip("\n").split("\n")
    if any(len(line) < full for line in lines[:-1]) or any(line.startswith((" ", "\t")) for line in lines):
        return paragraph
    joined = lines[0]
    for line in lines[1:]:
        # A dash or hyphen at the end of a line stood inside a word or between two words without spaces.
        joined += line if joined.endswith("-") else " " + line
    lead = len(paragraph) - len(paragraph.lstrip("\n"))
    tail = len(paragraph) - len(paragraph.rstrip("\n"))
    return "\n" * lead + joined + "\n" * tail


def sections(text: str, limit: int) -> list[str]:
    """Cut a cleaned text into documents of at most `limit` characters, at the best places there are.

    A short text stays whole. A long one is cut before headings and after gaps of two blank lines or more; parts still
    too long are cut between paragraphs, then lines, then sentences, then words, and at last anywhere. Neighbours that
    fit together are joined, so that no title stands alone. Gaps inside a section shrink to one blank line.
    """
    pieces = [text] if len(text) <= limit else _packed(_parts(text, limit, 0), limit)
    return [_GAP.sub("\n\n", piece).strip() for piece in pieces if piece.strip()]


_CUTS = (
    re.compile(r"(?<=\n\n\n)(?!\n)|^(?=#{1,3} )", re.M),
    re.compile(r"(?<=\n\n)(?!\n)"),
    re.compile(r"(?<=\n)"),
    re.compile(r"(?<=[.!?…»”\"] )"),
    re.compile(r"(?<= )"),
)


def _parts(text: str, limit: int, level: int) -> Iterator[tuple[str, int]]:
    """Parts of at most `limit` characters, each with the level of the cut before it."""
    if level == len(_CUTS):
        for start in range(0, len(text), limit):
            yield text[start : start + limit], level
        return
    begun = level
    for part in _CUTS[level].split(text):
        if len(part) <= limit:
            if part:
                yield part, begun
        else:
            for number, (piece, inner) in enumerate(_parts(part, limit, level + 1)):
                yield piece, begun if number == 0 else inner
        begun = level


def _packed(parts: Iterator[tuple[str, int]], limit: int) -> Iterator[str]:
    """Join neighbours: chapters only while the section is still short, finer cuts as long as they fit."""
    section = ""
    for part, level in parts:
        is_chapter = level == 0
        if section and (len(section) + len(part) > limit or (is_chapter and len(section.strip()) >= limit // 20)):
            yield section
            section = ""
        section += part
    if section:
        yield section
