"""``promptlight login``: hand over to kagglehub's own dialogue."""

from __future__ import annotations


def login() -> None:
    """Log in to Kaggle, for models that need it.

    Asks for your user name and API token, and hands them to kagglehub.
    """
    import kagglehub

    kagglehub.login()
