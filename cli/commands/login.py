"""``promptlight login``: kagglehub asks for a token and tests it; it is stored where kagglehub looks for one."""

from __future__ import annotations

import sys
from pathlib import Path

from promptlight.io.files import not_written, writing
from promptlight.salience.errors import ModelError, OutputError, UsageError

TOKEN = Path("~/.kaggle/access_token")
ONLY_MINE = 0o600


def login() -> None:
    """Log in to Kaggle, for models that need it.

    Asks for an API token, which is not shown, and keeps it in ~/.kaggle/access_token, which only you can read.
    """
    import kagglehub
    from kagglehub.auth import get_username
    from kagglehub.config import get_kaggle_credentials

    try:
        kagglehub.login()  # for this process only: it stores nothing
    except ValueError as error:
        raise UsageError(f"expected an API token ({error}); make one at kaggle.com/settings/api") from error
    credentials = get_kaggle_credentials()
    if credentials is None or not credentials.api_key or get_username() is None:
        raise ModelError(
            "Kaggle did not take the token, or could not be asked, so it was not kept; check the network, or make a new"
            " token at kaggle.com/settings/api"
        )
    keep_token(credentials.api_key.strip())
    print(f"Kept in {TOKEN}, which only you can read.", file=sys.stderr)


def keep_token(token: str) -> None:
    """Write the file so that others can never read it. Raises ModelError."""
    path = TOKEN.expanduser()
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with writing(path, mode=ONLY_MINE) as temporary:
            temporary.write_text(token, encoding="utf-8")
    except (OSError, OutputError) as error:
        reason = not_written(path, error) if isinstance(error, OSError) else error
        raise ModelError(f"{reason}; set KAGGLE_API_TOKEN instead") from error
