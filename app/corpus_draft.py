"""An entry of ``corpora`` that is being drafted on the command line: its parameters, and the lines to paste."""

from collections.abc import Sequence
from io import StringIO

import pandas as pd
from ruamel.yaml import YAML

from data.corpora.rows import COLUMN_NAMES
from data.errors import UserError, nearest
from data.manifest import corpus_root, tables_folder
from data.table_files import find_table, read_table

_USUAL = {  # manifest column -> what tables call it, in lower case
    "path": ("path", "file", "filename", "file_name", "filepath", "file_path", "wav", "audio", "audio_path", "name"),
    "emotion": ("emotion", "label", "emo", "emotion_label", "class", "emoclass", "category"),
    "speaker": ("speaker", "speaker_id", "spk", "spkrid", "spk_id", "actor", "actorid", "subject"),
    "id": ("id", "utterance_id", "utt_id", "key"),
    "start": ("start", "start_time", "begin", "onset"),
    "end": ("end", "end_time", "stop", "offset"),
    "session": ("session",),
    "dialog": ("dialog", "dialogue", "dialog_id", "dialogue_id"),
    "gender": ("gender", "sex"),
    "style": ("style",),
    "text": ("text", "transcript", "transcription", "sentence", "utterance"),
    "valence": ("valence", "val", "emoval"),
    "activation": ("activation", "arousal", "act", "emoact"),
    "dominance": ("dominance", "dom", "emodom"),
    "fold": ("fold", "split", "partition", "split_set"),
}


def draft(
    name: str, reader: str | None, table: str | None, columns: Sequence[str], pattern: str | None, files: str | None
) -> dict:
    """The parameters that options say; columns of the table that no option names are recognised by their usual names.

    Args:
        name: the corpus's.
        reader: ``table`` if it is not given.
        table, pattern, files: as in params.yaml.
        columns: ``column=the table's``, such as ``emotion=label``.

    Raises:
        UserError: an option that cannot be read, or a table in which no column can be the path.
    """
    entry = {"reader": reader or "table", "features": "all"}
    if table is not None:
        entry |= {"table": table, "columns": _columns(name, table, columns)}
    elif columns:
        raise UserError("--column goes with --table.")
    return entry | {key: value for key, value in {"pattern": pattern, "files": files}.items() if value is not None}


def _columns(name: str, table: str, given: Sequence[str]) -> dict[str, str]:
    named = {}
    for option in given:
        column, equals, of_table = option.partition("=")
        if not equals or column not in COLUMN_NAMES:
            raise UserError(
                f"--column {option}: expected COLUMN=NAME IN THE TABLE, such as emotion=label"
                f"{nearest(column, COLUMN_NAMES)} (there are {', '.join(COLUMN_NAMES)})"
            )
        named[column] = of_table
    present = read_table(find_table(table, corpus_root(name), tables_folder(name), "--table"))[0].columns
    by_name = {column.lower(): column for column in reversed(present) if column not in named.values()}
    for column, usual in _USUAL.items():
        found = next((by_name[name] for name in usual if name in by_name), None)
        if column not in named and found is not None:
            named[column] = found
    if "path" not in named:
        raise UserError(f"{table}: which column has the audio files? Say --column path=... ({', '.join(present)})")
    return {column: named[column] for column in COLUMN_NAMES if column in named}


def lines_to_paste(name: str, entry: dict, rows: pd.DataFrame) -> str:
    """The entry, and a task with a class for each code, as lines of params.yaml."""
    classes = {str(code): [str(code)] for code in sorted(rows["emotion"].unique()) if code != ""}
    folds = {"scheme": "speaker", "folds": min(5, rows["speaker"].nunique())}
    if folds["folds"] < 3:
        folds = {"scheme": "random", "validation": "random"}
    task = {"corpus": name, "classes": classes, "where": {}, "split": folds}
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 110
    text = StringIO()
    yaml.dump({"corpora": {name: entry}, "tasks": {"emotions": task}}, text)
    return text.getvalue()
