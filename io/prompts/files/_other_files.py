"""Name what a file is that is no file of prompts, by its first bytes, so that its user knows what to do."""

from __future__ import annotations

N_TO_NAME = 512  # bytes that are enough
_COMPRESSED = "compressed a second time"
_OTHERS = {  # what begins with it, and what to do
    b"PAR1": ("Parquet", "name it .parquet"),
    b"ARROW1\0\0": ("Arrow", "name it .arrow"),
    b"FEA1": ("Feather in version 1", "write it in version 2"),
    b"SQLite format 3\0": ("an SQLite database", "save the table as CSV or Parquet"),
    b"Obj\x01": ("Avro", "save it as Parquet or JSON"),
    b"\x89HDF\r\n\x1a\n": ("HDF5", "save it as Parquet or JSON"),
    b"\x93NUMPY": ("an array of NumPy", "save it as Parquet or JSON"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an old Office document, such as .xls", "save it as CSV or text"),
    b"%PDF-": ("a PDF", "save its text"),
    b"{\\rtf": ("Rich Text", "save it as plain text"),
    b"\x1f\x8b\x08": (f"gzip, {_COMPRESSED}", "unpack it"),
    b"\x28\xb5\x2f\xfd": (f"Zstandard, {_COMPRESSED}", "unpack it"),
    b"\xfd7zXZ\0": (f"xz, {_COMPRESSED}", "unpack it"),
    b"BZh91AY&SY": (f"bzip2, {_COMPRESSED}", "unpack it"),
    b"PK\x03\x04": (f"a zip, {_COMPRESSED}", "unpack it"),
    b"\x04\x22\x4d\x18": ("LZ4, which is not read", "unpack it"),
    b"\x5d\0\0": ("LZMA, which is not read", "unpack it"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it"),
    b"Rar!\x1a\x07": ("a RAR archive", "unpack it"),
    **{b"\x80" + bytes([n]): ("a pickle of Python's, which may run code", "save it as JSON") for n in range(2, 6)},
    b"version https://git-lfs.github.com/spec/": ("a pointer of Git LFS, not the file", "run `git lfs pull`"),
}
_OTHERS_AT = {  # a place, and what is there
    (257, b"ustar"): ("a tar archive", "unpack it"),
    (8, b"DUCK"): ("a DuckDB database", "save the table as Parquet"),
}
_OFFICE = "[Content_Types].xml", "META-INF/manifest.xml"  # of Microsoft's and of OpenDocument


def name_other_file(first: bytes) -> str | None:
    """What a file is whose (unpacked) content begins so, and what to do; nothing for what may be prompts."""
    known = next((one for mark, one in _OTHERS.items() if first.startswith(mark)), None)
    known = known or next((one for (place, mark), one in _OTHERS_AT.items() if first[place:].startswith(mark)), None)
    return known and f"found {known[0]}; {known[1]}"


def name_archive(members: list[str]) -> str | None:
    """What a zip is with these files, if it is no archive to a user."""
    return "found an Office document; save it as CSV or text" if any(one in members for one in _OFFICE) else None
