"""Tokenizers of published weights: the ids of transformers, files in every shape, and what bad ones say."""

from __future__ import annotations

import itertools
import json
import lzma
import random
from functools import cache
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as some
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from chatwright.errors import ArtefactError, InputError
from chatwright.text.documents import Source, read_documents
from chatwright.text.handover import generation_config, write_tokenizer
from chatwright.text.published import read_tokenizer
from chatwright.text.tokenizer import Tokenizer, Utf8Stream
from published_tokenizers import STYLES, TEXTS, folder_of, write_style
from tiny import tokenizer as own_tokenizer

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
GPT2 = DATA / "vocab" / "gpt2"
needs_gpt2 = pytest.mark.skipif(not GPT2.is_dir(), reason="../shared/data is absent: GPT-2's vocabulary is not tried")
STRANGE = [
    "",
    " ",
    "\n\n\n",
    " \t x",
    "it's IT'S 12345",
    "日本語 🦊👩‍👩‍👧",
    "e\u0301",
    "\x00\x1f",
    "</s><|endoftext|>",
    "a\u00a0b",
]


def transformers():
    return pytest.importorskip("transformers", reason="transformers is absent: ids are not compared")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory) -> Path:
    """OpenAI's own files."""
    folder = tmp_path_factory.mktemp("gpt2")
    for name in ("encoder.json", "vocab.bpe"):
        (folder / name).write_bytes(lzma.decompress((GPT2 / f"{name}.xz").read_bytes()))
    return folder


@pytest.fixture(scope="module")
def pair(gpt2, tmp_path_factory):
    """Our tokenizer and transformers' of the same vocabulary."""
    folder = tmp_path_factory.mktemp("hugging")
    (folder / "vocab.json").write_bytes((gpt2 / "encoder.json").read_bytes())
    (folder / "merges.txt").write_bytes((gpt2 / "vocab.bpe").read_bytes())
    return read_tokenizer(gpt2, vocabulary=50257), transformers().GPT2Tokenizer.from_pretrained(folder), folder


@needs_gpt2
def test_the_known_ids_of_gpt2(pair):
    tokenizer = pair[0]
    assert tokenizer.encode("Hello world") == [15496, 995]
    assert tokenizer.encode("This is some text") == [1212, 318, 617, 2420]
    assert (tokenizer.size, tokenizer.begin, tokenizer.end, tokenizer.pad) == (50257, 50256, 50256, 50256)
    assert (tokenizer.stops, tokenizer.opening, tokenizer.can_chat) == ({50256}, (), False)
    assert 50256 not in tokenizer.encode("<|endoftext|>")


def beginnings(size: int):
    for folder in sorted((DATA / "text").iterdir()):
        for document in itertools.islice(read_documents(Source(path=str(folder))), 3):
            yield folder.name, document.text[:size]


