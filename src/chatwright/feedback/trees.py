"""Message trees as Open-Assistant exports them: prompts that begin alike share their messages, answers are replies.

In: rows of feedback.  Out: {"message_tree_id", "tree_state", "prompt": {message_id, text, role, replies}} and back.
Replies carry `rank` (0 is best) over everybody, `labels` (quality of ratings), and under their parent stand the single
`rankings` with labelers and ties, which Open-Assistant's own files do not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

from chatwright.disk import sha256_of_text
from chatwright.errors import InputError
from chatwright.feedback.stored import ranking_of
from chatwright.store.feedback import FeedbackRow, NewRow
from chatwright.text.conversation import Conversation, Message

__all__ = ["is_tree", "rows_of_tree", "trees_of"]

_ROLES = {"user": "prompter", "assistant": "assistant"}


class _Node:
    """One message, and what was said after it."""

    def __init__(self, message: Message, path: str) -> None:
        self.message = message
        self.id = sha256_of_text(path)[:32]
        self.path = path
        self.replies: dict[str, _Node] = {}
        self.rankings: list[dict[str, Any]] = []
        self.ratings: list[float] = []
        self.written_by_person = False
        self.ranks: list[float] = []

    def reply(self, message: Message) -> _Node:
        return self.replies.setdefault(
            message.content, _Node(message, f"{self.path}\0{message.role}\0{message.content}")
        )

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "message_id": self.id,
            "text": self.message.content,
            "role": _ROLES[self.message.role],
            "synthetic": self.message.role == "assistant" and not self.written_by_person,
            "replies": [node.as_dict() for node in self.replies.values()],
        }
        ranked = sorted((node for node in self.replies.values() if node.ranks), key=lambda node: mean(node.ranks))
        places = {node.id: place for place, node in enumerate(ranked)}
        for reply in told["replies"]:
            if reply["message_id"] in places:
                reply["rank"] = places[reply["message_id"]]
        if self.rankings:
            told["rankings"] = self.rankings
        if self.ratings:
            # Open-Assistant stores 1 to 7 as 0 to 1.
            told["labels"] = {"quality": {"value": mean((r - 1) / 6 for r in self.ratings), "count": len(self.ratings)}}
        return told


def trees_of(rows: Sequence[FeedbackRow]) -> Iterator[dict[str, Any]]:
    """One tree per system prompt and first message; rows without an answer or prompt have no place in trees."""
    roots: dict[str, tuple[str, _Node]] = {}
    for row in rows:
        conversation = _conversation(row)
        if conversation is None:
            continue
        messages = list(conversation.messages)
        system = messages.pop(0).content if messages[0].role == "system" else ""
        path = f"{system}\0{messages[0].content}"
        _, node = roots.setdefault(path, (system, _Node(messages[0], path)))
        for message in messages[1:]:
            node = node.reply(message)
        _hang(row, node)
    for system, root in roots.values():
        tree = {"message_tree_id": root.id, "tree_state": "ready_for_export", "prompt": root.as_dict()}
        yield tree | ({"system": system} if system else {})


def _conversation(row: FeedbackRow) -> Conversation | None:
    """The messages of a row that begin with the user, without ranked or rated answers."""
    messages = row.content.get("prompt") or row.content.get("messages")
    if row.kind == "flag" or not messages:
        return None
    conversation = Conversation.from_messages(messages, where=f"feedback {row.id}")
    return conversation if any(message.role == "user" for message in conversation.messages[:2]) else None


def _hang(row: FeedbackRow, node: _Node) -> None:
    """Put what a row says where its last message stands."""
    if row.kind in ("demonstration", "chat_rating"):
        node.written_by_person |= row.kind == "demonstration"
    elif row.kind == "answer_rating":
        node.reply(Message("assistant", row.content["answer"])).ratings.append(row.content["rating"])
    elif (ranking := ranking_of(row)) is not None:
        replies = [node.reply(Message("assistant", answer)) for answer in ranking.answers]
        for reply, rank in zip(replies, ranking.ranks, strict=True):
            reply.ranks.append(rank)
        ranks = {reply.id: rank for reply, rank in zip(replies, ranking.ranks, strict=True)}
        node.rankings.append({"labeler": row.labeler, "source": ranking.source, "ranks": ranks})


def is_tree(value: Mapping[str, Any]) -> bool:
    """Whether an entry is a message tree."""
    prompt = value.get("prompt")
    return isinstance(prompt, Mapping) and "text" in prompt and "replies" in prompt


def rows_of_tree(value: Mapping[str, Any], where: str, *, simulated: bool = False) -> list[NewRow]:
    """Rankings of replies, and answers that people wrote as demonstrations. Raises InputError for a broken tree."""
    found: list[NewRow] = []
    system = (Message("system", str(value["system"])),) if value.get("system") else ()
    stack: list[tuple[tuple[Message, ...], Mapping[str, Any]]] = [(system, value["prompt"])]
    while stack:
        before, node = stack.pop()
        try:
            role = {"prompter": "user", "user": "user", "assistant": "assistant"}[node["role"]]
            so_far = (*before, Message(role, str(node["text"])))
            replies = list(node.get("replies") or [])
            if role == "user":  # Open-Assistant ranks prompts of people too, after answers
                found += _rankings(node, replies, so_far, where, simulated)
            if role == "assistant" and node.get("synthetic") is False:
                written = Conversation(so_far).to_dicts()
                found.append(NewRow(kind="demonstration", content={"messages": written}, simulated=simulated))
            stack += [(so_far, reply) for reply in reversed(replies)]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{where}: a message of the tree is broken ({error!r})") from None
    return found


def _rankings(
    node: Mapping[str, Any],
    replies: Sequence[Mapping[str, Any]],
    so_far: tuple[Message, ...],
    where: str,
    simulated: bool,
) -> Iterator[NewRow]:
    """The single rankings where they are told, else one of the replies' common ranks."""
    texts = {str(reply.get("message_id")): str(reply["text"]) for reply in replies}
    told: list[Mapping[str, Any]] = list(node.get("rankings") or [])
    common = {str(reply.get("message_id")): reply["rank"] + 1 for reply in replies if reply.get("rank") is not None}
    if not told and len(common) > 1:
        told = [{"ranks": common}]
    for ranking in told:
        ranks = dict(ranking["ranks"])
        if set(ranks) - set(texts):
            raise InputError(f"{where}: a ranking names a message that is no reply")
        source = str(ranking.get("source") or "")
        content = {
            "prompt": Conversation(so_far).to_dicts(),
            "answers": [texts[key] for key in ranks],
            "ranks": list(ranks.values()),
            "verdict": "ranked",
            "source": source,
        }
        labeler = str(ranking.get("labeler") or "")
        yield NewRow(
            kind="ranking",
            content=content,
            labeler=labeler,
            model=source,
            simulated=simulated or labeler == "simulated",
        )
