"""Text in other encodings than UTF-8: read where it is certain, with a note; refused with a hint where it isn't."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from promptlight.io.prompts.files._encodings import N_LOOKED_AT
from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.types import Prompt, SetAside
from tests.conftest import Command
from tests.support.prompt_files import write

WESTERN = ["Où êtes-vous né ? Ça coûte 5 €.", "Wie heißt die Straße?", "¿Dónde está el niño?", "“Não sei”, disse João."]
TEXTS = {
    "cp1252": WESTERN,
    "cp1251": ["Сладкий ли суп? Объясни, почему ты так думаешь.", "Спасибо за помощь, завтра будет хорошая погода."],
    "koi8_r": ["Сладкий ли суп? Объясни, почему ты так думаешь.", "Спасибо за помощь, завтра будет хорошая погода."],
    "cp1253": ["Είναι γλυκιά η σούπα; Εξηγήστε γιατί.", "Ευχαριστώ πολύ για τη βοήθεια."],
    "cp932": ["スープは甘いですか。", "理由を説明してください。"],
    "gb18030": ["汤是甜的吗？请解释你的理由。", "请写一个简短的解释。"],
    "big5": ["湯是甜的嗎？請解釋你的理由。", "請寫一個簡短的解釋。"],
    "cp949": ["수프가 달콤합니까? 이유를 설명하세요.", "짧은 설명을 써 주세요."],
}


def lay_out(texts: list[str], ending: str) -> str:
    if ending == "csv":
        return "prompt\n" + "".join(f'"{text.replace(chr(34), chr(34) * 2)}"\n' for text in texts)
    if ending == "txt":
        return "".join(f"{text}\n" for text in texts)
    return "".join(json.dumps({"prompt": text}, ensure_ascii=False) + "\n" for text in texts)


def texts_of(reader: PromptReader) -> list[str]:
    return [one.text for one in reader if isinstance(one, Prompt)]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "txt"])
@pytest.mark.parametrize("encoding", TEXTS)
def test_an_encoding_that_is_certain_is_read_and_said(tmp_path: Path, encoding: str, ending: str) -> None:
    reader = PromptReader(write(tmp_path, lay_out(TEXTS[encoding], ending).encode(encoding), f"p.{ending}"))
    assert texts_of(reader) == TEXTS[encoding]
    (note,) = reader.seen.notes
    assert f"read as {encoding}, because it is not UTF-8; if letters look wrong, name the encoding" in note


def test_a_compressed_file_is_read_in_its_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(lay_out(WESTERN, "jsonl").encode("cp1252")), "p.jsonl.gz")
    assert texts_of(PromptReader(path)) == WESTERN


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_not_said(tmp_path: Path, encoding: str) -> None:
    reader = PromptReader(write(tmp_path, lay_out(WESTERN, "jsonl").encode(encoding)))
    assert texts_of(reader) == WESTERN
    assert reader.seen.notes == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_characters_are_read_with_and_without_a_mark(tmp_path: Path, encoding: str) -> None:
    content = lay_out(WESTERN, "jsonl").encode(encoding)
    reader = PromptReader(write(tmp_path, content))
    assert texts_of(reader) == WESTERN
    assert f"read as {encoding.upper()}, without a byte order mark" in reader.seen.notes[0]
    reader = PromptReader(write(tmp_path, "\ufeff".encode(encoding) + content))
    assert texts_of(reader) == WESTERN
    assert reader.seen.notes == []


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [("Zażółć gęślą jaźń, czy zupa jest słodka? Dziękuję.", "cp1250", "cp1250"), ("Größe, süß", "mac_roman", "cp1250")],
)
def test_what_is_uncertain_is_refused_with_a_hint(tmp_path: Path, text: str, encoding: str, guess: str) -> None:
    hint = f"save it as UTF-8, or, if it is {guess}, name that encoding"
    reader = PromptReader(write(tmp_path, lay_out([text], "jsonl").encode(encoding)))
    (record,) = reader
    assert isinstance(record, SetAside)
    assert reader.seen.notes == [f"{record.path}: not UTF-8; {hint}"]
    with pytest.raises(InputError, match=f"save the file as UTF-8, or, if it is {guess}, name that encoding"):
        list(read_prompts(write(tmp_path, lay_out([text], "csv").encode(encoding), "p.csv")))
    assert texts_of(PromptReader(tmp_path / "p.csv", encoding=encoding)) == [text]


def test_a_broken_line_of_utf_8_is_skipped_by_itself(tmp_path: Path) -> None:
    content = lay_out(WESTERN, "jsonl").encode() + b'{"prompt": "caf\xe9"}\n'
    reader = PromptReader(write(tmp_path, content))
    assert texts_of(reader) == WESTERN
    (bad,) = [one for one in reader if isinstance(one, SetAside)]
    assert bad.reason == "expected UTF-8, found 0xE9 at byte 16; save the file as UTF-8"
    assert reader.seen.notes == []


@pytest.mark.parametrize("name", ["cp1252", "Windows-1252", "latin-1"])
def test_the_option_says_the_encoding(tmp_path: Path, name: str) -> None:
    reader = PromptReader(write(tmp_path, b"prompt\n\xe0\xe7\xe8 \xf0\xfe\n", "p.csv"), encoding=name)
    assert texts_of(reader) == ["àçè ðþ"]
    assert reader.seen.notes == []


@pytest.mark.parametrize("name", ["nosuch", "base64", "", "a\0b"])
def test_an_unknown_encoding_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="expected the name of an encoding, such as cp1252"):
        PromptReader("p.csv", encoding=name)


def test_a_byte_far_behind_that_is_not_in_the_encoding_is_named_by_its_line(tmp_path: Path) -> None:
    line = lay_out(["Où êtes-vous né ?"], "jsonl").encode("cp1252")
    n_lines = N_LOOKED_AT // len(line) + 2
    path = write(tmp_path, line * n_lines + b'{"prompt": "\x81"}\n')
    with pytest.raises(InputError, match="expected cp1252, as its beginning looks like, found 0x81") as caught:
        list(read_prompts(path))
    assert caught.value.line == n_lines + 1
    with pytest.raises(InputError, match="expected ascii, as was asked for, found 0xF9"):
        list(read_prompts(path, encoding="ascii"))


def test_a_character_on_the_edge_of_what_is_looked_at_is_whole(tmp_path: Path) -> None:
    content = lay_out(["x" * (N_LOOKED_AT - len('{"prompt": "') - 1) + "é"], "jsonl").encode()
    assert content[N_LOOKED_AT - 1] == 0xC3
    (record,) = read_prompts(write(tmp_path, content))
    assert isinstance(record, Prompt)


def test_commands_say_the_encoding_and_take_it(promptlight: Command, tmp_path: Path) -> None:
    path = write(tmp_path, "prompt\nWie heißt die Straße?\n".encode("cp1252"), "p.csv")
    done = promptlight("segment", path)
    assert done.exit_code == 0
    assert "Straße" in done.stdout
    assert "if letters look wrong, name the encoding (--encoding NAME)" in " ".join(done.stderr.split())
    assert "StraЯe" in promptlight("segment", path, "--encoding", "cp1251").stdout
    wrong = promptlight("run", path, "-o", tmp_path / "out", "--encoding", "nosuch")
    assert wrong.exit_code == 2
    assert "--encoding" in wrong.stderr
