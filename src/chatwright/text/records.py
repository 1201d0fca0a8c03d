"""Temporary reader."""
from __future__ import annotations
import json
from pathlib import Path
from chatwright.text.conversation import Conversation
def read_conversations(paths):
    return [Conversation.from_messages(json.loads(l)["messages"]) for p in paths for l in Path(p).read_text().splitlines()]
def read_prompts(paths):
    return [(Conversation.from_messages(json.loads(l)["prompt"]), json.loads(l).get("facts",{})) for p in paths for l in Path(p).read_text().splitlines()]
