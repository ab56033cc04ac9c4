"""Explain in a line why a model could not be fetched or read, from the errors of three libraries, and what to do."""

from __future__ import annotations

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import Handle
from promptlight.salience.text.secrets import hide_secrets

KAGGLE_LOGIN = (
    "log in to Kaggle in one of three ways: run `promptlight login`; set KAGGLE_USERNAME and KAGGLE_KEY; or put your"
    " API token into ~/.kaggle/kaggle.json (kaggle.com > Settings > Create new token)"
)
NO_NETWORK = (
    *("ConnectionError", "ConnectError", "ProxyError", "SSLError", "Timeout", "LocalEntryNotFound"),
    *("Max retries", "Name or service not known"),
)
REFUSED = ("401 Client Error", "403 Client Error", "Unauthorized", "Unauthenticated", "Forbidden", "not accessible")


def explain_loading_error(handle: Handle, error: BaseException, *, kaggle_login: bool) -> ModelError:
    """Turn an error of keras-nlp, kagglehub or huggingface_hub into one line that says what to do."""
    if isinstance(error, ModelError):
        return error
    preset = handle.preset
    if handle.is_folder or handle.is_gguf:  # no hub was involved, even if its path contains numbers such as 404
        return ModelError(f"{preset}: could not be loaded ({type(error).__name__}: {_first_line(error)})")
    text = " ".join(f"{type(one).__name__}: {one}" for one in _causes(error))
    hugging_face = preset.startswith("hf://")
    page = f"https://huggingface.co/{preset[5:].partition('@')[0]}" if hugging_face else "its page on kaggle.com/models"
    if _says(text, *NO_NETWORK):
        site = "huggingface.co" if hugging_face else "kaggle.com"
        return ModelError(f"{preset}: no network: could not reach {site}; connect, or use a local folder or `demo`")
    if _says(text, "GatedRepo"):
        return ModelError(f"{preset}: licence not accepted: accept it on {page}, then log in with `hf auth login`")
    if hugging_face and _says(text, "RepositoryNotFound", *REFUSED):
        return ModelError(f"{preset}: not found or not yours to read: check the name, and log in with `hf auth login`")
    if _says(text, *REFUSED, "permission to access"):
        if kaggle_login:
            return ModelError(f"{preset}: licence not accepted: accept the model's terms on {page}, then try again")
        return ModelError(f"{preset}: Kaggle needs a login: {KAGGLE_LOGIN}")
    if _says(text, "404 Client Error", "NotFound", "doesn't exist", "Unknown preset"):
        return ModelError(f"{preset}: no such model, or a file is missing from it ({_first_line(error)})")
    return ModelError(f"{preset}: could not be loaded ({type(error).__name__}: {_first_line(error)})")


def _causes(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _says(text: str, *words: str) -> bool:
    return any(word in text for word in words)


def _first_line(error: BaseException) -> str:
    """What an error says first, without the secrets that a library may have quoted."""
    return hide_secrets(str(error).strip().split("\n")[0])[:200]
