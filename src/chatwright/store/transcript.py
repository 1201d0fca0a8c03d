"""Chats as files to take along: Markdown to read, JSON with the whole tree.

In: a chat and its messages.  Out: text. What a message holds stands in the Markdown as it is, so that code stays code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from chatwright.store.chats import Chat, ChatMessage, branch_of

VERSION = 1


def to_markdown(chat: Chat, tree: Sequence[ChatMessage]) -> str:
    """The open branch, for people."""
    parts = [f"# {chat.title or 'Chat'}", f"{chat.created_at:%Y-%m-%d %H:%M} UTC{_by(chat.model)}"]
    if chat.system:
        parts += ["## System", chat.system]
    for message in branch_of(tree, chat.tip_id):
        parts += [f"## {message.role.capitalize()}{_by(message.model)}", message.content]
    return "\n\n".join(parts) + "\n"


def to_json(chat: Chat, tree: Sequence[ChatMessage]) -> str:
    """All branches, and the open one again as `messages`, which `chatwright check` and training read."""
    opened = [{"role": message.role, "content": message.content} for message in branch_of(tree, chat.tip_id)]
    system = [{"role": "system", "content": chat.system}] if chat.system else []
    return json.dumps(chat_as_dict(chat, tree) | {"messages": system + opened}, indent=2, ensure_ascii=False) + "\n"


def chat_as_dict(chat: Chat, tree: Sequence[ChatMessage]) -> dict[str, Any]:
    return {
        "format": "chatwright chat",
        "version": VERSION,
        "id": chat.id,
        "title": chat.title,
        "system_prompt": chat.system,
        "model": chat.model,
        "sampling": dict(chat.sampling),
        "consent": chat.consent,
        "created_at": chat.created_at.isoformat(),
        "changed_at": chat.changed_at.isoformat(),
        "tip_id": chat.tip_id,
        "tree": [
            {
                "id": message.id,
                "parent_id": message.parent_id,
                "role": message.role,
                "content": message.content,
                "model": message.model,
                "settings": message.settings,
                "finish_reason": message.finish_reason,
                "created_at": message.created_at.isoformat(),
            }
            for message in tree
        ],
    }


def _by(model: str) -> str:
    return f" ({model})" if model else ""
