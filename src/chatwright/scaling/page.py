"""Tables for the terminal: aligned plain text, or the same with headings in bold where someone is looking.

In: sections of rows.  Out: text of at most about 100 columns.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Section", "plain", "show"]

WIDEST = 98


@dataclass(frozen=True)
class Section:
    """A heading, a table and remarks. Columns that begin with a number in most rows are aligned at the right."""

    title: str
    rows: Sequence[Sequence[str]] = ()
    columns: Sequence[str] = ()
    notes: Sequence[str] = ()
    left: frozenset[int] = frozenset({0})
    """Columns aligned at the left; the last one is never padded."""


def plain(sections: Sequence[Section]) -> str:
    """All sections as text, an empty line between them."""
    return "\n\n".join("\n".join(_lines(section)) for section in sections)


def show(sections: Sequence[Section]) -> None:
    """Print: with bold headings on a terminal, as plain text elsewhere."""
    if not sys.stdout.isatty():
        print(plain(sections))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for number, section in enumerate(sections):
        title, *lines = _lines(section)
        head = 1 if section.columns else 0
        text = Text("\n" * (number > 0))
        text.append(title + "\n", style="bold cyan")
        for place, line in enumerate(lines):
            style = "dim" if place < head or place >= head + len(section.rows) else ""
            text.append(line + "\n", style=style)
        console.print(text, end="")


def _lines(section: Section) -> list[str]:
    table = ([section.columns] if section.columns else []) + list(section.rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [section.title]
    for row in table:
        cells = [
            cell.ljust(width) if place in section.left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(("  " + "  ".join(cells)).rstrip())
    for note in section.notes:
        lines += textwrap.wrap(note, WIDEST, initial_indent="  ", subsequent_indent="    ")
    return lines
