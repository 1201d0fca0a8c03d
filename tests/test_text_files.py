"""What can be opened, what each kind of file holds, and what a bad one says."""

import gzip
import io
import json
import lzma
import tarfile

import pyarrow
import pyarrow.parquet
import pytest

from chatwright.errors import ConfigError, InputError
from chatwright.text import documents, files
from chatwright.text.documents import Source, read_documents, sources_of
from chatwright.text.files import files_of

TEXTS = ["The first fox, ü.", 'A second: "quoted", and\na line.', "The third; it has\ttabs."]


def parquet_of(texts):
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"id": list(range(len(texts))), "text": texts}), buffer)
    return buffer.getvalue()


def csv_of(texts, separator=","):
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    return ("id" + separator + "text\n" + "".join(f"{n}{separator}{text}\n" for n, text in enumerate(quoted))).encode()


CONTENTS = {
    ".txt": "\n<|endoftext|>\n".join(TEXTS).encode(),
    ".md": "<|endoftext|>".join(TEXTS).encode(),
    ".jsonl": "".join(json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(TEXTS)).encode(),
    ".json": json.dumps([{"text": text} for text in TEXTS], indent=1).encode(),
    ".csv": csv_of(TEXTS),
    ".parquet": parquet_of(TEXTS),
    ".yml": json.dumps(TEXTS).encode(),
    ".tsv": ("id\ttext\n" + "".join(f"{n}\t{text}\n" for n, text in enumerate(TEXTS) if "\n" not in text)).encode(),
}
CONTENTS[".tsv"] = (
    "text\tid\n" + "".join(f"{text}\t{n}\n" for n, text in enumerate(["one", '"two"', 'th"ree']))
).encode()


def texts_in(path, **reading):
    return [document.text for document in read_documents(Source(path=str(path), **reading))]


def places_in(path, **reading):
    return [document.where for document in read_documents(Source(path=str(path), **reading))]


@pytest.mark.parametrize("packing", ["", ".gz", ".xz"])
@pytest.mark.parametrize("ending", CONTENTS)
def test_every_kind_of_file_is_read_plain_and_packed(ending, packing, tmp_path):
    pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[packing]
    path = tmp_path / f"texts{ending}{packing}"
    path.write_bytes(pack(CONTENTS[ending]))
    expected = ["one", "two", 'th"ree'] if ending == ".tsv" else TEXTS
    assert [text.strip() for text in texts_in(path)] == expected
    assert texts_in(tmp_path) == texts_in(path)


