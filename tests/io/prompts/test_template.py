"""Templates: what they make of a record, and which texts are none."""

# pyright: standard

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptlight.io.prompts.reader import PromptReader
from promptlight.io.prompts.reading import Reading
from promptlight.io.prompts.template import Template, read_template
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.support.prompt_files import prompts_of, save


def test_a_template_makes_the_prompt(tmp_path: Path) -> None:
    template = tmp_path / "t.txt"
    template.write_text("{{Likes}}: {likes}\n{n} x {dish}:\n", encoding="utf-8")
    records = [{"id": "1", "likes": "{cheese}", "n": 2, "dish": "Quiche"}, {"id": "2", "likes": "eggs", "n": 0.5}]
    whole, lacking = PromptReader(
        save(tmp_path / "p.jsonl", records), reading=Reading(template=read_template(template))
    )
    assert isinstance(whole, Prompt)
    assert (whole.text, whole.fields["dish"]) == ("{Likes}: {cheese}\n2 x Quiche:", "Quiche")
    assert isinstance(lacking, SetAside)
    assert (lacking.line, "`dish` for the template, found `id`, `likes`, `n`" in lacking.reason) == (2, True)


def test_another_template_is_another_record(tmp_path: Path) -> None:
    path = save(tmp_path / "p.jsonl", [{"dish": "Quiche"}])
    one, two = (prompts_of(path, reading=Reading(template=Template(text)))[0] for text in ("Eat {dish}", "Ate {dish}"))
    assert one.fingerprint != two.fingerprint


def test_placeholders_lead_into_objects_and_lists(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Is soup sweet?"}, {"role": "assistant", "content": "No."}]
    path = save(tmp_path / "p.jsonl", [{"messages": said, "meta": {"dish": "Soup"}}, {"messages": said[1:]}])
    template = Template("{meta.dish}: {messages.0.content}")
    whole, lacking = PromptReader(path, reading=Reading(template=template))
    assert isinstance(whole, Prompt)
    assert (whole.text, whole.turns) == ("Soup: Is soup sweet?", ())
    assert isinstance(lacking, SetAside)
    assert "expected a field `meta.dish` for the template, found `messages`" in lacking.reason


def test_null_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "p.jsonl", [{"instruction": "Name", "input": None, "messages": None}, {"messages": []}])
    null, chat = PromptReader(path, reading=Reading(template=Template("{instruction} {input}")))
    assert isinstance(null, SetAside)
    assert null.reason == 'expected `input` to be text for the template, found null; write "" for no text'
    assert isinstance(chat, SetAside)
    assert "found a chat" in chat.reason


@pytest.mark.parametrize("value", [None, ["a"], True, {"a": 1}])
def test_a_value_that_is_no_text_sets_the_record_aside(tmp_path: Path, value: Any) -> None:
    path = save(tmp_path / "p.jsonl", [{"dish": value}])
    (record,) = PromptReader(path, reading=Reading(template=Template("Eat {dish}")))
    assert isinstance(record, SetAside)
    assert "`dish`" in record.reason


@pytest.mark.parametrize("text", ["", "no placeholder", "{", "}", "a {} b", "{dish!r}", "{dish:>9}", "{{dish}}"])
def test_what_is_no_template_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="placeholders") as caught:
        read_template(path)
    assert caught.value.path == str(path)


def test_a_byte_order_mark_is_no_part_of_the_template(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"\xef\xbb\xbfDish: {dish}\r\nAnalysis:")
    assert read_template(path).fill({"dish": "Naan"}) == "Dish: Naan\nAnalysis:"


def test_an_unreadable_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no readable file"):
        read_template(tmp_path / "absent.txt")
    (tmp_path / "t.txt").write_bytes(b"\xff{a}")
    with pytest.raises(InputError, match="not UTF-8"):
        read_template(tmp_path / "t.txt")
