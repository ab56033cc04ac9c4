"""Hide secrets: logins and signatures in URLs, tokens, and keys and passwords from the environment.

Anything that quotes a URL or another library's message goes through ``hide_secrets`` before it is printed or stored.
"""

from __future__ import annotations

import os
import re

HIDDEN = "***"
SHORTEST = 8  # characters of an environment value: a shorter one may be an ordinary word
_NAMES = re.compile(r"(?i)(^|_)(key|apikey|token|pat|secret|password|passwd|pwd)($|_)")
_LOGIN = re.compile(  # a password may contain anything, even a slash; bounded repeats keep the search fast
    r"""((?<=:)//|(?<=https:)/|(?<=http:)/)  # Path turns two slashes into one
        ([^\s/?#"'<>:@]{0,4000}:(?!\d*[/?#])[^\s"'<>]{0,4000}|[^\s/?#"'<>]{0,4000})@
    """,
    re.VERBOSE,
)
_QUERY = re.compile(r"""(\b[a-zA-Z][\w+.-]{1,20}:/{1,2}[^\s?#"'<>]{0,4000})[?#][^\s"'<>)]+""")
_PARAMETER = re.compile(
    r"(?i)([?&;][\w.-]{0,40}(?:key|token|secret|signature|sig|password|passwd|pwd|credential|auth)[\w.-]{0,40}=)[^\s&'\"]+"
)
_TOKEN = re.compile(r"\b(hf_|KGAT_|AKIA|ghp_|sk-)[\w-]{12,}|\b(Bearer|Basic) +(?=\S*[\d=])[\w.~+/=-]{8,}")


def hide_secrets(text: str) -> str:
    """Replace secrets with ``***``; in a URL, everything after the path goes too."""
    for secret in _environment():
        text = text.replace(secret, HIDDEN)
    text = _LOGIN.sub(rf"\1{HIDDEN}@", text)
    text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    return _TOKEN.sub(lambda found: f"{found[1] or found[2] + ' '}{HIDDEN}", text)


def _environment() -> list[str]:
    """Values of variables named like a key or token; the longest first, as one may contain another."""
    named = {name: value for name, value in os.environ.items() if _NAMES.search(name) and name != "PWD"}  # a folder
    values = {value for value in named.values() if len(value) >= SHORTEST}
    return sorted(values, key=len, reverse=True)
