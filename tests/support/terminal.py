"""Escape sequences of terminals, and the example prompts that contain some."""

from __future__ import annotations

import re

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")  # a colour
MARKS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹»«]")
ORDERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
HOSTILE = ("chinese", "arabic", "emoji", "escapes", "markup", "long-word")