def archive_of(path, mode, members):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(("ending", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.xz", "w:xz")])
def test_archives_are_read_member_by_member_with_their_names_and_without_what_is_no_text(ending, mode, tmp_path):
    members = {
        "./books/one.txt": b"The first book.",
        "books/two.jsonl.gz": gzip.compress(b'{"text": "The second."}\n'),
        "../../escape.txt": b"Paths can do no harm.",
        "SOURCE.md": b"about", "README.txt": b"about", "books/LICENSE.txt": b"law", ".hidden.txt": b"no",
        "__MACOSX/one.txt": b"no", "picture.png": b"\x89PNG", "empty.txt": b"",
    }  # fmt: skip
    path = tmp_path / f"books.{ending}"
    archive_of(path, mode, members)
    assert texts_in(path) == ["The first book.", "The second.", "Paths can do no harm."]
    assert places_in(path)[:2] == [f"{path}:books/one.txt:1", f"{path}:books/two.jsonl.gz:1"]
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_folder_is_read_sorted_with_its_subfolders_and_without_what_is_about_it(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/two.txt", "a.txt", "SOURCE.md", "Readme.txt", "LICENCE.md", "picture.png", ".hidden.txt"):
        (tmp_path / name).write_text(f"text of {name}")
    assert texts_in(tmp_path) == ["text of a.txt", "text of b/two.txt"]
    assert texts_in(tmp_path / "SOURCE.md") == ["text of SOURCE.md"]  # named, so meant


def test_patterns_match_files_and_names_with_brackets_are_names(tmp_path, monkeypatch):
    for name in ("a1.txt", "a2.txt", "b.txt", "c[1].txt"):
        (tmp_path / name).write_text(name)
    assert texts_in(tmp_path / "a*.txt") == ["a1.txt", "a2.txt"]
    assert texts_in(tmp_path / "c[1].txt") == ["c[1].txt"]
    monkeypatch.chdir(tmp_path)
    assert texts_in("a?.txt") == ["a1.txt", "a2.txt"]
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert texts_in("../a*.txt") == ["a1.txt", "a2.txt"]
    monkeypatch.chdir(tmp_path)
    assert texts_in("**/a*.txt") == ["a1.txt", "a2.txt"]


def test_plain_texts_are_split_where_the_source_says(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\n\r\ntwo\r\nlines\r\n\r\n\r\n--\r\nthree")
    assert texts_in(path) == ["one\n\ntwo\nlines\n\n\n--\nthree"]
    assert texts_in(path, format="lines") == ["one", "two", "lines", "--", "three"]
    assert texts_in(path, format="paragraphs") == ["one", "two\nlines", "--\nthree"]
    assert places_in(path, format="paragraphs") == [f"{path}:1", f"{path}:3", f"{path}:7"]
    assert texts_in(path, separator=r"\n+--\n") == ["one\n\ntwo\nlines", "three"]


def test_pieces_of_a_very_long_text_are_cut_between_documents_and_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "_READ_AT_ONCE", 100)
    path = tmp_path / "a.txt"
    marked = [f"Document {n} of many, ü.\n\nIts end." for n in range(50)]
    path.write_text("<|endoftext|>".join(marked), encoding="utf-8")
    assert texts_in(path) == marked
    lines = "".join(f"line {n}: für dich\n" + "\n" * (n % 7 == 0) for n in range(200))
    path.write_text(lines, encoding="utf-8")
    found = list(read_documents(Source(path=str(path))))
    assert "".join(document.text for document in found) == lines
    assert len(found) > 10
    assert {document.book for document in found} == {str(path)}
    last = found[-1]
    assert int(last.where.rpartition(":")[2]) == lines[: -len(last.text)].count("\n") + 1


def test_columns_are_found_by_name_chosen_or_numbered(tmp_path):
    table = tmp_path / "a.tsv"
    table.write_text("1\tone\n2\ttwo\n")
    assert texts_in(table, column=2) == ["one", "two"]
    records = tmp_path / "b.jsonl"
    records.write_text('{"story": "a", "title": "b"}\n"just text"\n')
    assert texts_in(records) == ["a", "just text"]
    records.write_text('{"story": "a", "title": "b"}\n')
    assert texts_in(records, column="title") == ["b"]
    with pytest.raises(InputError, match=r"b\.jsonl:1: there is no column 'name'; there are story, title"):
        texts_in(records, column="name")


def test_json_may_hold_its_list_inside_or_be_jsonl_under_the_wrong_ending(tmp_path):
    path = tmp_path / "a.json"
    for content in ('{"data": [{"text": "a"}, {"text": "b"}]}', '{"text": "a"}\n{"text": "b"}\n',
                    '{"x": {"text": "a"}, "y": {"text": "b"}}', '["a", "b"]'):  # fmt: skip
        path.write_text(content)
        assert texts_in(path) == ["a", "b"]


def test_tables_keep_quoted_line_ends_semicolons_and_short_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbftext;id\r\n"a;\r\nb";1\r\nc\r\n')
    assert texts_in(path) == ["a;\r\nb", "c"]
    assert places_in(path) == [f"{path}:2", f"{path}:4"]


def test_a_byte_order_mark_is_no_text(tmp_path):
    for name, content in (("a.txt", b"\xef\xbb\xbfone"), ("a.jsonl", b'\xef\xbb\xbf{"text": "one"}\n')):
        (tmp_path / name).write_bytes(content)
        assert texts_in(tmp_path / name) == ["one"]


BAD = {
    "missing.txt": (None, "does not exist"),
    "picture.png": (b"\x89PNG", r"ending cannot be read; known are \.txt"),
    "empty.txt": (b"", "holds no text"),
    "blank.txt": (b" \n\n ", "holds no text"),
    "blank.jsonl": (b"\n\n", "holds no text"),
    "latin.txt": ("eins\nzwei\nfür".encode("latin-1"), r"latin\.txt:3: not UTF-8 \(byte 0xfc at offset 11\)"),
    "latin.jsonl": ('{"text": "a"}\n{"text": "ü"}'.encode("latin-1"), r"latin\.jsonl:2: not UTF-8 .*offset 24\)"),
    "latin.csv": ("text\na\nü".encode("latin-1"), r"latin\.csv:3: not UTF-8 \(byte 0xfc at offset 7\)"),
    "wide.txt": ("text".encode("utf-16"), "UTF-16"),
    "binary.txt": (b"text\0text", "zero byte at offset 4"),
    "torn.jsonl": (b'{"text": "a"}\n{"text": "b', r"torn\.jsonl:2: torn or invalid JSON"),
    "nan.jsonl": (b'{"text": "a", "x": NaN}', r"nan\.jsonl:1: NaN is no number"),
    "deep.jsonl": (b"[" * 100_000, r"deep\.jsonl:1: "),
    "number.jsonl": (b'{"text": 3}', r"number\.jsonl:1: column 'text' holds int"),
    "null.jsonl": (b'{"text": null}', r"null\.jsonl:1: column 'text' holds nothing"),
    "list.jsonl": (b"[1, 2]", r"list\.jsonl:1: expected text or an object"),
    "column.jsonl": (b'{"name": "a"}', r"column\.jsonl:1: no column is called text.* there are name"),
    "talk.jsonl": (b'{"messages": []}', "look like conversations"),
    "torn.json": (b'[{"text": "a"},\n {"text"', r"torn\.json:2: torn or invalid JSON"),
    "single.json": (b"3", "expected a list of records"),
    "wide.csv": (b"text,id\na,1\nb,2,3\n", r"wide\.csv:3: 3 cells, but there are 2 columns"),
    "quote.csv": (b'text,id\na,1\n"b,2\n', r"quote\.csv:3: not a valid CSV row"),
    "wide.tsv": (b"text\tid\na\t1\t2\n", r"wide\.tsv:2: 3 cells"),
    "bad.parquet": (b"PAR1 and not more", "no Parquet file"),
    "torn.parquet": (parquet_of(TEXTS)[:-30], "no Parquet file"),
    "bad.yml": (b"a: [1,\nb: {", r"bad\.yml:\d+: not valid YAML"),
    "bad.txt.gz": (b"not packed", r"bad\.txt\.gz is damaged or cut off"),
    "torn.txt.gz": (gzip.compress(b"text " * 9999)[:-20], r"torn\.txt\.gz is damaged or cut off"),
    "bad.txt.xz": (b"not packed", r"bad\.txt\.xz is damaged or cut off"),
    "torn.jsonl.xz": (lzma.compress(b'{"text": "a"}\n' * 999)[:-20], "is damaged or cut off"),
    "flipped.txt.xz": (bytes(b ^ (n == 60) for n, b in enumerate(lzma.compress(bytes(range(65, 91)) * 50))), "damaged"),
    "bad.tar.xz": (lzma.compress(b"no archive" * 100), "no archive"),
    "torn.tar.xz": (b"\xfd7zXZ\0", "damaged or cut off"),
    "none.tar": (b"\0" * 10240, "holds no file that can be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_ends_in_one_sentence_that_names_it(name, tmp_path):
    content, says = BAD[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        texts_in(tmp_path / name)
    message = str(caught.value)
    assert str(tmp_path / name) in message
    assert "\n" not in message


def test_a_bad_line_inside_an_archive_is_named_with_archive_member_and_line(tmp_path):
    path = tmp_path / "a.tar.xz"
    archive_of(path, "w:xz", {"good.txt": b"fine", "bad.jsonl": b'{"text": "a"}\n{"tex'})
    with pytest.raises(InputError) as caught:
        texts_in(path)
    assert str(caught.value).startswith(f"{path}:bad.jsonl:2: torn")


def test_folders_and_patterns_without_texts_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no file that can be read"):
        files_of(tmp_path)
    with pytest.raises(InputError, match="no file matches this pattern"):
        files_of(tmp_path / "*.txt")


def test_a_whole_read_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_LARGEST_AT_ONCE", 100)
    path = tmp_path / "a.json.xz"
    path.write_bytes(lzma.compress(b" " * 10_000))
    with pytest.raises(InputError, match="is larger than"):
        texts_in(path)
    path = tmp_path / "a.jsonl"
    path.write_text('"' + "x" * 200 + '"')
    with pytest.raises(InputError, match="has a line of more than"):
        texts_in(path)


def test_sources_are_paths_or_tables_and_bad_ones_are_refused():
    table = {"path": "b", "weight": 2.5, "column": "story"}
    assert sources_of(["a", table]) == (Source(path="a"), Source(path="b", weight=2.5, column="story"))
    assert sources_of("a") == sources_of([Source(path="a")]) == (Source(path="a"),)
    for wrong in ([], 3, [{"weight": 2}], [{"path": "a", "wieght": 2}]):
        with pytest.raises(ConfigError):
            sources_of(wrong)
    for setting in ({"weight": 0}, {"weight": float("nan")}, {"format": "pages"}, {"separator": "("},
                    {"format": "lines", "separator": "a"}):  # fmt: skip
        with pytest.raises(ConfigError, match="of a|a has"):
            Source(path="a", **setting)
