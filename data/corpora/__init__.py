"""One reader per corpus, and readers of corpora that come with a table.

A reader is a module. To add one, write its file and name it in `CORPORA`. The usual one has two names: ``EMOTIONS``
(the corpus's own codes and what they mean) and ``read_utterances(root)``. It may have others instead:

- ``read_corpus(source)`` in place of ``read_utterances``, where it brings folds, reads ``data/tables/<corpus>`` or has
  parameters (`data.corpora.reading`);
- ``Parameters``, the model of its parameters, which extends `data.corpus_settings.CorpusSettings`;
- no ``EMOTIONS``, where only the corpus itself says which codes there are.
"""

import functools
import operator
from collections.abc import Mapping
from types import ModuleType
from typing import Annotated, Literal

from pydantic import Field, create_model

from data.corpora import (
    audformat,
    casia,
    cremad,
    demo,
    emobox,
    emodb,
    iemocap,
    modma,
    msp_podcast,
    ravdess,
    savee,
    table,
    tess,
    turevdb,
)
from data.corpora.reading import Corpus, Source
from data.corpus_settings import CorpusSettings

CORPORA: dict[str, ModuleType] = {
    "iemocap": iemocap,
    "emodb": emodb,
    "ravdess": ravdess,
    "turevdb": turevdb,
    "casia": casia,
    "cremad": cremad,
    "modma": modma,
    "msp_podcast": msp_podcast,
    "savee": savee,
    "tess": tess,
    "demo": demo,
    "table": table,
    "emobox": emobox,
    "audformat": audformat,
}


def read_corpus(source: Source) -> Corpus:
    """Read a corpus by the reader that its parameters name.

    Raises:
        UserError: the folder is not this corpus, or something in it cannot be read.
    """
    reader = CORPORA[source.settings.reader]
    if hasattr(reader, "read_corpus"):
        return reader.read_corpus(source)
    return Corpus(reader.read_utterances(source.root))


def known_emotions(reader: str) -> Mapping[str, str] | None:
    """A reader's codes and what they mean; None where only the corpus itself says which there are."""
    return getattr(CORPORA[reader], "EMOTIONS", None)


def _parameters(name: str, reader: ModuleType) -> type[CorpusSettings]:
    base = getattr(reader, "Parameters", CorpusSettings)
    return create_model(f"{base.__name__}_{name}", __base__=base, __doc__=base.__doc__, reader=(Literal[name], ...))


AnyCorpusSettings = Annotated[
    functools.reduce(operator.or_, [_parameters(name, reader) for name, reader in CORPORA.items()]),
    Field(discriminator="reader"),
]
"""``corpora.<name>`` of any reader: ``reader`` chooses the class."""

__all__ = ["CORPORA", "AnyCorpusSettings", "Corpus", "Source", "known_emotions", "read_corpus"]
