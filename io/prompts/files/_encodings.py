"""Read text in any encoding as UTF-8 while it is read: what an option or a byte order mark says, or a good guess.

A guess is made from the beginning of a file that isn't UTF-8, and is always said. charset-normalizer knows which
encodings make sense of the bytes; but on a few words it can't tell Europe's one-byte encodings apart. So a guess is
taken if

- all letters with accents are those of Western Europe in Windows' cp1252, which spreadsheets write there; or
- it is of another script, and no other encoding makes as much sense of the bytes.
"""

# pyright: standard

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from promptlight.io.prompts.files._other_files import N_TO_NAME, name_other_file
from promptlight.io.prompts.files._unpacking import UnpackingError
from promptlight.salience.errors import UsageError

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

N_LOOKED_AT = 2**18  # bytes at the beginning of a file
_MARKS = {  # those of UTF-32 first: the little-endian one begins like that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE = {"utf-32-le": (0,), "utf-32-be": (3,), "utf-16-le": (0, 2), "utf-16-be": (1, 3)}  # where in 4 bytes ASCII is
_WESTERN = "cp1252"
_WESTERN_CHARACTERS = set("áàâäåãçéèêëíìîïñóòôöõúùûüßæøœÁÀÂÄÅÃÇÉÈÊËÍÌÎÏÑÓÒÔÖÕÚÙÛÜÆØŒ¿¡«»“”‘’–—…•€£°ªº©®\xa0")
_PORTUGUESE = re.compile("ão|õe|ãe", re.IGNORECASE)  # elsewhere its ã and õ are another encoding's ă and ő
_THREE_MARKED = re.compile("[À-ÿ]{3}")  # in a row, as characters of two bytes are
_CJK = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
_WINDOWS_SCRIPTS = ("cp1251", "cp1253", "cp1255", "cp1256", "cp874")
_OTHER_SCRIPTS = (*_WINDOWS_SCRIPTS, "iso8859_5", "iso8859_7", "koi8_r", "koi8_u", "cp866")
_OTHER_LATIN = ("cp1250", "cp1254", "cp1257", "cp1258", "iso8859_2", "cp850", "cp852", "mac_roman", "mac_cyrillic")
_WIDE_RUN = re.compile("[\u2e80-\uffef]+")
_NARROW_KATAKANA = re.compile("[\uff61-\uff9f]")  # what Chinese looks like in a Japanese encoding
_ODD = 0.05  # differences of charset-normalizer's measures that mean something
_LEAST_COHERENCE = 0.15
Say = Callable[[str], None]
Reader: TypeAlias = "io.BufferedReader[Any]"


class DecodingError(UnpackingError):
    """A byte that isn't in the encoding of the file, and its line."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True)
class Text:
    """A file in UTF-8, and what may help a user whose file isn't."""

    file: Reader
    hint: str = ""


def parse_encoding(name: str | None) -> str | None:
    """Python's name of an encoding, if one is named. Raises UsageError for one that it doesn't know."""
    if name is None:
        return None
    try:
        found = codecs.lookup(name)
        "".encode(found.name)  # refuses what is no encoding of text, such as base64
    except (LookupError, ValueError) as error:
        expected = "expected the name of an encoding, such as cp1252 or shift_jis"
        raise UsageError(f"{expected}, found {name!r}", parameters=("encoding",)) from error
    return "utf-8" if found.name == "utf-8-sig" else found.name


def open_as_utf_8(file: BinaryIO, path: str, encoding: str | None, say: Say) -> Text:
    """The content of a file in UTF-8, beginning with the next byte; ``path`` is its name in what is said.

    Reading may raise DecodingError. What can't be told is left as it is, with a hint at what it may be. Raises
    UnpackingError for a file of another kind.
    """
    head = file.read(N_LOOKED_AT)
    if other := name_other_file(head[:N_TO_NAME]):
        raise UnpackingError(other)
    whole: Reader = io.BufferedReader(_Joined(head, file), N_LOOKED_AT)
    is_marked = head.startswith(tuple(_MARKS))
    if encoding is not None:
        encoding = f"{encoding}-le" if encoding in ("utf-16", "utf-32") and not is_marked else encoding
        return Text(whole if encoding == "utf-8" else _decode(whole, encoding, "was asked for"))
    if marked := next((name for mark, name in _MARKS.items() if head.startswith(mark)), None):
        return Text(_decode(whole, marked, "its byte order mark says it is"))
    if wide := _find_wide(head):
        say(f"{path}: read as {wide.upper()}, without a byte order mark")
        return Text(_decode(whole, wide, "its beginning is"))
    if _is_utf_8(head):
        return Text(whole)
    guess, is_sure = _guess_encoding(head)
    if is_sure:
        say(f"{path}: read as {guess}, because it is not UTF-8; if letters look wrong, name the encoding")
        return Text(_decode(whole, guess, "its beginning looks like"))
    hint = f", or, if it is {guess}, name that encoding" if guess else ", or name the encoding"
    say(f"{path}: not UTF-8; save it as UTF-8{hint}")
    return Text(whole, hint)


def _is_utf_8(head: bytes) -> bool:
    """Whether the beginning of a file is UTF-8, or so much of it that the rest must be broken."""
    if head.startswith(codecs.BOM_UTF8):
        return True
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head, final=len(head) < N_LOOKED_AT)
    n_broken = sum(map(len, re.findall("[\udc80-\udcff]+", text)))
    return not n_broken or sum(map(len, re.findall("[^\0-\x7f\udc80-\udcff]+", text))) >= n_broken


