"""How long a live session takes for a window, and the shortest hop that this machine holds.

The head is a random one: what it costs does not depend on what it has learnt.

    python -m benchmarks.live                                     # HuBERT-base, untrained: no network
    python -m benchmarks.live --checkpoint openai/whisper-tiny.en
"""

import argparse
import time

import numpy as np
import torch

from benchmarks.measuring import report
from data.errors import UserError
from features.device import choose_device
from features.kinds import open_encoder
from features.ssl import SslSettings
from inference import Predictor
from inference.live import LiveSession, warm_up
from inference.predictor import Run
from models.building import build_head
from models.linear import LinearSettings
from training.checkpoint import StandardisedHead

_CLASSES = ["neutral", "happy", "angry", "sad"]


def open_predictor(checkpoint: str, device: str) -> Predictor:
    """An encoder, and a random linear head on its last layer."""
    settings = SslSettings(kind="ssl", clips={}, checkpoint=checkpoint, layers="all")
    encoder = open_encoder(settings, choose_device(device, "--device"))
    head = build_head(LinearSettings(model="linear"), encoder.dimension, len(_CLASSES))
    statistics = torch.zeros(1, encoder.dimension), torch.ones(1, encoder.dimension)
    return Predictor(
        name="random",
        runs=[Run("fold-0/seed-1", StandardisedHead(head, *statistics))],
        names=_CLASSES,
        of_ratings=False,
        layers=encoder.layers[-1:],
        settings=settings,
        encoder=encoder,
    )


def seconds_per_window(predictor: Predictor, source_rate: int, windows: int) -> tuple[list[float], list[float]]:
    """From the last sample of a window of 3 s to its answer, one window after another: by the clock, and of processors.

    On a machine with other work the clock shows more, and the processors' seconds what it would be without.
    """
    hop = 0.5
    sound = np.random.default_rng(1).normal(0, 0.1, round((3.0 + windows * hop) * source_rate)).astype(np.float32)
    session = LiveSession(predictor, source_rate, hop)
    warm_up(predictor, session.window)
    session.feed(sound[: 3 * source_rate])
    session.analyse_due()
    taken, processors = [], []
    for block in np.array_split(sound[3 * source_rate :], windows):
        session.feed(block)
        begin = time.process_time()
        taken += [update.seconds_behind for update in session.analyse_due() if update.is_window]
        processors.append(time.process_time() - begin)
    return taken, processors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="untrained")
    parser.add_argument("--device", default="cpu", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--source-rate", type=int, default=48000, help="Hz of the microphone")
    parser.add_argument("--windows", type=int, default=30)
    arguments = parser.parse_args()
    predictor = open_predictor(arguments.checkpoint, arguments.device)
    taken, processors = seconds_per_window(predictor, arguments.source_rate, arguments.windows)
    report(
        "live",
        encoder=predictor.encoder.name,
        device=str(predictor.encoder.device),
        seconds_per_window={
            "median": float(np.median(taken)),
            "95 %": float(np.quantile(taken, 0.95)),
            "longest": max(taken),
        },
        processor_seconds_per_window=float(np.median(processors)),
        threads=torch.get_num_threads(),
        holds_half_a_second=bool(np.quantile(taken, 0.95) < 0.5),
    )


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from error
