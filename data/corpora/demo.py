"""The demo corpus: synthetic speech that `data.synthesis` writes, in IEMOCAP's shape, read by IEMOCAP's reader."""

from data.corpora.iemocap import EMOTIONS, read_utterances

__all__ = ["EMOTIONS", "read_utterances"]
