"""A shard of clips -> a shard of frames: reading, computing and writing at the same time, in little memory.

`features.shared_extraction` shares the clips of a shard among processes.
"""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.clip_keys import clip_columns
from data.clips import clips_recipe, open_clips
from data.errors import UserError
from data.measured import peak_memory, restart_gpu_peak
from data.shards import Shard, content_digest
from features.batches import choose_batches, encode_batch, read_batch, store_batch
from features.encoder import Encoder, clips_in
from features.kinds import version_line
from features.origin import Origins
from features.overlap import ReadAhead, WriteBehind
from features.reuse import Donor, find_known
from features.settings import KindSettings
from features.writing import FeatureWriter


@dataclass(frozen=True)
class ShardJob:
    """A shard to be extracted.

    Attributes:
        clips: the shard of clips.
        path: the shard of features to write.
        fingerprint: of the result, kept in it.
        donors: shards from which clips are taken that have been encoded before.
    """

    clips: Shard
    path: Path
    fingerprint: str
    donors: Sequence[Donor] = ()

    def __str__(self):
        return self.path.name


def recipe_of(settings: KindSettings, encoder: Encoder, clips: dict) -> dict:
    """What determines a feature set's content apart from the samples themselves and the compute type.

    Where weights came from is no part of it: a checkpoint of the Hugging Face hub and a local copy are the same.

    Args:
        settings, encoder: of the feature set.
        clips: the `data.clips.ClipsSettings.content` that its clips are made with.
    """
    return {
        "kind": settings.kind,
        "layers": encoder.layers,
        "dimension": encoder.dimension,
        "storage": settings.storage,
        **encoder.recipe,
        "clips": clips,
    }


def content_of(settings: KindSettings, encoder: Encoder, clips: Shard) -> dict:
    """All that determines a shard of features but the compute type, for its fingerprint."""
    content = {
        "version": version_line(settings),
        "shard": clips.path.stem,
        "recipe": recipe_of(settings, encoder, clips_recipe(clips)),
        "clips": content_digest(clips.path),
    }
    if sources := encoder.sources(clips_in(clips)):
        content["sources"] = sources
    return content


def open_shards(folder: Path, encoder: Encoder) -> list[Shard]:
    """All shards of clips in a folder, each one fit for an encoder.

    Raises:
        UserError: there are none, or clips that the encoder cannot take.
    """
    shards = [open_clips(path) for path in sorted(folder.glob("*.h5"))]
    if not shards:
        raise UserError(f"{folder}: no clips here. Run `dvc repro`, or `dvc pull preprocess`.")
    check_clips(shards, encoder)
    return shards


class BegunShard:
    """A shard of features that is begun: what is known of it is in its place, and the rest is to be encoded.

    Args:
        job: what to extract.
        settings: storage.
        encoder: loaded for these settings.

    Attributes:
        clips: all of them [N].
        num_frames: of each clip [N].
        missing: the clips that are to be encoded.
        writer: of the shard.

    Raises:
        UserError: clips that the encoder cannot take, a full disk.
    """

    def __init__(self, job: ShardJob, settings: KindSettings, encoder: Encoder):
        check_clips([job.clips], encoder)
        self.job, self.clips = job, clips_in(job.clips)
        self.num_frames = [encoder.frames_of(clip) for clip in self.clips]
        origins = Origins(settings, encoder)
        known = find_known(job.donors, self.clips, self.num_frames, origins, encoder.layers)
        provenance = _provenance(encoder)
        makers = [maker for donation in known for maker in donation.provenances]
        others = [maker for number, maker in enumerate(makers) if maker not in [provenance, *makers[:number]]]
        self.writer = FeatureWriter(
            job.path,
            ids=job.clips.ids,
            num_frames=self.num_frames,
            seconds=job.clips.column("seconds"),
            columns=clip_columns(job.clips),
            recipe=recipe_of(settings, encoder, clips_recipe(job.clips)),
            frame_rate=encoder.frame_rate,
            fingerprint=job.fingerprint,
            provenance={**provenance, "reused": others} if others else provenance,
            cautions=encoder.cautions,
            encoder=origins.encoder if origins.known else None,
        )
        self.missing = sorted({*range(len(self.clips))} - {index for donation in known for index in donation.indices})
        self._known = known

    def __enter__(self):
        self.writer.__enter__()
        try:
            for donation in self._known:
                donation.copy_to(self.writer)
        except BaseException as error:
            self.writer.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, kind, error, trace):
        self.writer.__exit__(kind, error, trace)


def extract_shard(
    clips: Shard,
    path: Path,
    settings: KindSettings,
    encoder: Encoder,
    *,
    fingerprint: str,
    donors: Sequence[Donor] = (),
    batch_size: int | None = None,
    on_clips: Callable[[int], None] = lambda count: None,
) -> dict[str, str | float | None]:
    """Encode one shard in this process.

    Args:
        clips, path, fingerprint, donors: see `ShardJob`.
        settings: storage.
        encoder: loaded for these settings.
        batch_size: clips per batch; None chooses by duration.
        on_clips: called with the number of clips, those that were known first and then after each batch.

    Returns:
        What it cost: ``device``, ``clips`` (that were encoded), ``seconds`` and the peak memory
        (`data.measured.peak_memory`).

    Raises:
        UserError: another sample rate than the encoder's, clips that are too short or too long for it, frames that
            cannot be stored, out of GPU memory, a full disk.
    """
    device = encoder.device.type
    restart_gpu_peak(device)
    start = time.perf_counter()
    shard = BegunShard(ShardJob(clips, path, fingerprint, donors), settings, encoder)
    origins, known = Origins(settings, encoder), (shard.clips, shard.num_frames, encoder)
    batches = (read_batch(indices, *known, origins) for indices in choose_batches(shard.missing, *known, batch_size))
    with (
        shard,
        ReadAhead(batches) as reader,
        WriteBehind(lambda batch, layers: store_batch(batch, layers, shard.writer, encoder)) as writer,
    ):
        on_clips(len(shard.clips) - len(shard.missing))
        for batch in reader:
            writer.put(batch, encode_batch(batch, encoder))
            on_clips(len(batch.indices))
    seconds = time.perf_counter() - start
    return {"device": device, "clips": len(shard.missing), "seconds": seconds, **peak_memory(device)}


def _provenance(encoder: Encoder) -> dict:
    """What made a shard."""
    return {
        "checkpoint": encoder.name,
        "revision": encoder.revision,
        "compute_dtype": encoder.compute_type,
        "device": encoder.device.type,
        "versions": {**encoder.versions, "python": platform.python_version()},
    }


def check_clips(shards: Sequence[Shard], encoder: Encoder) -> None:
    """Refuse clips that an encoder cannot take.

    Raises:
        UserError: another sample rate than the encoder's, or clips that are too short or too long.
    """
    for clips in shards:
        if encoder.sample_rate and clips.attributes["sample_rate"] != encoder.sample_rate:
            raise UserError(
                f"{clips.path}: clips of {clips.attributes['sample_rate']} Hz, but {encoder.name} "
                f"expects {encoder.sample_rate} Hz; change features.<set>.clips.sample_rate."
            )
    try:
        encoder.check_clips([clip for clips in shards for clip in clips_in(clips)])
    except UserError as error:
        raise UserError(f"{shards[0].path.parent}: {error}") from None
