"""Conversations, and the one way to turn them into tokens.

In: messages with the roles system, user and assistant.  Out: token ids and a mask of those the model learns from.

    <|begin|> <|system|> Be brief. <|end|> <|user|> Hello! <|end|> <|assistant|> Good day! <|end|>
                                                                                 ^^^^^^^^^^^^^^^^ trainable

Control tokens are inserted as ids. Contents are encoded with control tokens disabled, so nobody can type one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chatwright.errors import InputError

ROLES = ("system", "user", "assistant")
BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
CONTROL_TOKENS = (PAD, BEGIN, END, *(f"<|{role}|>" for role in ROLES))


class Encoder(Protocol):
    """What rendering needs of a tokenizer."""

    def encode(self, text: str) -> list[int]: ...

    def control(self, name: str) -> int: ...


class Template(Protocol):
    """An imported model's own way to render (templates.py)."""

    def render(self, conversation: Conversation, tokenizer: Any, *, answer: bool) -> Rendered: ...


@dataclass(frozen=True)
class Message:
    """One turn: who speaks, and what is said."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """Messages in order: an optional system message first, then user and assistant in turn."""

    messages: tuple[Message, ...]

    @classmethod
    def of(cls, *contents: str, system: str | None = None) -> Conversation:
        """Contents of user, assistant, user, ... in turn, after an optional system message."""
        head = (Message("system", system),) if system is not None else ()
        turns = (Message(("user", "assistant")[index % 2], content) for index, content in enumerate(contents))
        return cls(head + tuple(turns))

    @classmethod
    def from_messages(cls, messages: object, *, where: str = "conversation") -> Conversation:
        """Read `[{"role": ..., "content": ...}, ...]`; raises InputError naming `where` if it is anything else."""
        if not isinstance(messages, Sequence) or isinstance(messages, str | bytes) or not messages:
            raise InputError(f'{where}: expected a list of messages [{{"role": ..., "content": ...}}, ...]')
        read = tuple(_message(message, f"{where}, message {number}") for number, message in enumerate(messages, 1))
        for number, message in enumerate(read, 1):
            if message.role == "system" and number > 1:
                raise InputError(f"{where}, message {number}: a system message may only stand first")
        turns = [message.role for message in read if message.role != "system"]
        for number, (role, following) in enumerate(zip(turns, turns[1:], strict=False), 1):
            if role == following:
                raise InputError(
                    f"{where}, turn {number + 1}: two {role} messages in a row; user and assistant alternate"
                )
        return cls(read)

    def to_dicts(self) -> list[dict[str, str]]:
        return [{"role": message.role, "content": message.content} for message in self.messages]

    def plus(self, role: str, content: str) -> Conversation:
        return Conversation((*self.messages, Message(role, content)))

    @property
    def last(self) -> Message:
        return self.messages[-1]


def _message(message: object, where: str) -> Message:
    if not isinstance(message, Mapping):
        raise InputError(f"{where}: expected an object with role and content, found {type(message).__name__}")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise InputError(f"{where}: the role is {role!r}; it must be one of {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise InputError(f"{where}: the content must be text, found {type(content).__name__}")
    return Message(str(role), content)


@dataclass(frozen=True)
class Rendered:
    """Tokens of a conversation, and for each whether a model learns to produce it."""

    tokens: list[int]
    trainable: list[bool]

    def __len__(self) -> int:
        return len(self.tokens)


def render(conversation: Conversation, tokenizer: Encoder, *, answer: bool = False) -> Rendered:
    """Turn a conversation into tokens; trainable are the assistant's words and the end token after them.

    With `answer`, the tokens that open the assistant's turn are appended, so that a model goes on with its answer.
    An imported model renders by its own template. Raises InputError if that refuses the conversation, or if the model
    has neither a template nor our control tokens.
    """
    template: Template | None = getattr(tokenizer, "template", None)
    if template is not None:
        return template.render(conversation, tokenizer, answer=answer)
    tokens, trainable = [tokenizer.control(BEGIN)], [False]
    for message in conversation.messages:
        content = tokenizer.encode(message.content)
        tokens += [tokenizer.control(f"<|{message.role}|>"), *content, tokenizer.control(END)]
        trainable += [False, *[message.role == "assistant"] * (len(content) + 1)]
    if answer:
        tokens.append(tokenizer.control("<|assistant|>"))
        trainable.append(False)
    return Rendered(tokens, trainable)


def fit(conversation: Conversation, tokenizer: Encoder, limit: int) -> Conversation | None:
    """Drop the oldest whole turns, keeping the system message, until the prompt for an answer fits in `limit` tokens.

    A conversation that ends with an assistant message keeps the user message before it. Returns None if not even
    the last exchange fits. Turns that an imported model's template refuses (some want the user to begin) are dropped
    like those that are too long; raises InputError if it refuses all that could be kept.
    """
    system = [message for message in conversation.messages[:1] if message.role == "system"]
    turns = list(conversation.messages[len(system) :])
    is_prompt = bool(turns) and turns[-1].role == "user"
    refusal: InputError | None = None
    while turns:
        kept = Conversation((*system, *turns))
        try:
            if len(render(kept, tokenizer, answer=is_prompt)) <= limit:
                return kept
            refusal = None
        except InputError as error:
            refusal = error
        del turns[0]
        while turns and turns[0].role != "user":
            del turns[0]
    if refusal is not None:
        raise refusal
    return None
