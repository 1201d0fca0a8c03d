"""What requests hold, field by field. Fields that are not listed are ignored: clients send many.

Types are strict ("5" is no number, true is no 1), NaN and infinities are refused, null means "not given".
Ranges and what depends on the model are checked where they are used, in asking.py.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chatwright.serving.codes import ERROR_CODES

__all__ = [
    "ChatBody",
    "CompletionBody",
    "DetokenizeBody",
    "EmbeddingBody",
    "ErrorBody",
    "ModerationBody",
    "SamplingBody",
    "TokenizeBody",
]

TokenId = int


class Body(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class StreamOptions(Body):
    include_usage: bool | None = None


class SamplingBody(Body):
    """Settings that chats and completions share. The last block is what vLLM understands besides OpenAI's."""

    model: str = Field(max_length=256)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    n: int | None = Field(None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, float] | None = None
    max_tokens: int | None = Field(None, ge=0)
    user: str | None = None

    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    ignore_eos: bool | None = None


class ChatMessage(Body):
    role: str
    content: str | list[dict[str, Any]] | None = None


class ChatBody(SamplingBody):
    """POST /v1/chat/completions."""

    messages: list[ChatMessage]
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0)
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None


class CompletionBody(SamplingBody):
    """POST /v1/completions."""

    prompt: str | list[str] | list[TokenId] | list[list[TokenId]]
    best_of: int | None = Field(None, ge=1)
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0)
    suffix: str | None = None


class EmbeddingBody(Body):
    """POST /v1/embeddings."""

    model: str = Field(max_length=256)
    input: str | list[str] | list[TokenId] | list[list[TokenId]]
    encoding_format: str | None = None
    dimensions: int | None = Field(None, ge=1)
    user: str | None = None


class ModerationBody(Body):
    """POST /v1/moderations."""

    input: str | list[str] | list[dict[str, Any]]
    model: str | None = None


class TokenizeBody(Body):
    """POST /tokenize, as vLLM has it."""

    model: str | None = None
    prompt: str | None = None
    messages: list[ChatMessage] | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None


class DetokenizeBody(Body):
    """POST /detokenize, as vLLM has it."""

    model: str | None = None
    tokens: list[TokenId]


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None = Field(
        description="What programs look at; x-codes lists all.", json_schema_extra={"x-codes": list(ERROR_CODES)}
    )


class ErrorBody(BaseModel):
    """What every error looks like."""

    error: ErrorDetail
