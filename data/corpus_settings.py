"""The parameters that every corpus has, whatever reads it."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from data.concatenation import ConcatSettings
from data.errors import nearest
from data.settings import Settings
from data.sharding import ShardSize
from data.utterance import COLUMNS


def _manifest_columns(values: dict[str, list[str]]) -> dict[str, list[str]]:
    for column in values:
        if column not in COLUMNS:
            raise ValueError(f"no manifest column {column!r}{nearest(column, COLUMNS)}")
    return values


ColumnFilter = Annotated[dict[str, list[str]], AfterValidator(_manifest_columns)]


class CorpusSettings(Settings):
    """``corpora.<name>``: a corpus, which lives at ``corpora/<name>``. A reader with parameters of its own extends it.

    Attributes:
        reader: what reads it, a key of `data.corpora.CORPORA`.
        features: the feature sets it gets: all, or a list of their names.
        exclude: manifest column -> values whose utterances are left out.
        concat: which of a speaker's utterances become one long utterance; null: none. Those that are left out take no
            part in it.
        shards: what a file of clips or features holds: a session or a speaker, as the reader says (auto), or at most
            so many utterances, whoever speaks.
    """

    reader: str
    features: Literal["all"] | list[str] = "all"
    exclude: ColumnFilter = {}
    concat: ConcatSettings | None = None
    shards: ShardSize = "auto"

    def wants(self, feature_set: str) -> bool:
        """Whether this corpus gets a feature set."""
        return self.features == "all" or feature_set in self.features
