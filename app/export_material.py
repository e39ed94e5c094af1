"""The utterances of a project on which an export is tried: frames from its features, waveforms from its clips."""

from functools import cached_property

import numpy as np
from torch import Tensor

from data.clips import open_clips
from features.encoder import Clip, clips_in
from features.store import FeatureSet
from inference.export.material import Material, Utterance
from stages.inputs import read_usable_splits
from stages.layout import clips_folder, features_folder
from stages.params import read_yaml


class ProjectMaterial(Material):
    """The utterances of a head's task.

    Args:
        head: its name in params.yaml.
        layers: that it reads.

    Raises:
        UserError: the project lacks the head's features or splits.
    """

    def __init__(self, head: str, layers: list[int]):
        params = read_yaml()
        settings = params["heads"][head]
        self._set, corpus = settings["features"].split("/")
        self._layers = layers
        self._features = FeatureSet(features_folder(corpus, self._set))
        self._splits = read_usable_splits(settings["task"], self._features)
        self._targets = params["tasks"][settings["task"]].get("targets") or []
        joined = (params.get("joined") or {}).get(corpus)
        self._corpora = {f"{part}:": part for part in joined} if joined else {"": corpus}

    def utterances(self, fold: int, *roles: str) -> list[Utterance]:
        """The utterances that play one of some roles in a fold."""
        rows = self._splits[self._splits[f"fold_{fold}"].isin(roles)]
        return [
            Utterance(
                row["id"],
                row["speaker"],
                tuple(float(row[name]) for name in self._targets) if self._targets else row["label"],
                tuple(self._features.clips_of(row["id"])),
            )
            for row in rows.to_dict("records")
        ]

    @property
    def has_waveforms(self) -> bool:
        """Whether the clips are here, and not only their features."""
        return all(any(clips_folder(corpus, self._set).glob("*.h5")) for corpus in self._corpora.values())

    def frames(self, key: str) -> Tensor:
        return self._features.gather([key], self._layers)[0][0]

    def waveform(self, key: str) -> np.ndarray:
        return self._clips[key].samples

    @cached_property
    def _clips(self) -> dict[str, Clip]:
        return {
            prefix + clip.key: clip
            for prefix, corpus in self._corpora.items()
            for path in sorted(clips_folder(corpus, self._set).glob("*.h5"))
            for clip in clips_in(open_clips(path))
        }
