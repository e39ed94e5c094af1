"""An entry of ``corpora`` that is being drafted on the command line: its parameters, and a preset with it."""

from collections.abc import Sequence
from io import StringIO

from ruamel.yaml import YAML

from data.corpora.rows import COLUMN_NAMES
from data.errors import UserError, nearest
from data.labels import RATINGS
from data.manifest import Manifest, corpus_root, tables_folder
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


def preset_of(name: str, entry: dict, manifest: Manifest) -> str:
    """A preset with this corpus: a task with a class for each code, one for its ratings, and linear heads on MFCCs.

    Args:
        name: the corpus's.
        entry: its parameters.
        manifest: its utterances, and the folds that it brings.
    """
    rows, split = manifest.rows, _split(manifest)
    codes = [str(code) for code in sorted(rows["emotion"].unique()) if code != ""]
    ratings = [column for column in RATINGS if rows[column].notna().any()]
    tasks, heads = {}, {}
    if codes:
        tasks["emotions"] = {"corpus": name, "classes": {code: [code] for code in codes}, "split": split}
        heads["linear"] = {"features": f"mfcc/{name}"}
    if ratings:
        tasks["ratings"] = {"corpus": name, "targets": ratings, "split": dict(split)}
        heads["linear_ratings"] = {"like": "linear", "task": "ratings", "features": f"mfcc/{name}", "select": "auto"}
    return f"""\
# {name}: linear heads on MFCCs. Rename and merge classes as you like: name: [code, code].
extends: base

{_yaml({"corpora": {name: entry}})}
{_yaml({"tasks": tasks})}
features:
  mfcc:                           # or another set in presets/base.yaml, such as hubert: then hubert/{name} below

{_yaml({"heads": heads})}"""


def _split(manifest: Manifest) -> dict:
    speakers = manifest.rows["speaker"].nunique()
    if manifest.folds is not None:
        named = manifest.folds.drop(columns="id").isin(["validation"]).any(axis=None)
        return {"scheme": "official", "validation": "official" if named else "random"}
    return (
        {"scheme": "speaker", "folds": min(5, speakers)}
        if speakers > 2
        else {"scheme": "random", "validation": "random"}
    )


def _yaml(section: dict) -> str:
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 4096
    text = StringIO()
    yaml.dump(section, text)
    return text.getvalue()
