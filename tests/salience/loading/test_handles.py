"""What may be written for a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import DEMO_FOLDER, Handle, check_folder, parse_handle, spell_stored

SECRET = "planted-5ecret-value"


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
        ("google/gemma-2-2b-it", "google/gemma-2-2b-it", "hf://google/gemma-2-2b-it", False),
        ("mine:google/gemma-2-2b-it", "mine", "hf://google/gemma-2-2b-it", False),
        ("google/gemma@main", "google/gemma@main", "hf://google/gemma@main", False),
        ("mine:hf://google/gemma@refs/pr/7", "mine", "hf://google/gemma@refs/pr/7", False),
        ("google/gemma/x", "google/gemma/x", "google/gemma/x", False),
        ("google/gemma.gguf", "google/gemma.gguf", "google/gemma.gguf", False),
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


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_lies_at_a_path_of_two_parts_is_meant_and_not_hugging_faces_model_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_folder: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "google" / "gemma"
    there.parent.mkdir()
    there.mkdir() if is_folder else there.touch()
    assert parse_handle("google/gemma") == Handle("google/gemma", "google/gemma")


def test_a_stored_folder_that_has_gone_is_not_looked_for_on_hugging_face() -> None:
    assert parse_handle(spell_stored("models/mine")) == Handle("./models/mine", "models/mine")
    assert parse_handle(spell_stored("models/mine")).is_folder
    for kept in ("hf://google/gemma", "demo", "gemma2_2b_en", "/models/mine", "a/b/c", "kaggle://a/b/keras/c"):
        assert spell_stored(kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        *(f"https://user:{SECRET}@x.org/m", f"mine:https://x.org/m?token={SECRET}", f"hf://user:{SECRET}@org/m"),
        *(f"kaggle://keras/gemma2/keras/v?key={SECRET}", "hf://../../etc", "kaggle://keras/gemma2/../../v", "gs://b/m"),
        *(
            "file:///models/m",
            "hf://a/b/c",
            "hf://a/b@",
            "hf://a@b/c",
            "hf://a/b@../x",
            "kaggle://keras/gemma2",
            "hf://",
            "kaggle://",
        ),
    ],
)
def test_an_address_of_no_hub_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(ModelError, match="expected kaggle://OWNER/MODEL/keras/VARIATION") as caught:
        parse_handle(text)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", "name: "])
def test_nothing_is_no_model(text: str) -> None:
    with pytest.raises(ModelError, match="expected a model, found nothing"):
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
    with pytest.raises(ModelError, match="is a file, but no GGUF file; expected one, or the folder"):
        check_folder(tmp_path / "file")


def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", refuse)  # root may read any
    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(ModelError, match=r"can't be read \(Permission denied\); check its permissions"):
        check_folder(tmp_path)
