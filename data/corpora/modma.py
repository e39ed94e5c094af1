"""MODMA, its audio: 29 recordings of each of 52 Mandarin speakers, 23 with a major depressive disorder.

Cai et al. 2022, "A multi-modal open dataset for mental-disorder analysis". By licence, on application.

::

    02010001/01.wav ... 29.wav                          subject, number of the recording (interview, reading, pictures)
    subjects_information_audio_lanzhou_2015.xlsx        subject id, type (MDD or HC), age, gender, ...; here or in
                                                        data/tables/<corpus>

The code is the subject's group, so folds have to go by speaker. The text is the number of the recording, as ``t01``.
"""

import re

import pandas as pd

from data.corpora.file_names import named_files
from data.corpora.reading import Corpus, Source
from data.errors import UserError, listed
from data.table_files import read_table
from data.utterance import Utterance

EMOTIONS = {"MDD": "major depressive disorder", "HC": "healthy control"}

_PATH = re.compile(r"(?P<subject>\d{7,8})/(?P<number>\d\d)\.wav")
_TABLE = "subjects_information_audio*.xlsx"
_GENDERS = {"f": "female", "m": "male", "female": "female", "male": "male"}


def read_corpus(source: Source) -> Corpus:
    """Read all recordings below the folder, and their subjects' groups.

    Raises:
        UserError: no recordings or no table of subjects here, or a subject that is not in it.
    """
    recordings = named_files(source.root, _PATH, "MODMA", "02010001/01.wav")
    subjects = _read_subjects(source)
    named = {_subject(found["subject"]) for _, found in recordings}
    if unknown := sorted(named - set(subjects.index)):
        raise UserError(f"{source.root}: {len(unknown)} subjects are not in the table:\n{listed(unknown)}")
    return Corpus([_utterance(path, found, subjects) for path, found in recordings])


def _utterance(path: str, found: re.Match, subjects: pd.DataFrame) -> Utterance:
    subject = _subject(found["subject"])
    return Utterance(
        id=f"{subject}-{found['number']}",
        path=path,
        speaker=subject,
        gender=_GENDERS.get(subjects.at[subject, "gender"].lower(), ""),
        emotion=subjects.at[subject, "type"].upper(),
        text=f"t{found['number']}",
        shard=f"speaker-{subject}",
    )


def _read_subjects(source: Source) -> pd.DataFrame:
    """The table of subjects by their ids; others than MDD and HC are an error."""
    places = (source.root, source.tables)
    tables = sorted(path for place in places for path in place.rglob(_TABLE) if not path.name.startswith((".", "~")))
    if not tables:
        raise UserError(f"there is no {_TABLE} in {' or '.join(map(str, places))}; copy it from the release.")
    table = read_table(tables[0])[0].rename(columns=str.lower)
    if missing := [name for name in ("subject id", "type", "gender") if name not in table]:
        raise UserError(f"{tables[0]}: no column {', '.join(missing)}; found {', '.join(table)}.")
    table = table[table["subject id"] != ""]
    if strange := sorted(set(table["type"].str.upper()) - set(EMOTIONS)):
        raise UserError(f"{tables[0]}: type is MDD or HC; found {', '.join(strange)}.")
    return table.assign(subject=table["subject id"].map(_subject)).drop_duplicates("subject").set_index("subject")


def _subject(name: str) -> str:
    """A subject's id with the leading zero that tables drop."""
    return name.zfill(8)
