"""From what a client sent to what the engine is asked: messages, prompts, settings, each checked against the model.

In: bodies as in schemas.py, a speaker, the server's limits.  Out: conversations, tokens, Sampling; or an ApiError that
names the field and the limit.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

from chatwright.errors import InputError
from chatwright.generation.sampling import Sampling, seeds_of
from chatwright.generation.speaker import Request, Speaker
from chatwright.serving.errors import ApiError, too_long
from chatwright.serving.schemas import ChatBody, ChatMessage, SamplingBody
from chatwright.serving.settings import ServeSettings
from chatwright.text.conversation import Conversation, Message, render

__all__ = [
    "check_count",
    "check_room",
    "check_supported",
    "conversation_of",
    "prompt_tokens",
    "prompts_of",
    "sampling_of",
    "seeds_for",
    "stops_of",
    "text_of",
]

ROLES = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}
LONGEST_STOP = 1000
MOST_BIASES = 1024
LONG_TEXT = 2000
"""Characters from which on a text is encoded in a thread of its own."""


def unsupported(param: str, message: str) -> ApiError:
    return ApiError(message, code="unsupported_parameter", param=param)


def check_supported(body: ChatBody) -> None:
    """Refuse what would change the answer if it were ignored: tools, sound, forced formats."""
    for name in ("tools", "functions"):
        if getattr(body, name):
            raise unsupported(name, f"{name} are not supported: these models answer in plain text only.")
    if body.response_format is not None and body.response_format.get("type") != "text":
        raise unsupported("response_format", 'response_format is not supported, except {"type": "text"}.')
    if body.audio is not None or set(body.modalities or ()) - {"text"}:
        raise unsupported("modalities", "Only text comes out of these models; leave modalities and audio away.")


def conversation_of(messages: Sequence[ChatMessage], speaker: Speaker, model: str) -> Conversation:
    """The conversation that a chat request holds; neighbours of one role become one message.

    The role developer counts as system. Raises ApiError if the model knows no conversations.
    """
    if not speaker.is_chat:
        raise ApiError(
            f"The model `{model}` has no chat template: it has learned to continue texts, not to answer. "
            f"Use /v1/completions with it.",
            code="no_chat_template",
            param="model",
        )
    if not messages:
        raise ApiError("messages is empty; give at least one message.", param="messages", code="empty_array")
    turns: list[Message] = []
    for place, message in enumerate(messages):
        turn = Message(_role(message, place), text_of(message.content, f"messages.{place}.content"))
        if turns and turns[-1].role == turn.role:
            turns[-1] = Message(turn.role, f"{turns[-1].content}\n\n{turn.content}")
        else:
            turns.append(turn)
    if turns[-1].role != "user":
        raise ApiError(
            f"The last message is of the role {turns[-1].role}; there is nothing to answer until the user speaks.",
            param="messages",
        )
    try:
        return Conversation.from_messages([{"role": turn.role, "content": turn.content} for turn in turns])
    except InputError as error:
        raise ApiError(str(error), param="messages") from None


def _role(message: ChatMessage, place: int) -> str:
    if message.role in ROLES:
        return ROLES[message.role]
    param = f"messages.{place}.role"
    if message.role in ("tool", "function"):
        raise unsupported(param, "Messages of tools are not supported: these models call none.")
    known = ", ".join(ROLES)
    raise ApiError(f"{param} must be one of {known}.", param=param, code="invalid_value")


def text_of(content: str | Sequence[dict[str, Any]] | None, param: str) -> str:
    """The text of a message: a string, or a list of parts of the type text."""
    if isinstance(content, str):
        return content
    if not content:
        raise ApiError(f"{param} must be a text.", param=param, code="invalid_value")
    texts = []
    for place, part in enumerate(content):
        kind, text = part.get("type"), part.get("text")
        if kind not in ("text", "input_text"):
            raise unsupported(f"{param}.{place}", "Only parts of the type text are supported: these models read text.")
        if not isinstance(text, str):
            raise ApiError(f"{param}.{place}.text must be a text.", param=f"{param}.{place}.text", code="invalid_type")
        texts.append(text)
    return "".join(texts)


def prompts_of(prompt: str | Sequence[Any]) -> list[str | tuple[int, ...]]:
    """Texts or token ids to go on with, whichever of OpenAI's four forms they came in."""
    if isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise ApiError("prompt is empty.", param="prompt", code="empty_array")
    many: list[Any] = list(prompt)
    if isinstance(many[0], int):
        return [tuple(many)]
    return [own if isinstance(own, str) else tuple(own) for own in many]


async def prompt_tokens(
    speaker: Speaker, asked: Conversation | str | tuple[int, ...], param: str, *, room: int = 1
) -> tuple[int, ...]:
    """The tokens that the model will read; ApiError if they leave no `room` in its context.

    Long texts are encoded in a thread, so that running streams do not wait.
    """
    if isinstance(asked, tuple):
        return _known(asked, speaker, param, room)
    size = len(asked) if isinstance(asked, str) else sum(len(message.content) for message in asked.messages)
    if size > LONG_TEXT:
        return _known(await asyncio.to_thread(_encoded, speaker, asked, param), speaker, param, room)
    return _known(_encoded(speaker, asked, param), speaker, param, room)