def _find_wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: where most characters are ASCII, zeros are at the same places among four."""
    if b"\0" not in head[:64] or len(head) < 4:
        return None
    quarters = [head[place::4] for place in range(4)]
    n_zeros = [quarter.count(b"\0") / max(1, len(quarter)) for quarter in quarters]
    for name, places in _WIDE.items():
        if all((n_zeros[place] < 0.1) if place in places else (n_zeros[place] > 0.7) for place in range(4)):
            return name
    return None


def _guess_encoding(head: bytes) -> tuple[str, bool]:
    """The encoding that the beginning of a file is in, or nothing, and whether that is sure enough to read it so."""
    from charset_normalizer import from_bytes

    if not _is_decodable(head, _WESTERN) and b"\0" in head:
        return "", False
    cut = head[: head.rfind(b"\n") + 1] or head  # whole characters
    if _is_western(cut):
        return _WESTERN, True
    known = [_WESTERN, *_CJK, *_OTHER_SCRIPTS, *_OTHER_LATIN]
    matches = list(from_bytes(cut, cp_isolation=known, enable_fallback=False))
    if not matches:
        return "", False
    best, rivals = matches[0], [one for one in matches[1:] if str(one) != str(matches[0])]
    return best.encoding, _makes_sense(best) and not any(_comes_close(rival, best) for rival in rivals)


def _is_western(head: bytes) -> bool:
    if not _is_decodable(head, _WESTERN):
        return False
    text = head.decode(_WESTERN)
    marked = {character for character in text if character > "\x7f"}
    is_foreign = _THREE_MARKED.search(text) or (marked & set("ãõÃÕ") and not _PORTUGUESE.search(text))
    return marked <= _WESTERN_CHARACTERS and not is_foreign


def _makes_sense(match: CharsetMatch) -> bool:
    text = str(match)
    if match.chaos >= _ODD:
        return False
    if match.encoding in _CJK:
        runs = _WIDE_RUN.findall(text)  # alone between Latin letters they are letters with accents
        are_words = sum(map(len, runs)) >= 2 * len(runs)
        return are_words and not (match.encoding == "cp932" and _NARROW_KATAKANA.search(text))
    letters = [character for character in text if character > "\x7f" and character.isalpha()]
    is_written_so = 2 * sum(character.isupper() for character in letters) < len(letters)
    return match.encoding in _OTHER_SCRIPTS and match.coherence >= _LEAST_COHERENCE and is_written_so


def _comes_close(rival: CharsetMatch, best: CharsetMatch) -> bool:
    is_of_no_language = best.encoding in _CJK and rival.encoding not in _CJK and rival.coherence < _LEAST_COHERENCE
    return not is_of_no_language and rival.chaos < best.chaos + _ODD and rival.coherence > best.coherence - _ODD


def _is_decodable(head: bytes, encoding: str) -> bool:
    try:
        head.decode(encoding)
    except UnicodeError:
        return False
    return True


def end_lines(file: Reader) -> Reader:
    """The file with line feeds, where its lines end in carriage returns alone, as Excel's "CSV (Macintosh)" has it."""
    first = file.peek(1)
    is_so = b"\r" in first[:-1] and b"\n" not in first  # a line feed may follow the last byte
    return io.BufferedReader(_WithLineFeeds(file)) if is_so else file


def _decode(file: Reader, encoding: str, why: str) -> Reader:
    return io.BufferedReader(_AsUtf8(file, encoding, why))


class _Joined(io.RawIOBase):
    """A file from its beginning, of which some bytes were read."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = head, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._head[: len(buffer)] if self._head else self._file.read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)


class _WithLineFeeds(io.RawIOBase):
    """A file with a line feed for each carriage return."""

    def __init__(self, file: Reader) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read1(len(buffer)).replace(b"\r", b"\n")
        buffer[: len(data)] = data
        return len(data)


class _AsUtf8(io.RawIOBase):
    """The content of a file in another encoding."""

    def __init__(self, file: Reader, encoding: str, why: str) -> None:
        self._file, self._encoding, self._why = file, encoding, why
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._rest = b""
        self._n_lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            data = self._file.read(io.DEFAULT_BUFFER_SIZE)
            try:
                text = self._decoder.decode(data, final=not data)
                self._rest = text.encode("utf-8")
            except UnicodeError as error:
                raise self._refuse(error) from error
            self._n_lines += text.count("\n")
            if not data:
                break
        n = min(len(buffer), len(self._rest))
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        return n

    def _refuse(self, error: UnicodeError) -> DecodingError:
        found = "other bytes"
        if isinstance(error, UnicodeDecodeError):
            before = error.object[: error.start].decode(self._encoding, "ignore")
            self._n_lines += before.count("\n")
            found = " ".join(f"0x{byte:02X}" for byte in error.object[error.start : error.end][:4])
        reason = (
            f"expected {self._encoding}, as {self._why}, found {found}; save the file as UTF-8 or name the encoding"
        )
        return DecodingError(reason, self._n_lines + 1)
