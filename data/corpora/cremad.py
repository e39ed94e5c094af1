"""CREMA-D: twelve English sentences acted by 91 actors in six emotions, 7,442 utterances.

Cao et al. 2014, "CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset". Open Database Licence.

::

    AudioWAV/1001_DFA_ANG_XX.wav     actor, sentence, emotion, level (LO, MD, HI, XX: not given); 16 kHz
    VideoDemographics.csv            ActorID, Age, Sex, ...; here or in data/tables/<corpus>

The emotion is the one that was acted, not what listeners heard. One file is known to hold next to nothing
(1076_MTI_SAD_XX.wav): if preprocess names it, exclude it.
"""

import re

import pandas as pd

from data.corpora.file_names import named_files
from data.corpora.reading import Corpus, Source
from data.errors import UserError
from data.table_files import read_table
from data.utterance import Utterance

EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}

_PATH = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<level>\w+)\.wav")
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}
_SENTENCES = {
    "DFA": "Don't forget a jacket.",
    "IEO": "It's eleven o'clock.",
    "IOM": "I'm on my way to the meeting.",
    "ITH": "I think I have a doctor's appointment.",
    "ITS": "I think I've seen this before.",
    "IWL": "I would like a new alarm clock.",
    "IWW": "I wonder what this is about.",
    "MTI": "Maybe tomorrow it will be cold.",
    "TAI": "The airplane is almost full.",
    "TIE": "That is exactly what happened.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
_DEMOGRAPHICS = "VideoDemographics.csv"


def read_corpus(source: Source) -> Corpus:
    """Read all utterances below the folder, and the actors' sexes where their table is.

    Raises:
        UserError: no file named like CREMA-D's here, or other audio files beside them.
    """
    sexes = _read_sexes(source)
    utterances = [
        Utterance(
            id=path.rpartition("/")[2].removesuffix(".wav"),
            path=path,
            speaker=found["actor"],
            gender=sexes.get(found["actor"], ""),
            emotion=found["emotion"],
            text=_SENTENCES.get(found["sentence"], found["sentence"]),
            style=_LEVELS.get(found["level"], ""),
            shard=f"speaker-{found['actor']}",
        )
        for path, found in named_files(source.root, _PATH, "CREMA-D", "AudioWAV/1001_DFA_ANG_XX.wav")
    ]
    notes = [] if sexes else [f"{source.root}: no {_DEMOGRAPHICS} here or in {source.tables}, so no genders"]
    return Corpus(utterances, notes=notes)


def _read_sexes(source: Source) -> dict[str, str]:
    paths = [folder / _DEMOGRAPHICS for folder in (source.root, source.tables)]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return {}
    table: pd.DataFrame = read_table(path)[0]
    if not {"ActorID", "Sex"} <= set(table):
        raise UserError(f"{path}: expected the columns ActorID and Sex; found {', '.join(table)}.")
    return dict(zip(table["ActorID"], table["Sex"].str.lower(), strict=True))
