"""The small page of those who have no link: it asks for the password, or says where the link is."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape

_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;"
    "padding:0 1rem}input,button{font:inherit;padding:.4rem .6rem}label{display:block;margin-bottom:.3rem}"
)
_SCRIPT = """
"use strict";
const [form, field, said] = ["form", "input", "#said"].map((one) => document.querySelector(one));
field.focus(); // browsers ignore autofocus where the address has a part behind #
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = form.dataset.waiting;
  try {
    const answer = await fetch("enter", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ password: field.value }),
    });
    const found = await answer.json();
    if (answer.ok) location.replace(`?token=${encodeURIComponent(found.token)}${location.hash}`);
    else said.textContent = answer.status === 403 ? form.dataset.wrong : form.dataset.often;
  } catch {
    said.textContent = form.dataset.away;
  }
  field.select();
});
"""


@dataclass(frozen=True, kw_only=True)
class _Words:
    title: str
    ask: str
    password: str
    enter: str
    link: str
    waiting: str
    wrong: str
    often: str
    away: str


_WORDS = {
    "en": _Words(
        title="This page has a key",
        ask="Whoever opened it can send you the link, which lets you in at once. Or enter the password.",
        link="Open it by its link: whoever started `promptlight serve` can send it to you.",
        password="Password",
        enter="Enter",
        waiting="One moment …",
        wrong="That is not the password.",
        often="Too many tries: wait a minute.",
        away="The server does not answer: is it still running?",
    ),
    "zh-TW": _Words(
        title="這個頁面需要鑰匙",
        ask="請開啟這個頁面的人把連結傳給您，用連結可直接進入；或輸入密碼。",
        link="請用連結開啟：執行 `promptlight serve` 的人可以把連結傳給您。",
        password="密碼",
        enter="進入",
        waiting="請稍候……",
        wrong="密碼不對。",
        often="嘗試太多次，請等一分鐘。",
        away="伺服器沒有回應，還在執行嗎？",
    ),
}
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src"
    f" 'sha256-{base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()}'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'"
)
"""Its Content-Security-Policy: it runs its own script, and loads nothing."""


def draw_entrance(languages: str, *, has_password: bool) -> str:
    """The HTML, in the language that the browser's ``Accept-Language`` asks for first, of those that it knows."""
    is_chinese = languages.strip().lower().startswith("zh")
    language = "zh-TW" if is_chinese else "en"
    words = _WORDS[language]
    asked = _draw_form(words) if has_password else ""
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(words.title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(words.title)}</h1><p>{escape(words.ask if has_password else words.link)}</p>{asked}"
        "</main></body></html>"
    )


def _draw_form(words: _Words) -> str:
    said = " ".join(f'data-{name}="{escape(getattr(words, name))}"' for name in ("waiting", "wrong", "often", "away"))
    return (
        f'<form {said}><label for="password">{escape(words.password)}</label>'
        '<input id="password" type="password" autocomplete="current-password" required>'
        f' <button>{escape(words.enter)}</button><p id="said" role="status"></p></form>'
        f"<script>{_SCRIPT}</script>"
    )
