"""One entry of a file as a conversation or a prompt, whatever its shape.

In: a value of a JSONL, JSON, CSV, TSV, Parquet or YAML file.  Out: a `Conversation` with cleaned contents.

    messages           {"messages": [{"role", "content"}, ...]}; ShareGPT {"conversations": [{"from", "value"}]};
                       two speakers under any name in "utterances", "turns", "dialogue" or "content"
    turns              a list of texts in turn, user first (also YAML files with such lists under "conversations")
    instruction        {"instruction", "input", "output"}; also with "instances"; {"prompt", "completion"}
    question_answer    {"question", "answer"}, maybe with a "context"
    story_questions    tables of questions with `cor_section`, beside tables of the story's sections

The shape is found by the names of the columns, unless a source names its `format`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chatwright.errors import ConfigError, InputError
from chatwright.text.cleaning import clean
from chatwright.text.conversation import Conversation, Message
from chatwright.text.parts import Part, check_part
from chatwright.text.rows import Row, columns_of

__all__ = ["ConversationSource", "Unusable", "conversation_in", "format_of", "prompt_in"]

FORMATS = ("messages", "turns", "instruction", "question_answer", "story_questions")
_MESSAGES = ("messages", "conversations", "conversation", "utterances", "dialogue", "dialog", "turns", "content")
_SPEAKERS = ("role", "from", "speaker", "agent", "author")
_SAID = ("content", "value", "text", "message", "utterance")
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "customer"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "chatgpt", "model", "chatbot"), "assistant"),
    "system": "system",
}
_QUESTIONS = ("question", "query", "Question")
_ANSWERS = ("answer", "answers", "answer1", "response", "Best Answer", "output")
_CONTEXTS = ("context", "passage")


@dataclass(frozen=True, kw_only=True)
class ConversationSource:
    """Conversations of one origin, and how to read them where the names of the columns do not tell."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # a misspelt key is an error

    path: str
    """A file, a folder or a pattern such as `chats/*.jsonl`."""
    format: str | None = None
    """messages, turns, instruction, question_answer or story_questions; None: told by the columns."""
    question: str | None = None
    """Of question_answer: the column of the question."""
    answer: str | None = None
    """Of question_answer: the column of the answer."""
    context: str | None = None
    """Of question_answer: the column of a text that stands before the question; "" leaves any such text out."""
    part: Part | None = None
    """Only the entries of this part, such as [0, 0.9]; parts that do not overlap share no prompt (see `parts`)."""

    def __post_init__(self) -> None:
        check_part(self.part, self.path)
        if self.format is not None and self.format not in FORMATS:
            raise ConfigError(f"the format {self.format!r} of {self.path} is unknown; choose {', '.join(FORMATS)}")


class Unusable(Exception):
    """A well-formed entry that has nothing to learn from."""


def format_of(value: Any) -> str | None:
    """The shape of an entry by its columns, or None if it is no conversation."""
    if isinstance(value, str):
        return "turns"
    if isinstance(value, list):
        return "turns" if value and all(not isinstance(turn, Mapping) for turn in value) else "messages"
    if not isinstance(value, Mapping):
        return None
    if any(isinstance(value.get(name), list) for name in _MESSAGES):
        return "messages"
    if "instruction" in value and {"output", "response", "instances"} & set(value):
        return "instruction"
    if "prompt" in value and {"completion", "response"} & set(value):
        return "instruction"
    if any(name in value for name in _QUESTIONS) and any(name in value for name in _ANSWERS):
        return "question_answer"
    return None


def conversation_in(row: Row, source: ConversationSource | None = None) -> Conversation:
    """The conversation that an entry holds, cleaned; it has at least one message of the assistant."""
    source = source or ConversationSource(path="")
    shape = source.format or format_of(row.value)
    if shape is None:
        found = columns_of(row.value) if isinstance(row.value, Mapping) else type(row.value).__name__
        raise InputError(f"{row.where}: no conversation is found in {found}; give messages, or name a `format`")
    if shape in ("question_answer", "story_questions"):
        return _question(row, source)
    if shape == "instruction":
        return _instruction(row)
    return _checked(_messages(row.value, row.where), row.where)


def _checked(messages: Sequence[Mapping[str, str]], where: str) -> Conversation:
    """Clean the contents, and refuse what has no answer or an empty message."""
    conversation = Conversation.from_messages(messages, where=where)
    cleaned = tuple(Message(message.role, clean(message.content)) for message in conversation.messages)
    if not any(message.role == "assistant" for message in cleaned):
        raise Unusable("there is no answer")
    if any(not message.content for message in cleaned if message.role != "system"):
        raise Unusable("a message is empty")
    return Conversation(cleaned)


def _messages(value: Any, where: str) -> list[Mapping[str, str]]:
    """Messages with our roles, of any of the shapes that hold lists of turns."""
    system = None
    if isinstance(value, Mapping):
        system = value.get("system")
        name = next((name for name in _MESSAGES if isinstance(value.get(name), list)), None)
        if name is None:
            raise InputError(f"{where}: there is no list of messages; there are {columns_of(value)}")
        value = value[name]
    turns: Any = [value] if isinstance(value, str) else value
    if not isinstance(turns, Sequence):
        raise InputError(f"{where}: expected a list of messages, found {type(value).__name__}")
    if not turns:
        raise Unusable("there is no message")
    if not any(isinstance(turn, Mapping) for turn in turns):
        turns = [
            {"role": ("user", "assistant")[place % 2], "content": _plain(turn)} for place, turn in enumerate(turns)
        ]
    elif not all(isinstance(turn, Mapping) and "role" in turn for turn in turns):
        turns = _by_speakers(turns, where)
    messages: list[Mapping[str, str]] = [{"role": "system", "content": system}] if isinstance(system, str) else []
    return messages + [_joined_parts(turn) for turn in turns]


