"""EmoDB: ten German sentences acted by ten speakers in seven emotions, 535 utterances.

Burkhardt et al. 2005, "A Database of German Emotional Speech". Free to use.

::

    wav/03a01Fa.wav     speaker 03, sentence a01, emotion F, version a
"""

import re
from pathlib import Path

from data.errors import UserError, listed
from data.utterance import Utterance

EMOTIONS = {
    "W": "anger (Wut)",
    "L": "boredom (Langeweile)",
    "E": "disgust (Ekel)",
    "A": "fear (Angst)",
    "F": "happiness (Freude)",
    "T": "sadness (Trauer)",
    "N": "neutral",
}

_NAME = re.compile(r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]?")
_FEMALE = {"08", "09", "13", "14", "16"}
_MALE = {"03", "10", "11", "12", "15"}


def read_utterances(root: Path) -> list[Utterance]:
    """Read all utterances of ``root/wav`` (or of ``root`` itself).

    Raises:
        UserError: no wav file here, or one whose name is not EmoDB's.
    """
    folder = root / "wav" if (root / "wav").is_dir() else root
    paths = sorted(path for path in folder.glob("*.wav") if not path.name.startswith("."))
    unexpected = [path.name for path in paths if not _NAME.fullmatch(path.stem)]
    if not paths or len(unexpected) == len(paths):
        raise UserError(
            f"{root} does not look like EmoDB: no wav/03a01Fa.wav or the like in it. "
            "Put its folder, or a link to it, there."
        )
    if unexpected:
        raise UserError(
            f"{folder}: {len(unexpected)} file names are not EmoDB's (speaker, sentence, emotion letter, version, "
            f"as in 03a01Fa.wav); move them elsewhere:\n{listed(unexpected)}"
        )
    return [_utterance(path, root) for path in paths]


def _utterance(path: Path, root: Path) -> Utterance:
    name = _NAME.fullmatch(path.stem)
    speaker = name["speaker"]
    return Utterance(
        id=path.stem,
        path=path.relative_to(root).as_posix(),
        speaker=speaker,
        gender="female" if speaker in _FEMALE else "male" if speaker in _MALE else "",
        emotion=name["emotion"],
        text=name["text"],
        style="scripted",
        shard=f"speaker-{speaker}",
    )
