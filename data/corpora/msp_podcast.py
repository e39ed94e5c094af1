"""MSP-Podcast: spontaneous English speech from podcasts, rated by listeners; 73,042 utterances, more in each release.

Lotfian and Busso 2019, "Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving Emotional Speech From
Existing Podcast Recordings". By licence from UT Dallas.

::

    Audios/MSP-PODCAST_0001_0008.wav    podcast, utterance; 16 kHz
    Labels/labels_consensus.csv         FileName, EmoClass, EmoAct, EmoVal, EmoDom (1 to 7), SpkrID, Gender, Split_Set

Its folds are official: Train, Development and a test set. An unknown speaker is nobody's name: such utterances have no
speaker here. ``style`` is the split set, so that a task's ``where`` can choose.
"""

from typing import Literal

import pandas as pd

from data.corpora.reading import Corpus, Source
from data.corpora.rows import corpus_of_rows
from data.corpus_settings import CorpusSettings
from data.errors import UserError
from data.folder_listing import missing_files
from data.table_files import find_table, read_table

EMOTIONS = {
    "A": "anger",
    "H": "happiness",
    "S": "sadness",
    "N": "neutral",
    "D": "disgust",
    "F": "fear",
    "U": "surprise",
    "C": "contempt",
    "O": "other",
    "X": "no agreement between the annotators",
}

_TABLE = "Labels/labels_consensus.csv"
_COLUMNS = {
    "FileName": "file",
    "EmoClass": "emotion",
    "EmoAct": "activation",
    "EmoVal": "valence",
    "EmoDom": "dominance",
    "SpkrID": "speaker",
    "Gender": "gender",
    "Split_Set": "style",
}


class Parameters(CorpusSettings):
    """``corpora.<name>`` with ``reader: msp_podcast``.

    Attributes:
        test: which of the official test sets is tested.
    """

    test: Literal["Test1", "Test2"] = "Test1"


def read_corpus(source: Source) -> Corpus:
    """Read all utterances with labels, and the official folds.

    Raises:
        UserError: no labels here, columns that are missing, or codes that are none of this corpus's.
    """
    path = find_table(_TABLE, source.root, source.tables, f"corpora.{source.name}")
    table, notes = read_table(path)
    if missing := [column for column in _COLUMNS if column not in table]:
        raise UserError(f"{path}: no column {', '.join(missing)}; found {', '.join(table)}.")
    rows = table[list(_COLUMNS)].rename(columns=_COLUMNS)
    rows = rows[rows["emotion"] != ""]
    if strange := sorted(set(rows["emotion"]) - set(EMOTIONS)):
        raise UserError(f"{path}: unknown codes in EmoClass: {', '.join(strange)}; there are {', '.join(EMOTIONS)}.")
    for column in ("speaker", "gender"):
        rows[column] = rows[column].where(rows[column].str.lower() != "unknown", "")
    roles = {"Train": "train", "Development": "validation", source.settings.test: "test"}
    names = rows["file"].str.removesuffix(".wav")
    rows = rows.assign(
        id=names,
        path=_audio_folder(source, rows["file"]) + rows["file"],
        dialog=names.str.rpartition("_")[0],
        fold=rows["style"].map(roles).fillna(""),
    )
    return corpus_of_rows(source, rows.drop(columns="file"), notes)


def _audio_folder(source: Source, files: pd.Series) -> str:
    """``Audios/``, or what it is called in some releases."""
    folders = ("Audios/", "Audio/", "")
    return next((name for name in folders if len(missing_files(source.root, [name + files.iloc[0]])) == 0), folders[0])
