"""What a user is told when a model can't be had, from the libraries' own errors."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import huggingface_hub.errors
import kagglehub
import pytest
import requests
from kagglehub.exceptions import KaggleApiHTTPError, UnauthenticatedError
from keras_hub.src.utils.preset_utils import get_file

from promptlight.salience.loading.handles import Handle
from promptlight.salience.loading.hub_errors import explain_loading_error

SECRET = "planted-5ecret-value"
KAGGLE = Handle("g", "gemma2_instruct_2b_en")
HUGGING_FACE = Handle("h", "hf://google/gemma-2-2b-it")


def from_kagglehub(status: int, what: str) -> KaggleApiHTTPError:
    """kagglehub's own error, raised from requests'."""
    response = requests.Response()
    response.status_code, response.url = status, f"https://www.kaggle.com/api/v1/models?token={SECRET}"
    try:
        try:
            response.raise_for_status()
        except requests.HTTPError as error:
            raise KaggleApiHTTPError(f"{status} Client Error.\n\n{what} URL: {SECRET}", response=response) from error
    except KaggleApiHTTPError as error:
        return error
    raise AssertionError


def through_keras_hub(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Exception:
    """What keras-hub makes of an error of kagglehub's while it fetches a file."""

    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(kagglehub, "model_download", fail)
        with pytest.raises(Exception, match=r".") as caught:
            get_file(KAGGLE.preset, "config.json")
    return caught.value


def from_hugging_face(kind: Any, text: str) -> Exception:
    try:
        raise kind(text, response=requests.Response())
    except Exception as error:
        return error


def with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


class ConnectError(Exception):
    """httpx's, which huggingface_hub wraps or passes on; only the name is looked at."""


class ConnectTimeout(Exception):
    """httpx's."""


REFUSED = "You don't have permission to access resource at"
LOGIN, LICENCE, NO_KAGGLE = "Kaggle needs a login", "licence not accepted", "could not reach kaggle.com"
NO_MODEL, NO_HF, HF_LOGIN = "no such model", "could not reach huggingface.co", "log in with `hf auth login`"
Cases = list[tuple[Handle, Callable[[], Exception], bool, str]]
CASES: Cases = [
    (KAGGLE, lambda: from_kagglehub(401, REFUSED), False, LOGIN),
    (KAGGLE, lambda: from_kagglehub(403, REFUSED), False, LOGIN),
    (KAGGLE, lambda: from_kagglehub(403, REFUSED), True, LICENCE),
    (KAGGLE, lambda: from_kagglehub(404, "Resource not found at"), True, NO_MODEL),
    (KAGGLE, lambda: UnauthenticatedError(), False, LOGIN),
    (KAGGLE, lambda: requests.ConnectionError(f"Max retries exceeded with url: /?key={SECRET}"), True, NO_KAGGLE),
    (KAGGLE, lambda: requests.exceptions.ReadTimeout("HTTPSConnectionPool: Read timed out."), True, NO_KAGGLE),
    (KAGGLE, lambda: requests.exceptions.ProxyError(f"http://user:{SECRET}@proxy"), True, NO_KAGGLE),
    (HUGGING_FACE, lambda: from_hugging_face(huggingface_hub.errors.GatedRepoError, "403 Client Error"), True, LICENCE),
    (
        HUGGING_FACE,
        lambda: from_hugging_face(huggingface_hub.errors.RepositoryNotFoundError, "401 Client Error"),
        True,
        HF_LOGIN,
    ),
    (
        HUGGING_FACE,
        lambda: from_hugging_face(huggingface_hub.errors.HfHubHTTPError, "Client error '403 Forbidden' for url"),
        False,
        HF_LOGIN,
    ),
    (
        HUGGING_FACE,
        lambda: with_cause(huggingface_hub.errors.LocalEntryNotFoundError("offline"), ConnectError("refused")),
        True,
        NO_HF,
    ),
    (HUGGING_FACE, lambda: ConnectError("[Errno 111] Connection refused"), True, NO_HF),
    (HUGGING_FACE, lambda: ConnectTimeout("timed out"), True, NO_HF),
    (HUGGING_FACE, lambda: FileNotFoundError("`config.json` doesn't exist in preset directory"), True, NO_MODEL),
    (KAGGLE, lambda: RuntimeError(f"{SECRET} went wrong\nmore"), True, "(RuntimeError: *** went wrong)"),
]


@pytest.mark.parametrize(("handle", "build", "login", "says"), CASES)
def test_each_failure_has_its_own_line_and_keeps_secrets(
    monkeypatch: pytest.MonkeyPatch, handle: Handle, build: Callable[[], Exception], login: bool, says: str
) -> None:
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    message = str(explain_loading_error(handle, build(), kaggle_login=login))
    assert message.startswith(f"{handle.preset}: ")
    assert [other for other in (LOGIN, LICENCE, NO_KAGGLE, NO_MODEL, NO_HF, HF_LOGIN, says) if other in message][
        -1:
    ] == [says]
    assert "\n" not in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("status", "login", "says"),
    [(401, False, LOGIN), (403, False, LOGIN), (403, True, "accept the model's terms on"), (404, True, NO_MODEL)],
)
def test_what_keras_hub_makes_of_kaggles_answer_is_still_understood(
    monkeypatch: pytest.MonkeyPatch, status: int, login: bool, says: str
) -> None:
    error = through_keras_hub(monkeypatch, from_kagglehub(status, "Resource at"))
    assert not isinstance(error, KaggleApiHTTPError)
    message = str(explain_loading_error(KAGGLE, error, kaggle_login=login))
    assert says in message
    assert "\n" not in message


def test_advice_names_every_way_to_log_in() -> None:
    message = str(explain_loading_error(KAGGLE, UnauthenticatedError(), kaggle_login=False))
    for way in ("promptlight login", "KAGGLE_USERNAME and KAGGLE_KEY", "~/.kaggle/kaggle.json"):
        assert way in message


@pytest.mark.parametrize("name", ["KAGGLE_KEY", "KAGGLE_API_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
def test_no_secret_of_the_environment_is_repeated(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    error = RuntimeError(f"{'x' * 190}{SECRET}")  # where the line is cut
    monkeypatch.delenv(name, raising=False)
    assert SECRET[:9] in str(explain_loading_error(KAGGLE, error, kaggle_login=True))
    monkeypatch.setenv(name, SECRET)
    assert SECRET[:9] not in str(explain_loading_error(KAGGLE, error, kaggle_login=True))


def test_a_local_folder_is_never_a_matter_of_logins_or_networks() -> None:
    handle = Handle("x", "/models/gemma-401 Client Error Timeout")
    message = str(
        explain_loading_error(handle, OSError(f"no file {handle.preset}/model.weights.h5"), kaggle_login=False)
    )
    assert message == f"{handle.preset}: could not be loaded (OSError: no file {handle.preset}/model.weights.h5)"


def test_a_number_in_a_name_is_no_status_code() -> None:
    message = str(explain_loading_error(KAGGLE, RuntimeError("bad tensor at 40311401"), kaggle_login=False))
    assert "could not be loaded (RuntimeError: bad tensor at 40311401)" in message
