"""Read the rows of Parquet and Arrow files.

A value that Python has no form for never hides the others of its row: a time is written as text, anything else becomes
null. Bytes become text if they are UTF-8; in a column of the table they stay bytes otherwise, so that a record can say
so where it needs that column.
"""

# pyright: standard

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from promptlight.io.prompts.files._other_files import N_TO_NAME, name_other_file
from promptlight.io.prompts.files._unpacking import unpack_file
from promptlight.io.prompts.files.sources import Format, Source
from promptlight.salience.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

N_ROWS = 64  # converted to Python's objects at a time
_FILE_OF_ARROW = b"ARROW1"  # what begins otherwise may be a stream
_NAMES = {Format.PARQUET: "Parquet", Format.ARROW: "Arrow"}


def read_columnar(source: Source, path: Path) -> Iterator[dict[str, Any]]:
    """Each row by columns, ready for JSON but for columns of bytes. Raises InputError for a file that is no table."""
    import pyarrow as pa

    kind = _NAMES[source.format]
    try:
        with _open(source, path) as file:
            _refuse_others(source, file)
            batches = _read_parquet(source, file) if source.format is Format.PARQUET else _read_arrow(source, file)
            for batch in batches:
                yield from _read_batch(batch)
    except (pa.ArrowException, ValueError, OverflowError) as error:  # a name that is no text is a ValueError
        raise InputError(source.path, None, f"expected {kind}, found something else ({error})") from error


@contextmanager
def _open(source: Source, path: Path) -> Iterator[Any]:
    """The table as a file that can be read anywhere; a compressed one is unpacked into a temporary file first."""
    import pyarrow as pa

    if source.packing is None:
        with pa.OSFile(os.fsencode(path)) as file:
            yield file
        return
    with path.open("rb") as packed, tempfile.TemporaryFile() as unpacked:
        shutil.copyfileobj(unpack_file(packed, source.packing), unpacked)
        unpacked.seek(0)
        with pa.PythonFile(unpacked) as file:
            yield file


def _refuse_others(source: Source, file: Any) -> None:
    mark, found = {Format.PARQUET: b"PAR1", Format.ARROW: b"ARROW1"}[source.format], file.read(N_TO_NAME)
    file.seek(0)
    if not found.startswith(mark) and (named := name_other_file(found)):
        raise InputError(source.path, None, f"expected {_NAMES[source.format]}, {named}")


def _read_parquet(source: Source, file: Any) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        _require_names(source, table.schema_arrow)
        yield from table.iter_batches(batch_size=N_ROWS)


def _read_arrow(source: Source, file: Any) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    is_file = file.read(len(_FILE_OF_ARROW)) == _FILE_OF_ARROW
    file.seek(0)
    with pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file) as table:
        _require_names(source, table.schema)
        for batch in (table.get_batch(n) for n in range(table.num_record_batches)) if is_file else table:
            for column in batch.columns:
                _require_valid(column)
            yield batch


def _require_valid(column: pa.Array) -> None:
    """Raise ArrowInvalid for a column that leads outside of its own memory; text that is not UTF-8 passes.

    Arrow's reader takes offsets as they stand in the file.
    """
    import pyarrow as pa

    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if not is_text or "UTF8" not in str(error):  # of text, offsets are checked first
            raise


def _require_names(source: Source, schema: pa.Schema) -> None:
    if len(set(schema.names)) < len(schema.names):
        raise InputError(source.path, None, "expected each column once; rename one")


def _read_batch(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    names = batch.schema.names
    for start in range(0, batch.num_rows, N_ROWS):
        columns = [_values_of(column.slice(start, N_ROWS)) for column in batch.columns]
        for values in zip(*columns, strict=True):
            yield dict(zip(names, map(_cell, values), strict=True))


def _values_of(column: pa.Array) -> list[Any]:
    """The values of a column; if Python has no form for one of them, each by itself."""
    try:
        return column.to_pylist()
    except (ValueError, OverflowError, NotImplementedError, KeyError):  # among them pyarrow's own
        return [_value_of(value) for value in column]


def _value_of(value: pa.Scalar) -> Any:
    import pyarrow as pa

    kind = value.type
    try:
        return value.as_py()
    except UnicodeDecodeError:  # a text column may contain any bytes
        return value.as_buffer().to_pybytes() if hasattr(value, "as_buffer") else None
    except (ValueError, OverflowError, NotImplementedError, KeyError):
        if not pa.types.is_timestamp(kind):
            return None
        in_utc = str(value.cast(pa.int64()).cast(pa.timestamp(kind.unit)).cast(pa.string()))
        is_out_of_range = in_utc.startswith("<")
        return None if is_out_of_range else in_utc + "+00:00" * (kind.tz is not None)


def _cell(value: Any) -> Any:
    """A value of a row for JSON; bytes that are no text stay."""
    text = _as_json(value)
    return value if text is None and isinstance(value, bytes) else text


def _as_json(value: Any) -> Any:
    """Convert a value of a table to one for JSON: dates and similar values as text, NaN and bytes as null."""
    match value:
        case dict():
            return {str(name): _as_json(item) for name, item in cast("dict[Any, Any]", value).items()}
        case list():
            return [_as_json(item) for item in cast("list[Any]", value)]
        case float() if not math.isfinite(value):
            return None
        case str() | bool() | int() | float() | None:
            return value
        case bytes():
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                return None
        case _:
            return str(value)