@needs_gpt2
def test_texts_of_every_corpus_have_the_ids_of_transformers(pair):
    ours, theirs, _ = pair
    for name, text in [*beginnings(4_000), *(("strange", text) for text in STRANGE)]:
        expected = theirs(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert ours.encode(text) == expected, name
        assert ours.decode(expected) == text, name


def slices(folder: Path, *, every: int, size: int):
    """A slice at a random place of every stretch of so many characters, all documents of a folder in a row."""
    rng = random.Random(folder.name)  # seeded by a text, which is the same everywhere
    place, drawn = 0, rng.randrange(every)
    for document in read_documents(Source(path=str(folder))):
        while drawn < place + len(document.text):
            yield document.text[drawn - place :][:size]
            drawn = (drawn // every + 1) * every + rng.randrange(every)
        place += len(document.text)


@needs_gpt2
@pytest.mark.slow
def test_slices_from_everywhere_in_every_corpus_have_the_ids_of_transformers(pair):
    """Of 207 million characters; docs/experiments.md says what was compared whole by hand."""
    ours, theirs, _ = pair
    compared = 0
    for folder in sorted((DATA / "text").iterdir()):
        texts = list(slices(folder, every=200_000, size=2_000))
        expected = theirs(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert ours.encode_many(texts) == expected, folder.name
        compared += len(texts)
    assert compared >= 1_000


@needs_gpt2
@pytest.mark.slow
def test_vocab_json_merges_txt_and_tokenizer_json_hold_the_same_tokenizer(pair, tmp_path):
    ours, theirs, folder = pair
    theirs.save_pretrained(tmp_path)
    for other in (read_tokenizer(folder), read_tokenizer(tmp_path)):
        assert other.pieces == ours.pieces
        assert (other.begin, other.end, other.stops, other.opening) == (50256, 50256, {50256}, ())
        for text in TEXTS[:3] + STRANGE:
            assert other.encode(text) == ours.encode(text)


# -- small ones in the style of others ---------------------------------------------------------------------------------


@cache
def of_style(style: str) -> tuple[Tokenizer, object, Path]:
    folder = folder_of(style)
    return read_tokenizer(folder), transformers().AutoTokenizer.from_pretrained(folder), folder


def written(style: str, text: str) -> str:
    """What comes back of a text: newer sentencepiece engines take its first space for the one they add."""
    return text.removeprefix(" ") if STYLES[style][0] == "first" else text


@pytest.mark.parametrize("style", STYLES)
def test_texts_of_every_style_have_the_ids_and_the_words_of_transformers(style):
    ours, theirs, _ = of_style(style)
    for text in [*TEXTS[:3], *STRANGE, "  two spaces", "ends with a space "]:
        ids = ours.encode(text)
        assert ids == theirs(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert ours.decode(ids) == theirs.decode(ids) == written(style, text)
        assert ours.encode_many([text, text]) == [ids, ids]
    assert [*ours.opening, *ours.encode("fox")] == theirs("fox")["input_ids"]


@pytest.mark.parametrize("style", STYLES)
@given(text=some.text(max_size=12), cuts=some.lists(some.integers(1, 3)))
@settings(deadline=None, max_examples=25)
def test_streams_of_every_style_join_to_the_whole(style, text, cuts):
    tokenizer = of_style(style)[0]
    ids, start, pieces = tokenizer.encode(text), 0, []
    stream = Utf8Stream(tokenizer)
    for cut in [*cuts, len(ids)]:
        pieces.append(stream.push(ids[start : start + cut]))
        start += cut
    assert "".join(pieces) + stream.flush() == tokenizer.decode(ids)
    if "�" not in text:
        assert "�" not in "".join(pieces)


def test_a_sentencepiece_stream_keeps_the_first_space_of_a_continuation_and_drops_that_of_a_text():
    tokenizer = of_style("llama2")[0]
    ids = tokenizer.encode("fox é")
    assert tokenizer.joined(ids) == " fox é".encode()
    for continues, expected in ((False, "fox é"), (True, " fox é")):
        stream = Utf8Stream(tokenizer, continues=continues)
        assert "".join(stream.push([number]) for number in ids) + stream.flush() == expected
        assert tokenizer.decode(ids, continues=continues) == expected
    spelt = tokenizer.encode("€")[-3:]
    stream = Utf8Stream(tokenizer, continues=True)
    assert [stream.push([number]) for number in spelt] == ["", "", "€"]


@pytest.mark.parametrize("style", STYLES)
def test_typed_control_tokens_are_spelt_out_everywhere(style):
    tokenizer = of_style(style)[0]
    for name in tokenizer.controls.names:
        for text in (name, f"a{name}b", name * 3, f" {name} "):
            ids = tokenizer.encode(text)
            assert tokenizer.control_ids.isdisjoint(ids), name
            assert tokenizer.decode(ids) == written(style, text)
            assert tokenizer.encode_many([text]) == [ids]


def unigram(tmp_path: Path, **config: object) -> Path:
    engine = tokenizers.Tokenizer(models.Unigram())
    engine.normalizer = normalizers.NFKC()
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    engine.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    engine.train_from_iterator(TEXTS, trainer)
    (tmp_path / "tokenizer.json").write_text(engine.to_str())
    settings = {"eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "PreTrainedTokenizerFast", **config}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    return tmp_path


def test_unigram_vocabularies_are_read_and_nobody_can_type_their_end(tmp_path):
    tokenizer = read_tokenizer(unigram(tmp_path))
    theirs = transformers().AutoTokenizer.from_pretrained(tmp_path)
    for text in ("The quick brown fox", "Hello there, how are you?", " 日"):
        ids = tokenizer.encode(text)
        assert ids == theirs(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    end = tokenizer.end
    assert end not in tokenizer.encode("fox </s> fox") and end not in tokenizer.encode("</s>")
    assert tokenizer.controls.unknown in tokenizer.encode("日")


def test_a_vocabulary_that_holds_its_control_tokens_as_words_still_spells_what_people_type(tmp_path):
    engine = tokenizers.Tokenizer(
        models.BPE({"a": 0, "<": 1, "s": 2, ">": 3, "<s": 4, "<s>": 5}, [("<", "s"), ("<s", ">")])
    )
    engine.decoder = decoders.Fuse()
    (tmp_path / "tokenizer.json").write_text(engine.to_str())
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<s>"}')
    with pytest.raises(ArtefactError, match="decoder is Fuse"):
        read_tokenizer(tmp_path)
    engine.decoder = decoders.Metaspace()
    (tmp_path / "tokenizer.json").write_text(engine.to_str())
    tokenizer = read_tokenizer(tmp_path)
    assert tokenizer.encode("a<s>a") == [0, 1, 2, 3, 0]
    assert tokenizer.encode_many(["<s>"]) == [[1, 2, 3]]
    assert [tuple(span)[2:] for span in tokenizer.spans("a<s>")] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_gpt1_writes_the_space_after_a_word(tmp_path):
    engine = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    engine.normalizer = normalizers.BertNormalizer(lowercase=True)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=150, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    engine.train_from_iterator(TEXTS, trainer)
    written = json.loads(engine.to_str())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(written["vocab"]))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in written["merges"]))
    (tmp_path / "config.json").write_text('{"model_type": "openai-gpt"}')
    (tmp_path / "tokenizer_config.json").write_text('{"unk_token": "<unk>", "eos_token": "<unk>"}')
    tokenizer = read_tokenizer(tmp_path)
    ids = tokenizer.encode("The QUICK fox")
    assert tokenizer.decode(ids) == "the quick fox"
    stream = Utf8Stream(tokenizer)
    assert "".join(stream.push([number]) for number in ids) + stream.flush() == "the quick fox"
    assert tokenizer.joined(ids) == b"the quick fox "


# -- special tokens ----------------------------------------------------------------------------------------------------


def test_every_id_at_which_generation_stops_is_known(tmp_path):
    folder = write_style(tmp_path, "llama3")
    ids = {
        token["content"]: token["id"] for token in json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    }
    (folder / "generation_config.json").write_text(
        json.dumps({"eos_token_id": [ids["<|end_of_text|>"], ids["<|end_header_id|>"], 5, 999_999]})
    )
    tokenizer = read_tokenizer(folder)
    names = {tokenizer.name(number) for number in tokenizer.stops}
    assert names == {"<|end_of_text|>", "<|end_header_id|>", "<|eot_id|>"}  # 5 is a letter, 999,999 is nothing
    assert tokenizer.name(tokenizer.end) == "<|eot_id|>"
    assert generation_config(tokenizer)["eos_token_id"][0] == tokenizer.end
    assert set(generation_config(tokenizer)["eos_token_id"]) == tokenizer.stops


def test_tokens_listed_beside_the_vocabulary_are_added_at_their_ids(tmp_path):
    plain = read_tokenizer(write_style(tmp_path, "chatml", chat_template=None))
    listed = {str(plain.size): {"content": "<|tool|>", "special": True}, str(plain.size + 1): {"content": "[b]"}}
    write_style(tmp_path, "chatml", chat_template=None, added_tokens_decoder=listed)
    tokenizer = read_tokenizer(tmp_path)
    assert tokenizer.control("<|tool|>") == plain.size and tokenizer.size == plain.size + 2
    assert tokenizer.encode("a[b]")[-1] == plain.size + 1  # a piece like others: nothing makes it a control token
    assert tokenizer.decode([plain.size, plain.size + 1]) == "[b]"
    wrong = {str(plain.size + 7): {"content": "<|tool|>", "special": True}}
    write_style(tmp_path, "chatml", added_tokens_decoder=wrong)
    with pytest.raises(ArtefactError, match=f"should have id {plain.size + 7}, but has or would get {plain.size}"):
        read_tokenizer(tmp_path)


def test_settings_decide_whether_a_text_is_opened_and_exports_keep_it(tmp_path):
    for adds, style in ((False, "llama2"), (True, "chatml")):
        folder = write_style(tmp_path / style, style, add_bos_token=adds)
        tokenizer = read_tokenizer(folder)
        assert tokenizer.opening == ((tokenizer.begin,) if adds else ())
        write_tokenizer(tmp_path / style / "out", tokenizer)
        theirs = transformers().AutoTokenizer.from_pretrained(tmp_path / style / "out")
        assert theirs("fox")["input_ids"] == [*tokenizer.opening, *tokenizer.encode("fox")]


@pytest.mark.parametrize("style", STYLES)
def test_what_is_written_for_transformers_is_read_back_the_same(style, tmp_path):
    tokenizer, theirs, _ = of_style(style)
    write_tokenizer(tmp_path / "one", tokenizer, context=77)
    again = read_tokenizer(tmp_path / "one")
    assert (again.controls, again.to_json(), again.chat_template) == (
        tokenizer.controls, tokenizer.to_json(), tokenizer.chat_template,
    )  # fmt: skip
    write_tokenizer(tmp_path / "two", again, context=77)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    hugging = transformers().AutoTokenizer.from_pretrained(tmp_path / "one")
    assert hugging.model_max_length == 77
    assert (hugging.bos_token, hugging.eos_token) == (theirs.bos_token, theirs.eos_token)
    for text in [*TEXTS[:3], "<think> <|im_end|> </s>"]:
        assert hugging(text)["input_ids"] == theirs(text)["input_ids"]


def test_our_own_tokenizer_comes_back_byte_for_byte(tmp_path):
    own = own_tokenizer()
    write_tokenizer(tmp_path / "out", own)
    again = read_tokenizer(tmp_path / "out", vocabulary=own.size)
    assert again.is_own and again.to_json() == own.to_json()
    hugging = transformers().AutoTokenizer.from_pretrained(tmp_path / "out")
    for text in TEXTS[:3]:
        assert hugging(text)["input_ids"] == [own.begin, *own.encode(text)]
        assert hugging.decode(own.encode(text)) == text
    changed = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    changed["chat_template"] = "{{ bos_token }}"
    (tmp_path / "out" / "tokenizer_config.json").write_text(json.dumps(changed))
    assert not read_tokenizer(tmp_path / "out").is_own


# -- bad folders -------------------------------------------------------------------------------------------------------


def damaged(folder: Path, how: str) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    if how == "gaps":
        vocabulary = content["model"]["vocab"]
        vocabulary.update({piece: number + 3 for piece, number in vocabulary.items() if number > 300})
    if how in ("gaps", "torn"):
        (folder / "tokenizer.json").write_text(json.dumps(content)[: -200 if how == "torn" else None])
    elif how == "settings":
        (folder / "tokenizer_config.json").write_text("{torn")
    elif how == "list":
        (folder / "special_tokens_map.json").write_text("[]")
    elif how == "template":
        (folder / "chat_template.jinja").write_bytes(b"\xff\xfe")
    else:
        (folder / "tokenizer.json").rename(folder / ("tokenizer.model" if how == "sentencepiece" else "other.json"))
        if how not in ("nothing", "sentencepiece"):
            in_two_files(folder, how, content["model"]["vocab"], content["model"]["merges"])


def in_two_files(folder: Path, how: str, vocabulary: dict, merges: list) -> None:
    if how == "merged wrong":
        merges.append(["x", "yz"])
    if how == "ids":
        vocabulary["a"] = "7"
    if how == "unknown class":
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "MysteryTokenizer"}')
    lines = [" ".join(merge) for merge in merges]
    if how == "three pieces":
        lines[1] = "a b c"
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    if how != "no merges":
        (folder / "merges.txt").write_text("" if how == "empty merges" else "#version: 0.2\n" + "\n".join(lines))


BAD = {
    "nothing": "holds no tokenizer: there is no tokenizer.json",
    "torn": "tokenizer.json is damaged",
    "gaps": r"ids are not 0 to \d+",
    "settings": "tokenizer_config.json is no valid JSON",
    "list": "special_tokens_map.json holds a list, not an object",
    "sentencepiece": "tokenizer.model alone is not read",
    "template": "chat_template.jinja cannot be read",
    "no merges": "merges.txt is missing",
    "empty merges": "merges.txt holds no merges",
    "three pieces": r"merges.txt:3: expected two pieces",
    "merged wrong": "'x' \\+ 'yz' needs 'yz', which vocab.json lacks",
    "ids": "'a' has '7' for an id",
    "unknown class": "how MysteryTokenizer cuts text is not known",
}


@pytest.mark.parametrize("how", BAD)
def test_a_damaged_folder_ends_in_one_sentence(how, tmp_path):
    folder = write_style(tmp_path, "chatml")
    damaged(folder, how)
    with pytest.raises(ArtefactError, match=BAD[how]) as caught:
        read_tokenizer(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_a_tokenizer_larger_than_the_embedding_does_not_belong_to_it(tmp_path):
    folder = write_style(tmp_path, "chatml")
    size = read_tokenizer(folder).size
    assert read_tokenizer(folder, vocabulary=size + 64).size == size  # rows of padding
    with pytest.raises(ArtefactError, match=f"{size} ids, but the model's embedding {size - 1} rows"):
        read_tokenizer(folder, vocabulary=size - 1)
    with pytest.raises(ArtefactError, match="is no folder"):
        read_tokenizer(folder / "missing")


def test_an_import_whose_facts_were_changed_is_refused(tmp_path):
    read_tokenizer(write_style(tmp_path / "source", "chatml")).save(tmp_path / "saved")
    path = tmp_path / "saved" / "tokenizer_config.json"
    facts = json.loads(path.read_text())
    for changed in ({**facts["chatwright"], "end": 10_000}, {"begin": 1}, {**facts["chatwright"], "stops": "x"}, 3):
        path.write_text(json.dumps({**facts, "chatwright": changed}))
        with pytest.raises(ArtefactError, match="tokenizer_config.json"):
            Tokenizer.load(tmp_path / "saved")
    path.write_text(json.dumps({name: value for name, value in facts.items() if name != "chatwright"}))
    with pytest.raises(ArtefactError, match="read published weights by chatwright import"):
        Tokenizer.load(tmp_path / "saved")


def test_ids_outside_and_unknown_controls_are_named():
    tokenizer = of_style("chatml")[0]
    with pytest.raises(InputError, match="outside the vocabulary"):
        tokenizer.decode([tokenizer.size])
    with pytest.raises(InputError, match=r"'<\|nobody\|>' is no control token; there are <\|endoftext\|>"):
        tokenizer.control("<|nobody|>")
