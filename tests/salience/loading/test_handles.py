"""What may be written for a model, and what a user is told when one can't be had, from the libraries' own errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.errors
import kagglehub
import pytest
import requests
from kagglehub.exceptions import KaggleApiHTTPError, UnauthenticatedError
from keras_hub.src.utils.preset_utils import get_file

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import DEMO_FOLDER, Handle, check_folder, explain_loading_error, parse_handle

SECRET = "planted-5ecret-value"
KAGGLE = Handle("g", "gemma2_instruct_2b_en")
HUGGING_FACE = Handle("h", "hf://google/gemma-2-2b-it")


@pytest.mark.parametrize(
    ("text", "name", "preset", "is_folder"),
    [
        ("demo", "demo", str(DEMO_FOLDER), True),
        ("small:demo", "small", str(DEMO_FOLDER), True),
        ("gemma2_instruct_2b_en", "gemma2_instruct_2b_en", "gemma2_instruct_2b_en", False),
        ("mine:./folder", "mine", "folder", True),
        ("mine:/a/b:c", "mine", "/a/b:c", True),
        ("my.model-2:~/x", "my.model-2", str(Path("~/x").expanduser()), True),
        ("~/x", "~/x", str(Path("~/x").expanduser()), True),
        ("./x", "./x", "x", True),
        ("../x", "../x", "../x", True),
        ("C:\\x", "C:\\x", "C:\\x", False),
        (
            "kaggle://keras/gemma2/keras/v/2",
            "kaggle://keras/gemma2/keras/v/2",
            "kaggle://keras/gemma2/keras/v/2",
            False,
        ),
        ("mine:kaggle://keras/gemma2/keras/v", "mine", "kaggle://keras/gemma2/keras/v", False),
        ("hf://google/gemma-2-2b-it", "hf://google/gemma-2-2b-it", "hf://google/gemma-2-2b-it", False),
    ],
)
def test_what_a_user_may_write(text: str, name: str, preset: str, is_folder: bool) -> None:
    handle = parse_handle(text)
    assert handle == Handle(name, preset)
    assert handle.is_folder == is_folder


def test_a_folder_that_is_there_is_meant_even_without_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not parse_handle("models/mine").is_folder
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert parse_handle("models/mine").is_folder


@pytest.mark.parametrize(
    "text",
    [
        *(f"https://user:{SECRET}@x.org/m", f"mine:https://x.org/m?token={SECRET}", f"hf://user:{SECRET}@org/m"),
        *(f"kaggle://keras/gemma2/keras/v?key={SECRET}", "hf://../../etc", "kaggle://keras/gemma2/../../v", "gs://b/m"),
        *("file:///models/m", "hf://a/b/c", "kaggle://keras/gemma2", "hf://", "kaggle://"),
    ],
)
def test_an_address_of_no_hub_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(ModelError, match="expected kaggle://OWNER/MODEL/keras/VARIATION") as caught:
        parse_handle(text)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", "name: "])
def test_nothing_is_no_model(text: str) -> None:
    with pytest.raises(ModelError, match="expected a model after --model, found nothing"):
        parse_handle(text)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ((), "has no config.json; found nothing"),
        (("notes.txt",), "has no config.json; found notes.txt"),
        (("model.weights.h5",), "has no config.json"),
        (("config.json",), "has no weights (model.weights.h5 or model.safetensors); found config.json"),
        (
            ("config.json", "pytorch_model.bin"),
            "pytorch_model.bin is not read, as it can hold code: save the model as saf",
        ),
        (tuple("abcdefgh"), "found a, b, c, d, e, f, ..."),
    ],
)
def test_a_folder_that_is_no_preset_is_told_what_it_lacks(tmp_path: Path, files: tuple[str, ...], says: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(ModelError) as caught:
        check_folder(tmp_path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path} is no preset")


@pytest.mark.parametrize("weights", ["model.weights.h5", "model.safetensors", "model-00001-of-00002.safetensors"])
def test_a_folder_with_a_config_and_weights_passes(tmp_path: Path, weights: str) -> None:
    for name in ("config.json", weights):
        (tmp_path / name).touch()
    check_folder(tmp_path)


def test_a_missing_folder_and_a_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="no such folder"):
        check_folder(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="is a file; expected the folder"):
        check_folder(tmp_path / "file")


# ---- errors as the libraries raise them -----------------------------------------------------------------------------


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
