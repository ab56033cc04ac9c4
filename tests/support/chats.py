"""Chats for tests."""

from __future__ import annotations

from typing import Any


def say(*roles_and_contents: str | list[str]) -> list[dict[str, Any]]:
    """Messages of ``role: content``, or of a role and the texts of parts."""
    pairs = [one.split(": ", 1) if isinstance(one, str) else (one[0], one[1:]) for one in roles_and_contents]
    return [
        {"role": role, "content": said if isinstance(said, str) else [{"type": "text", "text": text} for text in said]}
        for role, said in pairs
    ]
