"""What must not be shown: the logins and signatures in addresses, tokens, and the environment's keys and passwords.

Whatever quotes an address or another library's words goes through ``hide_secrets`` before it is printed or stored.
"""

from __future__ import annotations

import os
import re

HIDDEN = "***"
SHORTEST = 8  # of the environment's values: a shorter one may be an ordinary word, and is no secret worth the name
_NAMES = re.compile(r"(?i)(^|_)(key|apikey|token|pat|secret|password|passwd|pwd)($|_)")
_LOGIN = re.compile(  # a password may hold anything, even a slash; no part is endless, so that no text takes forever
    r"""((?<=:)//|(?<=https:)/|(?<=http:)/)  # Path makes one slash of two
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
    """The text with ``***`` for what would let its reader in: of an address, all behind its path goes too."""
    for secret in _environment():
        text = text.replace(secret, HIDDEN)
    text = _LOGIN.sub(rf"\1{HIDDEN}@", text)
    text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    return _TOKEN.sub(lambda found: f"{found[1] or found[2] + ' '}{HIDDEN}", text)


def _environment() -> list[str]:
    """The values of variables that are called a key, token or the like; the longest first, as one may hold another."""
    values = {value for name, value in os.environ.items() if _NAMES.search(name) and len(value) >= SHORTEST}
    return sorted(values, key=len, reverse=True)
