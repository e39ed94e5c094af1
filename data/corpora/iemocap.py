"""IEMOCAP: dyadic acted dialogues, improvised and scripted; 5 sessions, 10 speakers, 10,039 utterances.

Busso et al. 2008, "IEMOCAP: Interactive emotional dyadic motion capture database". By licence from USC SAIL.

::

    Session<1-5>/dialog/EmoEvaluation/<dialog>.txt      [start - end] <TAB> id <TAB> code <TAB> [v, a, d], and below
                                                        it the annotators: C-E2: <TAB> Neutral; <TAB> (comment)
    Session<1-5>/dialog/transcriptions/<dialog>.txt     id [start-end]: text
    Session<1-5>/sentences/wav/<dialog>/<id>.wav        16 kHz mono

Annotators (``C-E<k>``) may name several emotions; each of them is a vote. What the speakers say of themselves
(``C-F<k>``, ``C-M<k>``) is none.

The speaker is the session plus the letter of the id's *last* part: ``Ses01F_impro01_M003`` is spoken by the man.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from data.errors import UserError
from data.utterance import Utterance
from data.votes import format_votes

EMOTIONS = {
    "neu": "neutral",
    "hap": "happiness",
    "exc": "excitement",
    "sad": "sadness",
    "ang": "anger",
    "fru": "frustration",
    "sur": "surprise",
    "fea": "fear",
    "dis": "disgust",
    "oth": "other",
    "xxx": "no agreement between the annotators",
}

NAMES = {  # a code -> what annotators call it
    **{"neu": "Neutral", "hap": "Happiness", "exc": "Excited", "sad": "Sadness", "ang": "Anger", "fru": "Frustration"},
    **{"sur": "Surprise", "fea": "Fear", "dis": "Disgust", "oth": "Other"},
}

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_ANNOTATION = re.compile(
    rf"\[{_NUMBER} - {_NUMBER}\]\t(?P<id>\S+)\t(?P<code>[a-z]+)\t\[{_NUMBER}, {_NUMBER}, {_NUMBER}\]\s*"
)
_VOTES = re.compile(r"C-E\d+:(?P<names>[^(]*)")
_ID = re.compile(r"(?P<dialog>Ses(?P<session>\d\d)[FM]_(?P<name>(?:impro|script)\w+))_(?P<speaker>[FM])\d+")
_TRANSCRIPT = re.compile(r"(?P<id>Ses\d\d[FM]_\S+) \[[^]]*\]: ?(?P<text>.*)")
_GENDER = {"F": "female", "M": "male"}


def read_utterances(root: Path) -> list[Utterance]:
    """Read all annotated utterances below ``root``, the folder that holds ``Session1`` to ``Session5``.

    Raises:
        UserError: no session here, or an annotation line that cannot be read.
    """
    sessions = sorted(folder for folder in root.glob("Session[0-9]") if folder.is_dir())
    annotated = [folder for folder in sessions if any(_text_files(folder / "dialog/EmoEvaluation"))]
    if not annotated:
        raise UserError(
            f"{root} does not look like IEMOCAP: no Session<k>/dialog/EmoEvaluation in it. "
            "The folder that holds Session1 to Session5 (IEMOCAP_full_release), or a link to it, goes there."
        )
    if incomplete := [folder.name for folder in sessions if folder not in annotated]:
        raise UserError(
            f"{root}: {', '.join(incomplete)}: no annotations in dialog/EmoEvaluation; the copy is incomplete."
        )
    return [utterance for session in sessions for utterance in _read_session(root, session)]


def _read_session(root: Path, session: Path) -> list[Utterance]:
    utterances = []
    for evaluation in _text_files(session / "dialog/EmoEvaluation"):
        texts = _read_transcript(session / "dialog/transcriptions" / evaluation.name)
        lines = _lines(evaluation)
        found = [
            _parse_annotation(line, f"{evaluation.relative_to(root)}:{number}", session, texts, lines[number:])
            for number, line in enumerate(lines, start=1)
            if line.startswith("[") or _ID.search(line)
        ]
        if not found:
            raise UserError(f"{evaluation.relative_to(root)}: no annotation in it; copy it again from the release.")
        utterances += found
    return utterances


def _parse_annotation(line: str, source: str, session: Path, texts: dict[str, str], below: list[str]) -> Utterance:
    annotation = _ANNOTATION.fullmatch(line)
    name = _ID.fullmatch(annotation["id"]) if annotation else None
    if annotation is None or name is None:
        raise UserError(
            f"{source}: cannot read the annotation {line!r}. Expected "
            "'[start - end]<TAB>id<TAB>code<TAB>[valence, activation, dominance]'; copy it again from the release."
        )
    if annotation["code"] not in EMOTIONS:
        raise UserError(f"{source}: unknown emotion code {annotation['code']!r}; IEMOCAP's are {', '.join(EMOTIONS)}.")
    *_, valence, activation, dominance = annotation.groups()
    return Utterance(
        id=annotation["id"],
        path=f"{session.name}/sentences/wav/{name['dialog']}/{annotation['id']}.wav",
        speaker=f"Ses{name['session']}{name['speaker']}",
        gender=_GENDER[name["speaker"]],
        session=session.name,
        dialog=name["dialog"],
        style="improvised" if name["name"].startswith("impro") else "scripted",
        emotion=annotation["code"],
        valence=float(valence),
        activation=float(activation),
        dominance=float(dominance),
        votes=format_votes(_votes(below)),
        text=texts.get(annotation["id"], ""),
        shard=session.name,
    )


def _votes(below: list[str]) -> Iterator[str]:
    """The codes that annotators gave an utterance, of the lines below its own, up to the next utterance's."""
    for line in itertools.takewhile(lambda line: not line.startswith("["), below):
        if match := _VOTES.match(line):
            names = {name.strip() for name in match["names"].split(";")}
            yield from (code for code, name in NAMES.items() if name in names)


def _read_transcript(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    matches = (_TRANSCRIPT.fullmatch(line.strip()) for line in _lines(path))
    return {match["id"]: match["text"].strip() for match in matches if match}


def _text_files(folder: Path) -> list[Path]:
    """The folder's text files, without the ``._*.txt`` files that macOS leaves behind: those are not text."""
    return sorted(path for path in folder.glob("*.txt") if not path.name.startswith("."))


def _lines(path: Path) -> list[str]:
    """The file's lines: UTF-8, or else Latin-1, which a few of the release's files are in."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").split("\n")
