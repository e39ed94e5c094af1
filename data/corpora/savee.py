"""SAVEE: English sentences acted by four men in seven emotions, 480 utterances.

Haq and Jackson 2010, "Multimodal Emotion Recognition". Free for research, on registration.

::

    DC_a01.wav or DC/a01.wav     speaker, emotion, number of the sentence; 44.1 kHz

Each emotion has sentences of its own, but for three that all have: a model may read the words. The text is the code of
emotion and sentence (``a01``); nothing here says which three are the same.
"""

import re
from pathlib import Path

from data.corpora.file_names import named_files
from data.utterance import Utterance

EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}

_PATH = re.compile(r"(?P<speaker>[A-Z]{2})[_/](?P<text>(?P<emotion>sa|su|[adfhn])\d\d)\.wav")


def read_utterances(root: Path) -> list[Utterance]:
    """Read all utterances below ``root``.

    Raises:
        UserError: no file named like SAVEE's here, or other audio files beside them.
    """
    return [
        Utterance(
            id=f"{found['speaker']}_{found['text']}",
            path=path,
            speaker=found["speaker"],
            gender="male",
            emotion=found["emotion"],
            text=found["text"],
            style="scripted",
            shard=f"speaker-{found['speaker']}",
        )
        for path, found in named_files(root, _PATH, "SAVEE", "DC_a01.wav")
    ]
