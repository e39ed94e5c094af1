"""TurEV-DB: 82 Turkish words acted by six speakers in four emotions, 1,735 utterances of about a second.

Canpolat, Ormanoğlu and Zeyrek 2020, "Turkish Emotion Voice Database (TurEV-DB)". CC BY-NC-ND 4.0.

::

    Sound Source/Happy/1234_mt_cay.wav     emotion, then speaker 1234, emotion mt, word cay; 44.1 kHz

The emotion is named twice, and both names have to agree. One file has a digit after its word (7895_hl_ogul1.wav).
Speaker 1157 has sad and angry utterances only. Nothing here says who is a woman and who is a man.
"""

import re
from pathlib import Path

from data.errors import UserError, listed
from data.utterance import Utterance

EMOTIONS = {"kz": "angry", "sk": "calm", "mt": "happy", "hl": "sad"}

_NAME = re.compile(r"(?P<speaker>\d{4})_(?P<emotion>kz|sk|mt|hl)_(?P<word>[a-z]+)\d?")


def read_utterances(root: Path) -> list[Utterance]:
    """Read all utterances of ``root/Sound Source`` (or of ``root`` itself).

    Raises:
        UserError: no wav file here, one whose name is not TurEV-DB's, or one in the folder of another emotion.
    """
    folder = root / "Sound Source" if (root / "Sound Source").is_dir() else root
    paths = sorted(path for path in folder.glob("*/*.wav") if not path.name.startswith("."))
    unexpected = [_below(folder, path) for path in paths if not _NAME.fullmatch(path.stem)]
    if not paths or len(unexpected) == len(paths):
        raise UserError(
            f"{root} does not look like TurEV-DB: no Sound Source/Happy/1234_mt_cay.wav or the like in it. "
            "Put its folder, or a link to it, there."
        )
    if unexpected:
        raise UserError(
            f"{folder}: {len(unexpected)} file names are not TurEV-DB's (speaker, emotion, word, as in "
            f"1234_mt_cay.wav); move them elsewhere:\n{listed(unexpected)}"
        )
    utterances = [_utterance(path, root) for path in paths]
    misplaced = [
        f"{_below(folder, path)}: {utterance.emotion} is {EMOTIONS[utterance.emotion]}"
        for path, utterance in zip(paths, utterances, strict=True)
        if path.parent.name.lower() != EMOTIONS[utterance.emotion]
    ]
    if misplaced:
        raise UserError(
            f"{folder}: {len(misplaced)} file names and their folders name different emotions; compare them with the "
            f"release:\n{listed(misplaced)}"
        )
    return utterances


def _utterance(path: Path, root: Path) -> Utterance:
    name = _NAME.fullmatch(path.stem)
    return Utterance(
        id=path.stem,
        path=_below(root, path),
        speaker=name["speaker"],
        emotion=name["emotion"],
        text=name["word"],
        style="scripted",
        shard=f"speaker-{name['speaker']}",
    )


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