def _encoded(speaker: Speaker, asked: Conversation | str, param: str) -> tuple[int, ...]:
    if isinstance(asked, Conversation):
        try:
            return tuple(render(asked, speaker.tokenizer, answer=True).tokens)
        except InputError as error:  # what an imported model's own template refuses
            raise ApiError(str(error), param=param) from None
    try:
        return tuple(speaker.prompt(Request(text=asked, strict=True)))
    except InputError as error:
        raise ApiError(str(error), code="context_length_exceeded", param=param) from None


def _known(tokens: tuple[int, ...], speaker: Speaker, param: str, room: int) -> tuple[int, ...]:
    if not tokens:
        raise ApiError(f"{param} is empty; give at least one token.", param=param, code="empty_array")
    outside = next((token for token in tokens if not 0 <= token < speaker.tokenizer.size), None)
    if outside is not None:
        raise ApiError(
            f"{param} holds the token id {outside}; this model's ids are 0 to {speaker.tokenizer.size - 1}.",
            param=param,
            code="invalid_value",
        )
    if len(tokens) + room > speaker.context:
        raise too_long(len(tokens), speaker.context, param, speaker.limit)
    return tokens


def check_room(speaker: Speaker, prompt: int, wanted: int, param: str) -> None:
    """Refuse a length that was asked for and that the cache could never hold.

    At the end of the model's own context answers are cut (`length`), as they are everywhere; but whoever gave the
    server little memory has set a limit that nobody can know of.
    """
    if speaker.limit and prompt + wanted > speaker.context:
        raise ApiError(
            f"The prompt has {prompt} tokens and {param} is {wanted}: {prompt + wanted} together, of at most "
            f"{speaker.context} ({speaker.limit}).",
            param=param,
            code="context_length_exceeded",
        )


def sampling_of(
    body: SamplingBody, speaker: Speaker, wanted: int, prompt: int, *, param: str = "max_tokens"
) -> Sampling:
    """Settings for one prompt of `prompt` tokens; `wanted` tokens are asked for, or as many as there is room."""
    if wanted > speaker.context:
        reason = f" ({speaker.limit})" if speaker.limit else ""
        raise ApiError(
            f"{param} is {wanted}; this model's maximum context length is {speaker.context} tokens{reason}.",
            param=param,
            code="context_length_exceeded",
        )
    return Sampling(
        temperature=1.0 if body.temperature is None else body.temperature,
        # OpenAI allows 0, which leaves the likeliest token only.
        top_p=1.0 if body.top_p is None else max(body.top_p, 1e-9),
        top_k=max(body.top_k or 0, 0),
        min_p=body.min_p or 0.0,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        repetition_penalty=1.0 if body.repetition_penalty is None else body.repetition_penalty,
        logit_bias=_biases(body.logit_bias, speaker.tokenizer.size),
        max_tokens=min(wanted, max(1, speaker.context - prompt)),
    )


def _biases(biases: dict[str, float] | None, size: int) -> tuple[tuple[int, float], ...]:
    if biases is None:
        return ()
    if len(biases) > MOST_BIASES:
        raise ApiError(
            f"logit_bias has {len(biases)} entries; the limit is {MOST_BIASES}.", param="logit_bias", code="too_many"
        )
    found = []
    for name, bias in biases.items():
        # Only ASCII digits: int() would take "1_0" and digits of other scripts too.
        if not (name.isascii() and name.isdigit()) or len(name) > 10 or int(name) >= size:
            raise ApiError(
                f"logit_bias names a token that is not there; its keys are token ids, 0 to {size - 1}.",
                param="logit_bias",
                code="invalid_value",
            )
        if not -100 <= bias <= 100:
            raise ApiError(
                f"logit_bias is {bias} for token {name}; the limits are -100 and 100.",
                param="logit_bias",
                code="invalid_value",
            )
        found.append((int(name), bias))
    return tuple(found)


def stops_of(stop: str | Sequence[str] | None, settings: ServeSettings) -> tuple[str, ...]:
    """Stop strings; more than OpenAI's four are welcome, and empty ones mean nothing."""
    stops = tuple(mark for mark in ([stop] if isinstance(stop, str) else stop or ()) if mark)
    if len(stops) > settings.max_stops:
        raise ApiError(f"stop has {len(stops)} entries; the limit is {settings.max_stops}.", param="stop")
    if any(len(mark) > LONGEST_STOP for mark in stops):
        raise ApiError(f"a stop string is longer than the limit of {LONGEST_STOP} characters.", param="stop")
    return stops


def seeds_for(seed: int | None, count: int) -> list[int]:
    """A seed for each of `count` answers: the first is the one given, or a random one."""
    first = secrets.randbits(62) if seed is None else seed
    return [first, *seeds_of(first, count)[1:]]


def check_count(count: int, settings: ServeSettings, param: str) -> None:
    """Refuse more answers than one request may ask for."""
    if count > settings.max_answers:
        raise ApiError(
            f"This request asks for {count} answers (prompts times {param}); the limit is {settings.max_answers}.",
            param=param,
            code="too_many",
        )
