"""Data sets on Hugging Face, read from a stand-in of its file system."""

# pyright: standard

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import fsspec
import httpx2
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from huggingface_hub import errors

from promptlight.io.prompts.files._hub import explain_hub
from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.salience.errors import InputError
from tests.support.prompt_files import prompts_of

FILES = {
    "datasets/me/set/README.md": "# Set",
    "datasets/me/set/.gitattributes": "",
    "datasets/me/set/data/train-00000-of-00002.jsonl": '{"prompt": "a"}\n',
    "datasets/me/set/data/train-00001-of-00002.jsonl": '{"prompt": "b"}\n',
    "datasets/me/set/data/test-00000-of-00001.jsonl": '{"prompt": "t"}\n',
    "datasets/me/set@v1/lang=en/p.jsonl": '{"prompt": "old"}\n',
    "datasets/me/set@v1/lang=de/p.jsonl": '{"prompt": "alt"}\n',
}


class Hub(MemoryFileSystem):
    """huggingface-hub's file system, with files of its own in memory."""

    protocol = "hf"
    store: ClassVar[dict[str, Any]] = {}  # pyright: ignore[reportIncompatibleVariableOverride]
    pseudo_dirs: ClassVar[list[str]] = [""]
    asked: ClassVar[list[str]] = []
    failure: Exception | None = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("hf://"))

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        self.asked.append(path)
        if self.failure is not None:
            raise self.failure
        return super().info(path, **options)


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "hf", Hub)
    monkeypatch.setattr(Hub, "store", {})
    monkeypatch.setattr(Hub, "pseudo_dirs", [""])
    monkeypatch.setattr(Hub, "asked", [])
    monkeypatch.setattr(Hub, "failure", None)
    fsspec.filesystem("hf").pipe({path: content.encode() for path, content in FILES.items()})
    Hub.asked.clear()
    yield Hub
    Hub.clear_instance_cache()


def texts_of(source: str, **options: Any) -> dict[str, str]:
    return {one.id: one.text for one in prompts_of(source, **options)}


def test_a_file_is_read_without_a_list_of_the_data_set(hub: type[Hub]) -> None:
    reader = PromptReader("hf://datasets/me/set/data/test-00000-of-00001.jsonl")
    assert hub.asked == []
    assert [one.id for one in reader] == ["test-00000-of-00001-1"]


def test_a_split_of_a_data_set_is_read(hub: type[Hub]) -> None:
    with pytest.raises(InputError, match="expected a split to be named, found test, train"):
        PromptReader("hf://datasets/me/set")
    both = {f"set/data/train-0000{n}-of-00002-1": text for n, text in enumerate("ab")}
    assert texts_of("hf://datasets/me/set", split="train") == both
    assert texts_of("hf://datasets/me/set/data/", split="test") == {"data-1": "t"}
    assert [one.path for one in prompts_of("hf://datasets/me/set", split="test")] == [
        "hf://datasets/me/set/data/test-00000-of-00001.jsonl"
    ]
    with pytest.raises(InputError, match="found a file"):
        PromptReader("hf://datasets/me/set/data/test-00000-of-00001.jsonl", split="test")


def test_a_revision_and_a_pattern_are_followed(hub: type[Hub]) -> None:
    assert texts_of("hf://datasets/me/set@v1") == {"set/lang=de/p-1": "alt", "set/lang=en/p-1": "old"}
    assert [one.fields for one in prompts_of("hf://datasets/me/set@v1/*/p.jsonl")] == [{"lang": "de"}, {"lang": "en"}]
    assert texts_of("hf://datasets/me/set/data/train-*.jsonl") == {
        f"data/train-0000{n}-of-00002-1": text for n, text in enumerate("ab")
    }
    assert texts_of("mine:hf://datasets/me/set@v1/lang=en") == {"mine-1": "old"}


@pytest.mark.parametrize(
    "address", ["hf://datasets/me/none", "hf://datasets/me/set/*.csv", "hf://datasets/me/none.csv"]
)
def test_what_is_not_there_is_said(hub: type[Hub], address: str) -> None:
    with pytest.raises(InputError, match="found nothing at that address"):
        list(read_prompts(address))


def fail(kind: type[Exception]) -> Exception:
    if issubclass(kind, errors.HfHubHTTPError):
        return kind("no", response=httpx2.Response(403, request=httpx2.Request("GET", "https://huggingface.co")))
    return kind("no")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (errors.GatedRepoError, "found a gated data set; accept its terms on its page"),
        (errors.RepositoryNotFoundError, "found no such data set, or a private one; check its name, or log in"),
        (errors.RevisionNotFoundError, "found no such revision; check what follows the @"),
        (errors.OfflineModeIsEnabled, "but HF_HUB_OFFLINE is set; unset it"),
        (ConnectionError, "but it can't be fetched: no; check the network"),
    ],
)
@pytest.mark.parametrize("address", ["hf://datasets/me/set", "hf://datasets/me/set/data/test-00000-of-00001.jsonl"])
def test_why_a_data_set_is_out_of_reach(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch, kind: type[Exception], said: str, address: str
) -> None:
    hidden = FileNotFoundError("datasets/me/set")
    hidden.__cause__ = fail(kind)
    monkeypatch.setattr(hub, "failure", fail(kind) if kind is ConnectionError else hidden)
    monkeypatch.setattr(hub, "open", hub.info)
    with pytest.raises(InputError, match=said):
        list(read_prompts(address))


def test_a_name_that_the_hub_would_refuse_is_no_data_set() -> None:
    assert explain_hub(errors.HFValidationError("no")).startswith("found no such data set")
