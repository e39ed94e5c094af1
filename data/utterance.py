"""What is known of one utterance: a row of the manifest."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Utterance:
    """One utterance of a corpus. Fields that a corpus does not have stay empty.

    Attributes:
        id: unique within the corpus.
        path: audio file, relative to the corpus root, with forward slashes.
        speaker: unique within the corpus; who is heard, not who is filmed.
        shard: the file its features go to: a session or a speaker.
        emotion: the corpus's own code, not a class.
        gender: ``female``, ``male`` or empty.
        session, dialog: names, empty where the corpus has none.
        style: e.g. ``improvised`` or ``scripted``.
        valence, activation, dominance: ratings, in the corpus's own range.
        votes: how many annotators chose each code: ``neu:2 hap:1``.
        start, end: seconds within the audio file between which the utterance is; None where it is the whole file.
        text: the words, or the code of a fixed sentence.
    """

    id: str
    path: str
    speaker: str
    shard: str
    emotion: str
    gender: str = ""
    session: str = ""
    dialog: str = ""
    style: str = ""
    valence: float | None = None
    activation: float | None = None
    dominance: float | None = None
    votes: str = ""
    start: float | None = None
    end: float | None = None
    text: str = ""


COLUMNS = [
    *("id", "path", "speaker", "gender", "session", "dialog", "style", "emotion"),
    *("valence", "activation", "dominance", "votes", "start", "end", "text", "shard"),
]

NUMBERS = [field.name for field in fields(Utterance) if field.type == (float | None)]
