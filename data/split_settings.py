"""The parameters of a split."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from data.corpus_settings import ColumnFilter
from data.settings import Settings

FOLDS_FOLDER = "data/folds"


def _tracked_file(path: str) -> str:
    if not path.startswith(f"{FOLDS_FOLDER}/"):
        raise ValueError(f"must be in {FOLDS_FOLDER}/, the folder that DVC watches for changes")
    return path


_Corpora = Annotated[list[str], Field(min_length=1)]


class SplitSettings(Settings):
    """``tasks.<name>.split``: who is tested, and who helps to choose the epoch.

    Attributes:
        scheme: what a test group is made of: whole sessions, whole speakers, whole corpora, or random utterances; or
            published folds: ``official`` those that the corpus itself brings, ``file`` a CSV, ``emobox`` EmoBox's
            metadata.
        train: corpora to train on, for ``scheme: corpus``; null: all that are not tested.
        test: corpora to test on, for ``scheme: corpus``; null: each corpus in a fold of its own.
        validation: ``group`` takes the next fold's test group; ``speaker`` a seeded speaker of every training corpus,
            whose dialogue partner leaves training; ``random`` a share of the fold's training utterances; ``official``
            the validation utterances that published folds name; ``none`` trains for a fixed number of epochs and keeps
            the last weights. A list names corpora, for ``scheme: corpus``.
        validation_share: of the training utterances, for ``validation: random``.
        folds: how many; null makes one fold per group (random: 5). Fewer join groups, each corpus's own in turn.
        where: role -> manifest column -> the values with which an utterance may play that role; others play none there.
        seed: of ``scheme: random`` and of ``validation: speaker`` and ``random``.
        file: in data/folds: for ``scheme: file`` a CSV, ``id,fold`` or ``id,fold_0,fold_1,...`` with roles; for
            ``emobox`` a folder (of several corpora, one with a folder for each of them).
    """

    scheme: Literal["session", "speaker", "corpus", "random", "official", "file", "emobox"]
    train: _Corpora | None = None
    test: _Corpora | None = None
    validation: Literal["group", "speaker", "random", "official", "none"] | _Corpora = "group"
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    folds: Annotated[int, Field(ge=2)] | None = None
    where: dict[Literal["train", "validation", "test"], ColumnFilter] = {}
    seed: Annotated[int, Field(ge=0)] = 1
    file: Annotated[str, AfterValidator(_tracked_file)] | None = None

    @model_validator(mode="after")
    def _file_goes_with_its_scheme(self):
        if (self.scheme in ("file", "emobox")) != (self.file is not None):
            raise ValueError("split.file goes with scheme: file or emobox, and with no other")
        published = self.scheme in ("official", "file", "emobox")
        if published and self.folds is not None:
            named = self.file or "the corpus"
            raise ValueError(f"scheme: {self.scheme} has as many folds as {named} names; set split.folds to null")
        if self.validation == "official" and not published:
            raise ValueError("validation: official goes with scheme: official, file or emobox")
        if self.scheme == "emobox" and self.validation in ("group", "speaker"):
            raise ValueError(
                f"validation: {self.validation} does not go with scheme: emobox; choose random (their protocol: a "
                "share of the training utterances), official (where they have a validation set) or none"
            )
        return self

    @model_validator(mode="after")
    def _corpora_go_with_their_scheme(self):
        if self.scheme != "corpus":
            if named := [role for role, corpora in self.named_corpora().items() if corpora]:
                raise ValueError(f"lists of corpora ({', '.join(named)}) go with scheme: corpus, and with no other")
            return self
        if self.folds is not None:
            raise ValueError("scheme: corpus has a fold per tested corpus; set split.folds to null")
        names = [name for corpora in self.named_corpora().values() for name in corpora]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(duplicates)} has more than one role among train, validation and test")
        if self.test is None and (self.train or isinstance(self.validation, list)):
            raise ValueError("train or validation names corpora, so split.test must name some, too")
        return self

    @property
    def divides_speakers(self) -> str | None:
        """How a speaker's utterances may come to play different roles, and what to choose instead; None if they do not.

        (``official`` is known only with the corpus.)
        """
        if self.scheme == "random":
            return "scheme: random divides each speaker's utterances; use speaker, session or corpus"
        if self.scheme in ("file", "emobox"):
            return f"scheme: {self.scheme} names single recordings; use speaker, session or corpus"
        if self.validation == "random":
            return "validation: random divides each speaker's utterances; use group, speaker or none"
        return None

    def named_corpora(self) -> dict[str, list[str]]:
        """Role -> the corpora that play it, where ``scheme: corpus`` lists them."""
        validation = self.validation if isinstance(self.validation, list) else []
        return {"train": self.train or [], "validation": validation, "test": self.test or []}
