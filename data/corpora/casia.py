"""CASIA: Mandarin sentences acted by four speakers in six emotions; 1,200 utterances in the copy that circulates.

Institute of Automation, Chinese Academy of Sciences, "CASIA Chinese emotional speech corpus". By licence.

::

    liuchanhg/angry/201.wav     speaker, emotion, number of the sentence; 16 kHz

The same number is taken for the same sentence. Nothing here says who is a woman and who is a man.
"""

import re
from pathlib import Path

from data.corpora.file_names import named_files
from data.corpora.rows import file_name
from data.utterance import Utterance

EMOTIONS = {name: name for name in ("angry", "fear", "happy", "neutral", "sad", "surprise")}

_PATH = re.compile(rf"(?P<speaker>[^/]+)/(?P<emotion>{'|'.join(EMOTIONS)})/(?P<number>\d+)\.wav")


def read_utterances(root: Path) -> list[Utterance]:
    """Read all utterances below ``root``.

    Raises:
        UserError: no ``<speaker>/<emotion>/<number>.wav`` here, or other audio files beside them.
    """
    return [
        Utterance(
            id=f"{found['speaker']}-{found['emotion']}-{found['number']}",
            path=path,
            speaker=found["speaker"],
            emotion=found["emotion"],
            text=f"s{found['number']}",
            style="scripted",
            shard=f"speaker-{file_name(found['speaker'])}",
        )
        for path, found in named_files(root, _PATH, "CASIA", "liuchanhg/angry/201.wav")
    ]
