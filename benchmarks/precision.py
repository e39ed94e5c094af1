"""What arithmetic and storage cost, per layer: the error as a share of each dimension's own deviation.

``bfloat16`` is the encoder's arithmetic against float32; ``float16`` and ``int8`` are storage of float32's frames.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import report
from data.clips import ClipsSettings, open_clips, read_samples
from features.encoder import Encoder
from features.quantisation import Noise, quantise, restore
from features.ssl import SslSettings, open_encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, help="a shard of clips, e.g. artifacts/clips/emodb/whisper/speaker-03.h5")
    parser.add_argument("--checkpoint", default="untrained")
    parser.add_argument("--count", type=int, default=40)
    arguments = parser.parse_args()
    clips = open_clips(arguments.clips)
    recipe = ClipsSettings(sample_rate=clips.attributes["sample_rate"], seconds=clips.attributes["seconds"] or None)
    settings = SslSettings(clips=recipe, checkpoint=arguments.checkpoint, layers="all")
    exact, rough = (
        open_encoder(settings.model_copy(update={"compute_dtype": compute_dtype}), torch.device("cpu"))
        for compute_dtype in ("float32", "bfloat16")
    )
    waveforms = [read_samples(clips, index) for index in range(len(clips.ids))[: arguments.count]]
    report(
        "precision",
        checkpoint=arguments.checkpoint,
        clips=len(waveforms),
        noise_by_layer=noise_by_layer(exact, rough, waveforms),
    )


def noise_by_layer(exact: Encoder, rough: Encoder, clips: list[np.ndarray]) -> dict[str, dict[str, float]]:
    """Per layer and cause the median over dimensions and the worst dimension."""
    causes = ("bfloat16", "float16", "int8")
    noise = {layer: {cause: Noise(exact.dimension) for cause in causes} for layer in exact.layers}
    for clip in clips:
        for layer, frames, other in zip(
            exact.layers, exact.encode([exact.prepare(clip)]), rough.encode([rough.prepare(clip)]), strict=True
        ):
            frames = frames[0, : exact.num_frames(len(clip))].numpy()
            noise[layer]["bfloat16"].add(frames, other[0, : len(frames)].numpy())
            noise[layer]["float16"].add(frames, frames.astype(np.float16).astype(np.float32))
            noise[layer]["int8"].add(frames, restore(*quantise(frames)))
    return {
        str(layer): {
            f"{cause}_{name}": float(summary(of_layer[cause].relative()))
            for cause in causes
            for name, summary in (("median", np.median), ("worst", np.max))
        }
        for layer, of_layer in noise.items()
    }


if __name__ == "__main__":
    main()
