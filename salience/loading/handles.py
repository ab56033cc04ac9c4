"""What a user may write for a model, and plain words for what can go wrong when it is fetched.

demo                               the small model inside the package
gemma2_instruct_2b_en              a preset that keras-nlp knows
kaggle://keras/gemma2/keras/...    a Kaggle model
hf://google/gemma-2-2b-it          a Hugging Face model
./folder                           a local folder: a Keras preset, or what Hugging Face transformers wrote
name:any of these                  the same, shown under a name of your own
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from promptlight.salience.errors import ModelError
from promptlight.salience.text.secrets import hide_secrets

DEMO = "demo"
DEMO_FOLDER = Path(__file__).parents[1] / "demo"
FAMILIES = "Gemma 1 and 1.1 (with CodeGemma and ShieldGemma), Gemma 2 and Gemma 3 text"

KAGGLE_LOGIN = (
    "log in to Kaggle in one of three ways: run `promptlight login`; set KAGGLE_USERNAME and KAGGLE_KEY; or put your"
    " API token into ~/.kaggle/kaggle.json (kaggle.com > Settings > Create new token)"
)
NO_NETWORK = (
    *("ConnectionError", "ConnectError", "ProxyError", "SSLError", "Timeout", "LocalEntryNotFound"),
    *("Max retries", "Name or service not known"),
)
REFUSED = ("401 Client Error", "403 Client Error", "Unauthorized", "Unauthenticated", "Forbidden", "not accessible")
PATH_STARTS = (".", "/", "~")
PRESET_FILES = ("config.json", "model.weights.h5", "model.safetensors")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npy", ".npz", ".keras")  # .keras: layers with code
_ADDRESS = re.compile(r"kaggle://\w[\w.-]*(/\w[\w.-]*){3,4}|hf://\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True)
class Handle:
    """A model as the user named it: ``name`` for showing, ``preset`` for loading."""

    name: str
    preset: str
    written_as_path: bool = field(default=False, compare=False)  # `./x` is kept as `x`, which is no preset's name

    @property
    def is_folder(self) -> bool:
        """Whether the preset is meant as a local folder."""
        if "://" in self.preset:
            return False
        return self.written_as_path or self.preset.startswith(PATH_STARTS) or Path(self.preset).is_dir()


def parse_handle(text: str) -> Handle:
    """Split an optional ``name:`` off; resolve ``demo`` and ``~``. Raises ModelError for an address of no hub."""
    named = re.match(r"([\w.-]{2,}):(?!//)(.+)", text)  # two letters at least: C:\folder is no name
    name, preset = named.groups() if named else (text, text)
    if not preset.strip():
        raise ModelError("expected a model after --model, found nothing: try `demo` or `gemma2_instruct_2b_en`")
    if "://" in preset and not _ADDRESS.fullmatch(preset):
        raise ModelError(
            f"{hide_secrets(preset)}: no address of a model; expected kaggle://OWNER/MODEL/keras/VARIATION, perhaps"
            " with /VERSION, or hf://OWNER/MODEL"
        )
    if preset == DEMO:
        return Handle(name, str(DEMO_FOLDER))
    handle = Handle(name, preset, written_as_path=preset.startswith(PATH_STARTS))
    if not handle.is_folder:
        return handle
    folder = Path(preset).expanduser()
    return replace(handle, preset=str(DEMO_FOLDER if folder.resolve() == DEMO_FOLDER.resolve() else folder))


def check_folder(folder: Path) -> None:
    """Raise ModelError unless a folder looks like a preset."""
    if not folder.exists():
        raise ModelError(f"{folder}: no such folder; expected one with {PRESET_FILES[0]} and weights in it")
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file; expected the folder of a preset, such as {folder.parent}")
    names = sorted(path.name for path in folder.iterdir())
    weights = any(name.endswith((".weights.h5", ".safetensors")) for name in names)
    if "config.json" in names and weights:
        return
    found = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") or "nothing"
    missing = "config.json" if "config.json" not in names else "weights (model.weights.h5 or model.safetensors)"
    unread = [name for name in names if name.endswith(PICKLES)]
    advice = f"; {unread[0]} is not read, as it can hold code: save the model as safetensors" if unread else ""
    raise ModelError(f"{folder} is no preset: it has no {missing}; found {found}{advice}")


def explain_loading_error(handle: Handle, error: BaseException, *, kaggle_login: bool) -> ModelError:
    """Turn what keras-nlp, kagglehub or huggingface_hub raised into one line that says what to do."""
    if isinstance(error, ModelError):
        return error
    preset = handle.preset
    if handle.is_folder:  # no hub was asked, whatever numbers its path or its files hold
        return ModelError(f"{preset}: could not be loaded ({type(error).__name__}: {_first_line(error)})")
    text = " ".join(f"{type(one).__name__}: {one}" for one in _causes(error))
    hugging_face = preset.startswith("hf://")
    page = f"https://huggingface.co/{preset[5:]}" if hugging_face else "its page on kaggle.com/models"
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
