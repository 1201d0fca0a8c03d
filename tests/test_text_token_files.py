import json
from pathlib import Path

import numpy as np
import pytest

from chatwright.errors import ArtefactError, InputError
from chatwright.text.handover import with_chat
from chatwright.text.published import read_tokenizer
from chatwright.text.token_files import PARTS, TokenFile, TokenWriter, are_ids_of, require_ids_of
from chatwright.text.tokenizer import Tokenizer
from published_tokenizers import write_style

TEXTS = ["The first fox.", "A second, für dich.", "", "The last."]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(TEXTS * 5, 300)


def write(folder, tokenizer, **parts):
    with TokenWriter(folder, tokenizer) as writer:
        for part, texts in parts.items():
            for text in texts:
                writer.add(part, tokenizer.encode(text))
        writer.note(sources=[])


def test_documents_come_back_between_their_control_tokens(tmp_path, tokenizer):
    write(tmp_path, tokenizer, train=TEXTS, validation=TEXTS[:1])
    train = TokenFile.open(tmp_path, "train")
    assert train.documents == 4
    assert [train.document(index) for index in range(4)] == [
        [tokenizer.begin, *tokenizer.encode(text), tokenizer.end] for text in TEXTS
    ]
    assert list(train.texts(tokenizer)) == TEXTS
    assert train.text_bytes == sum(len(text.encode()) for text in TEXTS)
    assert (train.tokens.dtype, train.bounds.dtype) == (np.uint16, np.int64)
    assert not train.tokens.flags.writeable
    assert train.vocabulary == tokenizer.size
    assert list(TokenFile.open(tmp_path, "validation").texts(tokenizer)) == TEXTS[:1]


def test_an_empty_part_opens_as_empty(tmp_path, tokenizer):
    write(tmp_path, tokenizer, train=TEXTS)
    test = TokenFile.open(tmp_path, "test")
    assert (test.documents, len(test.tokens), test.text_bytes, list(test.bounds)) == (0, 0, 0, [0])


def test_a_writer_that_fails_leaves_nothing_behind(tmp_path, tokenizer):
    with pytest.raises(RuntimeError, match="broke off"), TokenWriter(tmp_path, tokenizer) as writer:
        writer.add("train", [7])
        raise RuntimeError("broke off")
    assert list(tmp_path.iterdir()) == []


def test_nothing_temporary_is_left_beside_the_files(tmp_path, tokenizer):
    write(tmp_path, tokenizer, train=TEXTS)
    expected = [f"{part}.{ending}" for part in PARTS for ending in ("bin", "index")] + ["tokens.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(expected)


def test_ids_are_those_of_the_tokenizer_that_wrote_them_and_of_what_it_grew_into(tmp_path, tokenizer):
    published = read_tokenizer(write_style(tmp_path / "base", "llama2-first", chat_template=None))
    for name, own in (("own", tokenizer), ("published", published)):
        write(tmp_path / name, own, train=TEXTS)
        own.save(tmp_path / name)
    chatting, new = with_chat(published)
    chatting.save(tmp_path / "grown")
    grown = Tokenizer.load(tmp_path / "grown")
    assert new and all(are_ids_of(own, tmp_path / "published") for own in (published, chatting, grown))
    another = Tokenizer.train([text.upper() for text in TEXTS] * 5, 300)
    assert not are_ids_of(another, tmp_path / "own") and not are_ids_of(tokenizer, tmp_path / "published")
    with pytest.raises(InputError, match=r"own was written with another tokenizer than models/fox has"):
        require_ids_of(another, tmp_path / "own", Path("models/fox"))


def test_large_vocabularies_get_32_bit_ids(tmp_path, tokenizer):
    class Large:
        size, begin, end = 70_000, 1, 2
        byte_lengths = [0] * 6 + [1] * (70_000 - 6)

    with TokenWriter(tmp_path, Large()) as writer:
        writer.add("train", [69_999])
    train = TokenFile.open(tmp_path, "train")
    assert train.tokens.dtype == np.uint32
    assert train.document(0) == [1, 69_999, 2]


@pytest.mark.parametrize("damage", ["cut", "gone", "index", "index order", "summary", "part"])
def test_damaged_token_files_are_refused_with_the_file_named(damage, tmp_path, tokenizer):
    write(tmp_path, tokenizer, train=TEXTS)
    tokens, index, summary = tmp_path / "train.bin", tmp_path / "train.index", tmp_path / "tokens.json"
    named = {"cut": tokens, "gone": tokens, "index": index, "index order": index}.get(damage, summary)
    if damage == "cut":
        tokens.write_bytes(tokens.read_bytes()[:-2])
    elif damage == "gone":
        tokens.unlink()
    elif damage == "index":
        index.write_bytes(b"")
    elif damage == "index order":
        bounds = np.fromfile(index, dtype=np.int64)
        bounds[1], bounds[2] = bounds[2], bounds[1]
        bounds.tofile(index)
    elif damage == "summary":
        summary.write_text("{torn")
    elif damage == "part":
        described = json.loads(summary.read_text())
        del described["parts"]["train"]["tokens"]
        summary.write_text(json.dumps(described))
    with pytest.raises(ArtefactError, match="run .* again") as caught:
        TokenFile.open(tmp_path, "train")
    assert str(named) in str(caught.value)
