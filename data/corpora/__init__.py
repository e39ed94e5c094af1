"""One reader per corpus.

A corpus is a module with two names: ``EMOTIONS`` (its own codes and what they mean) and ``read_utterances(root)``.
To add one, write such a file and name it in `CORPORA`.
"""

from types import ModuleType

from data.corpora import demo, emodb, iemocap, ravdess, turevdb

CORPORA: dict[str, ModuleType] = {
    "iemocap": iemocap,
    "emodb": emodb,
    "ravdess": ravdess,
    "turevdb": turevdb,
    "demo": demo,
}

__all__ = ["CORPORA"]
