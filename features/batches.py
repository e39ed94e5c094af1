"""Clips that go through an encoder together: choosing, reading, encoding and storing them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from data.errors import UserError
from features.encoder import Clip, Encoder
from features.origin import Origins
from features.writing import FeatureWriter, FrameWriter, UnstorableError

GPU_SECONDS = 192.0  # of audio in a batch


@dataclass(frozen=True)
class Batch:
    """Clips of one shard that are encoded together.

    Attributes:
        indices: which of the shard's they are [B].
        num_frames: of each of them.
        inputs: of the encoder [B].
        origins: of the clips [B]; None where the encoder's frames have none.
    """

    indices: list[int]
    num_frames: int
    inputs: list
    origins: list[np.ndarray] | None


def choose_batches(
    indices: Sequence[int],
    clips: Sequence[Clip],
    num_frames: Sequence[int],
    encoder: Encoder,
    batch_size: int | None = None,
) -> list[list[int]]:
    """Clips in batches of the same number of frames, longest first, so that a lack of memory shows at once.

    Args:
        indices: which of the shard's clips.
        clips: of the shard [N].
        num_frames: of each of them [N].
        encoder: that will encode them.
        batch_size: clips per batch; None chooses by duration.
    """
    order = sorted(indices, key=lambda index: (-num_frames[index], index))
    batches = []
    while order:
        first = order[0]
        most = batch_size or clips_at_once(encoder, encoder.seconds_of(clips[first]))
        batches.append([index for index in order[:most] if num_frames[index] == num_frames[first]])
        order = order[len(batches[-1]) :]
    return batches


def clips_at_once(encoder: Encoder, seconds: float) -> int:
    """How many clips of some length are best encoded together.

    On a CPU each one alone: its frames then depend on nothing else, to the last bit. Clips of 3 s take no longer that
    way, those of 1 s about half as long again.
    """
    return 1 if encoder.device.type == "cpu" else max(1, round(GPU_SECONDS / seconds))


def read_batch(
    indices: list[int], clips: Sequence[Clip], num_frames: Sequence[int], encoder: Encoder, origins: Origins
) -> Batch:
    """Read clips of the same number of frames for an encoder; the arguments are those of `choose_batches`."""
    inputs = [encoder.input_of(clips[index]) for index in indices]
    known = [origins.of(clips[index]) for index in indices] if origins.known else None
    return Batch(indices, num_frames[indices[0]], inputs, known)


def encode_batch(batch: Batch, encoder: Encoder) -> list[torch.Tensor]:
    """Encode a batch; in halves where the GPU's memory does not hold it.

    Returns:
        Per layer: frames float32 [B, num_frames, D].

    Raises:
        UserError: the memory does not hold a single clip.
    """
    try:
        return [layer[:, : batch.num_frames] for layer in encoder.encode(batch.inputs)]
    except torch.OutOfMemoryError as error:
        if len(batch.indices) == 1:
            seconds = batch.num_frames / encoder.frame_rate
            raise UserError(
                f"out of GPU memory on a single clip of {seconds:.1f} s; shorten the clips "
                "(features.<set>.clips.seconds) or set runtime.device: cpu."
            ) from error
    torch.cuda.empty_cache()
    middle = len(batch.indices) // 2
    halves = [
        encode_batch(Batch(batch.indices[part], batch.num_frames, batch.inputs[part], None), encoder)
        for part in (slice(middle), slice(middle, None))
    ]
    return [torch.cat(layers) for layers in zip(*halves, strict=True)]


def store_batch(
    batch: Batch, layers: list[torch.Tensor], writer: FeatureWriter | FrameWriter, encoder: Encoder
) -> None:
    """Write the frames of a batch, ``layers`` of `encode_batch`.

    Raises:
        UserError: frames that cannot be stored, a full disk.
    """
    try:
        writer.write(batch.indices, [frames.numpy() for frames in layers], batch.origins)
    except UnstorableError as error:
        raise UserError(f"{error} {encoder.advice}".strip()) from None
