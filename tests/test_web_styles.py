"""The pages' style sheets, read as text."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "web" / "src"
WHOLE = re.compile(r"\.([\w-]+)")  # a class that is given a look of its own, not a variant of one or something within


def test_no_class_has_two_meanings_for_sheets_stay_loaded_when_people_go_on_to_another_page() -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for sheet in SOURCES.rglob("*.css"):
        page = sheet.parent.name if sheet.parent.parent.name == "pages" else "shared"
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
        for selectors in re.findall(r"([^{}]+)\{", text):
            for selector in selectors.split(","):
                if found := WHOLE.fullmatch(selector.strip()):
                    owners[found[1]].add(page)
    assert len(owners) > 200, "the sheets were found"
    assert {name: pages for name, pages in owners.items() if len(pages) > 1} == {}
