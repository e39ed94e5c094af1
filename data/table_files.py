"""Tables of utterances, in a corpus's folder or in ``data/tables/<corpus>``: CSV, TSV, JSONL, Parquet and Excel."""

import csv
import io
import json
import zipfile
from pathlib import Path, PurePosixPath

import pandas as pd
from pyarrow import parquet

from data.digest import file_digest
from data.errors import UserError, nearest
from data.folder_listing import walk_files

_SEPARATORS = (",", ";", "\t", "|")
_UNQUESTIONED_ROWS = 10**7
_UNQUESTIONED_BYTES, _MOST_RATIO = 2**26, 30  # of a workbook, unpacked; text shrinks to a tenth or so
_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".parquet", ".xlsx")


def table_digests(folder: Path) -> dict[str, str]:
    """Every file of the folder, by its path within it, and its SHA-256; empty where there is no such folder."""
    return {path: file_digest(folder / path, "sha256") for path in walk_files(folder)}


def find_table(name: str, root: Path, tables: Path, parameter: str) -> Path:
    """A table by its path below a corpus's folder or, if it is not there, below ``data/tables/<corpus>``.

    Args:
        name: with forward slashes.
        root: the corpus's folder.
        tables: ``data/tables/<corpus>``, which need not exist.
        parameter: that names the table, for the error.

    Raises:
        UserError: it is in neither, naming both and the nearest table that there is.
    """
    found = [folder / name for folder in (root, tables) if (folder / name).is_file()]
    if found:
        return found[0]
    known = [path for folder in (root, tables) for path in walk_files(folder) if path.endswith(_ENDINGS)]
    same_name = [path for path in known if PurePosixPath(path).name == PurePosixPath(name).name]
    hint = f"; did you mean {same_name[0]!r}?" if same_name else nearest(name, known) or "."
    raise UserError(f"{parameter}: there is no {name} in {root} or {tables}{hint}")


def read_table(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a table whose first row names its columns.

    Text is read as UTF-8, with or without a byte-order mark, or as UTF-16 with one; if it is neither, as Windows-1252,
    which a note says. Columns are separated by tabs in ``.tsv`` and otherwise by whatever the first line has most of:
    commas, semicolons, tabs or vertical bars.

    Args:
        path: ``.csv``, ``.tsv``, ``.txt``, ``.jsonl``, ``.parquet`` or ``.xlsx`` (its first sheet).

    Returns:
        All cells as text, empty where there is nothing, indexed by the number of the row in the file; and notes on how
        the file was read.

    Raises:
        UserError: another kind of file, or one that cannot be read.
    """
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv", ".txt"):
        table, notes = _read_text_table(path)
    elif ending == ".jsonl":
        table, notes = _read_json_lines(path), []
    elif ending == ".parquet":
        table, notes = _read_with(_read_parquet, path), []
    elif ending == ".xlsx":
        table, notes = _read_with(_read_workbook, path), []
    else:
        raise UserError(f"{path}: expected a table that ends in {', '.join(_ENDINGS)}.")
    if table.empty:
        raise UserError(f"{path}: there are no rows in it.")
    table.columns = [str(column).strip() for column in table.columns]
    if repeated := sorted(set(table.columns[table.columns.duplicated()])):
        raise UserError(f"{path}: more than one column is named {', '.join(map(repr, repeated))}; rename one.")
    table.index = pd.RangeIndex(1 if ending in (".jsonl", ".parquet") else 2, len(table) + 2)[: len(table)]
    return table.apply(_as_text), notes


def decode_text(path: Path) -> tuple[str, list[str]]:
    """A file's text, and a note where the encoding had to be guessed.

    Raises:
        UserError: it is in no encoding that is known here.
    """
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16"), []
        except UnicodeDecodeError:
            raise UserError(f"{path}: its text is cut: it begins as UTF-16. Save it as UTF-8.") from None
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: its text is neither UTF-8 (line {line}) nor Windows-1252. Save it as UTF-8, or as Excel (.xlsx)."
        ) from None
    return text, [f"{path} is not UTF-8 (line {line}), so it was read as Windows-1252 (Western European)"]


def _read_text_table(path: Path) -> tuple[pd.DataFrame, list[str]]:
    text, notes = decode_text(path)
    header = text.partition("\n")[0]
    separator = "\t" if path.suffix.lower() == ".tsv" else max(_SEPARATORS, key=header.count)
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a table: {str(error).strip()}") from None
    return table, notes


def _read_json_lines(path: Path) -> pd.DataFrame:
    text, _ = decode_text(path)
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: expected a JSON object.")
        rows.append(row)
    return pd.DataFrame(rows)


def _read_parquet(path: Path) -> pd.DataFrame:
    rows = parquet.read_metadata(path).num_rows
    if rows > max(_UNQUESTIONED_ROWS, path.stat().st_size):
        raise ValueError(f"it claims {rows:,} rows in {path.stat().st_size:,} bytes")
    return pd.read_parquet(path)


def _read_workbook(path: Path) -> pd.DataFrame:
    """Read the first sheet; a workbook is a zip, which may unpack to anything."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _UNQUESTIONED_BYTES + _MOST_RATIO * path.stat().st_size:
        raise ValueError(f"it unpacks to {unpacked:,} bytes, which is far more than a table of this size holds")
    return pd.read_excel(path, dtype=object)


def _read_with(read, path: Path) -> pd.DataFrame:
    try:
        return read(path)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: cannot be read: {str(error).strip().splitlines()[0]}") from None
    except (
        Exception
    ) as error:  # a zip archive or a workbook that is none: openpyxl and pyarrow have errors of their own
        raise UserError(f"{path}: cannot be read: {type(error).__name__}: {error}") from None


def _as_text(column: pd.Series) -> pd.Series:
    """Cells as text: whole numbers without a decimal point, nothing as an empty text."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    texts = column.astype(object).where(column.notna(), "").tolist()
    return pd.Series([str(text).strip() for text in texts], index=column.index, dtype=object)