def _plain(turn: Any) -> str:
    """A turn of a list of texts; YAML makes numbers and "yes: no" of what people meant as text."""
    if isinstance(turn, Mapping):
        return ", ".join(f"{key}: {value}" for key, value in turn.items())
    return "" if turn is None else str(turn)


def _joined_parts(turn: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message whose content is OpenAI's list of parts, with the texts of the parts instead."""
    content = turn.get("content")
    if isinstance(content, list) and all(isinstance(part, Mapping) and part.get("type") == "text" for part in content):
        return {**turn, "content": "\n".join(str(part.get("text", "")) for part in content)}
    return turn


def _by_speakers(turns: Sequence[Any], where: str) -> list[Mapping[str, str]]:
    """Turns of speakers under other names: known names by their meaning, else the first to speak is the user."""
    if not all(isinstance(turn, Mapping) for turn in turns):
        raise InputError(f"{where}: some messages are objects and others are not")
    speaker_key = next((key for key in _SPEAKERS if key in turns[0]), None)
    said_key = next((key for key in _SAID if key in turns[0]), None)
    if speaker_key is None or said_key is None:
        raise InputError(f"{where}: messages need a role and a content; there are {columns_of(turns[0])}")
    names = dict.fromkeys(str(turn.get(speaker_key)).casefold() for turn in turns)
    roles = {name: _ROLES[name] for name in names if name in _ROLES}
    for name in names:
        roles.setdefault(name, "assistant" if "user" in roles.values() else "user")
    if len(names) - ("system" in names) > 2:
        raise Unusable("more than two people speak")
    messages: list[Mapping[str, str]] = []
    for turn in turns:
        role, said = roles[str(turn.get(speaker_key)).casefold()], turn.get(said_key)
        if not isinstance(said, str):
            raise InputError(f"{where}: a message has no text in {said_key!r}")
        if messages and messages[-1]["role"] == role:
            said = messages.pop()["content"] + "\n" + said
        messages.append({"role": role, "content": said})
    return messages


def _instruction(row: Row) -> Conversation:
    value = row.value
    if not isinstance(value, Mapping):
        raise InputError(f"{row.where}: expected an object with instruction and output, found {type(value).__name__}")
    if isinstance(value.get("instances"), list) and value["instances"]:
        value = {**value, **value["instances"][0]}
    if isinstance(value.get("prompt"), list):
        answer = value.get("completion", value.get("response"))
        told = answer if isinstance(answer, list) else [{"role": "assistant", "content": answer}]
        return _checked([*value["prompt"], *told], row.where)
    request = _text(value, ("instruction", "prompt"), row.where)
    extra = value.get("input", value.get("context")) or ""
    answer = _text(value, ("output", "response", "completion"), row.where)
    prompt = f"{request}\n\n{extra}" if str(extra).strip() else request
    return _checked(_exchange(prompt, answer), row.where)


def _question(row: Row, source: ConversationSource) -> Conversation:
    value = row.value
    if not isinstance(value, Mapping):
        raise InputError(f"{row.where}: expected an object with a question, found {type(value).__name__}")
    question = _text(value, (source.question,) if source.question else _QUESTIONS, row.where)
    answer = _text(value, (source.answer,) if source.answer else _ANSWERS, row.where)
    contexts = _CONTEXTS if source.context is None else (source.context,)
    context = next((value[name] for name in contexts if isinstance(value.get(name), str)), "")
    if source.context and not context:
        raise InputError(f"{row.where}: there is no text in column {source.context!r}; there are {columns_of(value)}")
    return _checked(_exchange(f"{context}\n\n{question}" if context.strip() else question, answer), row.where)


def _exchange(prompt: str, answer: str) -> list[Mapping[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def _text(value: Mapping[str, Any], names: Sequence[str], where: str) -> str:
    """The text in the first of these columns that is there; of a list of answers the first."""
    name = next((name for name in names if name in value), None)
    if name is None:
        raise InputError(f"{where}: there is no column {' or '.join(names[:3])}; there are {columns_of(value)}")
    found = value[name]
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, int | float) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str):
        raise InputError(f"{where}: column {name!r} holds {type(found).__name__} instead of text")
    return found


def prompt_in(value: Mapping[str, Any], where: str) -> Conversation:
    """The prompt of an entry: messages or a text under "prompt", an instruction, a question; ends with the user."""
    found = value.get("prompt", value.get("messages"))
    if isinstance(found, list):
        conversation = Conversation.from_messages([_joined_parts(turn) for turn in found], where=where)
    elif isinstance(found, str):
        conversation = Conversation.of(found)
    elif isinstance(value.get("instruction"), str):
        extra = value.get("input")
        has_more = isinstance(extra, str) and extra.strip()
        conversation = Conversation.of(f"{value['instruction']}\n\n{extra}" if has_more else value["instruction"])
    elif isinstance(value.get("question"), str):
        conversation = Conversation.of(value["question"])
    else:
        raise InputError(f"{where}: there is no prompt; there are {columns_of(value)}")
    if conversation.last.role != "user":
        raise InputError(
            f"{where}: the prompt ends with a message of the {conversation.last.role}; it must be the user's"
        )
    cleaned = tuple(Message(message.role, clean(message.content)) for message in conversation.messages)
    if not cleaned[-1].content:
        raise InputError(f"{where}: the prompt is empty")
    return Conversation(cleaned)
