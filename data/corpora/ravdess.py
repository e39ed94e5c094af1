"""RAVDESS: two English sentences spoken by 24 actors in eight emotions and two intensities, 1,440 speech files.

Livingstone and Russo 2018, "The Ryerson Audio-Visual Database of Emotional Speech and Song". CC BY-NC-SA.

::

    Actor_07/03-01-06-01-02-01-07.wav    modality-channel-emotion-intensity-statement-repetition-actor; 48 kHz

Odd actors are male. Copies circulate with all ``Actor_*`` folders twice, once nested: an utterance counts once.
"""

import re
from pathlib import Path

from data.errors import UserError
from data.utterance import Utterance

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}

_SPEECH = re.compile(
    r"03-01-(?P<emotion>0[1-8])-(?P<intensity>0[12])-(?P<statement>0[12])-0[12]-(?P<actor>\d\d)"  # audio-only speech
)
_INTENSITY = {"01": "normal", "02": "strong"}
_STATEMENT = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


def read_utterances(root: Path) -> list[Utterance]:
    """Read all audio-only speech below ``root``; song and video are left out.

    Raises:
        UserError: no file here is named like RAVDESS speech.
    """
    shallow_first = sorted(root.rglob("*.wav"), key=lambda path: (len(path.parts), path))
    utterances: dict[str, Utterance] = {}
    for path in shallow_first:
        name = _SPEECH.fullmatch(path.stem)
        if name and path.stem not in utterances:
            utterances[path.stem] = _utterance(path, root, name)
    if not utterances:
        raise UserError(f"{root} does not look like RAVDESS: no Actor_01/03-01-01-01-01-01-01.wav or the like in it.")
    return list(utterances.values())


def _utterance(path: Path, root: Path, name: re.Match) -> Utterance:
    actor = name["actor"]
    return Utterance(
        id=path.stem,
        path=path.relative_to(root).as_posix(),
        speaker=actor,
        gender="male" if int(actor) % 2 else "female",
        emotion=name["emotion"],
        style=_INTENSITY[name["intensity"]],
        text=_STATEMENT[name["statement"]],
        shard=f"actor-{actor}",
    )
