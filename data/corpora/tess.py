"""TESS: 200 English words after "Say the word", spoken by two women in seven emotions, 2,800 utterances.

Pichora-Fuller and Dupuis 2020, "Toronto emotional speech set (TESS)". CC BY-NC-ND 4.0.

::

    OAF_angry/OAF_back_angry.wav     speaker (older, younger), word, emotion; 24.4 kHz

The emotion ``ps`` is also written ``pleasant_surprise`` or ``pleasant_surprised``; one file has ``OA`` for ``OAF``.
Copies circulate with all folders twice, once nested: an utterance counts once. With two speakers, one is trained on and
the other tested: there is no third one for validation.
"""

import re
from pathlib import Path

from data.corpora.file_names import named_files
from data.utterance import Utterance

EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "pleasant surprise",
    "sad": "sad",
}

_SURPRISE = "pleasant_surprised?"
_PATH = re.compile(rf"(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>{'|'.join(EMOTIONS)}|{_SURPRISE})\.wav", re.I)


def read_utterances(root: Path) -> list[Utterance]:
    """Read all utterances below ``root``.

    Raises:
        UserError: no file named like TESS's here, or other audio files beside them.
    """
    return [_utterance(path, found) for path, found in named_files(root, _PATH, "TESS", "OAF_angry/OAF_back_angry.wav")]


def _utterance(path: str, found: re.Match) -> Utterance:
    speaker = "OAF" if found["speaker"].upper().startswith("OA") else "YAF"
    emotion = "ps" if re.fullmatch(_SURPRISE, found["emotion"], re.I) else found["emotion"].lower()
    word = found["word"].lower()
    return Utterance(
        id=f"{speaker}_{word}_{emotion}",
        path=path,
        speaker=speaker,
        gender="female",
        emotion=emotion,
        text=word,
        style="scripted",
        shard=f"speaker-{speaker}",
    )
