"""Where a clip's frames come from, as one digest: what went into the encoder, and which encoder that was.

Frames of equal origin are the same frames, in whichever shard or feature set they are. So everything that determines
them is in the digest: the kind and its version, the encoder's recipe, the compute type, the storage, and of the clip
its samples, their rate and how much of what it is padded to goes through the encoder. Which layers are stored is not:
a layer does not depend on which others are.
"""

import hashlib
import json
from functools import cached_property

import numpy as np

from data.clips import stored_samples
from features.encoder import AudioEncoder, Clip, Encoder
from features.kinds import version_line
from features.settings import KindSettings
from features.shard_contents import ORIGIN_SIZE


class Origins:
    """The origins of the clips of one feature set.

    Args:
        settings: of the feature set.
        encoder: loaded for these settings.
    """

    def __init__(self, settings: KindSettings, encoder: Encoder):
        self._settings, self._encoder = settings, encoder

    @property
    def known(self) -> bool:
        """Whether the encoder's frames are determined by recipe and samples, and by no file that it reads beside."""
        return isinstance(self._encoder, AudioEncoder)

    @property
    def form(self) -> dict:
        """What a shard's recipe says of such frames, as JSON has it."""
        form = {"kind": self._settings.kind, "dimension": self._encoder.dimension, "storage": self._settings.storage}
        return json.loads(json.dumps(form | self._encoder.recipe))

    @property
    def compute_type(self) -> str:
        """The arithmetic that the frames are computed in."""
        return self._encoder.compute_type

    @cached_property
    def encoder(self) -> str:
        """The digest of everything but the clip and the layers."""
        content = {
            "version": version_line(self._settings),
            "recipe": self._encoder.recipe,
            "dimension": self._encoder.dimension,
            "compute_type": self._encoder.compute_type,
            "storage": self._settings.storage,
        }
        return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=ORIGIN_SIZE).hexdigest()

    def of(self, clip: Clip) -> np.ndarray:
        """The origin of a clip's frames: uint8 [16]."""
        length = self._encoder.frames_of(clip), self._encoder.seconds_of(clip)
        how = json.dumps([self.encoder, clip.shard.attributes["sample_rate"], *length])
        digest = hashlib.blake2b(how.encode(), digest_size=ORIGIN_SIZE)
        digest.update(np.ascontiguousarray(stored_samples(clip.shard, clip.index)))
        return np.frombuffer(digest.digest(), np.uint8)
