"""`ser predict` against the usual loop: float32, one file at a time, the same head on the encoder's hidden states.

HuBERT-base on the first 3 s of recordings and on whole ones, whose lengths all differ; Whisper tiny's encoder on the
first 3 s, which the usual loop fills up to 30 s. Both decode, resample and predict the same files, with everything
loaded before. Weights are random: they change no time.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from torchaudio.functional import resample
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from app.predict import predict_wholes
from benchmarks.measuring import medians, report
from data.clips import ClipsSettings
from features.checkpoints import is_whisper, load_checkpoint
from features.ssl import SslSettings, choose_compute_dtype, open_encoder
from inference.predictor import Predictor, Run
from models import HEADS
from models.building import build_head
from training.checkpoint import StandardisedHead

_CLASSES = ["angry", "happy", "neutral", "sad"]
_HEAD = {"model": "gru", "hidden_size": 64, "num_layers": 2, "attention": "dot"}
_FILE_RATE = 44100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    random = np.random.default_rng(0)
    lengths = random.lognormal(np.log(3.8), 0.55, arguments.files).clip(0.6, 20)  # about IEMOCAP's: 4.5 s on average
    folder = Path(tempfile.mkdtemp())
    WhisperModel(WhisperConfig(decoder_layers=0)).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    how = {"lengths": lengths, "rounds": arguments.rounds, "device": device}
    report(
        "predict",
        files=arguments.files,
        device=device.type,
        compute_dtype=str(choose_compute_dtype("auto", device)),
        first_3_s=race("untrained", longest=3.0, **how),
        whole_recordings=race("untrained", longest=None, **how),
        whisper_first_3_s=race(str(folder), longest=3.0, **how),
    )
    shutil.rmtree(folder)


def race(checkpoint: str, lengths: np.ndarray, longest: float | None, rounds: int, device: torch.device) -> dict:
    """All contestants over files of some seconds each."""
    folder = Path(tempfile.mkdtemp())
    audio = [folder / f"{number}.wav" for number in range(len(lengths))]
    random = np.random.default_rng(0)
    for path, seconds in zip(audio, lengths, strict=True):
        soundfile.write(path, random.normal(0, 0.1, (round(_FILE_RATE * seconds), 2)), _FILE_RATE)
    loaded = load_checkpoint(SslSettings(clips=ClipsSettings(), checkpoint=checkpoint, layers=[0]))
    last = loaded.config.num_hidden_layers
    model, extractor = loaded.model.to(device), loaded.extractor
    model = getattr(model, "encoder", model) if is_whisper(loaded.config) else model
    settings = SslSettings(clips=ClipsSettings(seconds=longest), checkpoint=checkpoint, layers=[last])
    head = build_head(HEADS["gru"][0](**_HEAD), loaded.config.hidden_size, len(_CLASSES), num_layers=1)
    shape = 1, loaded.config.hidden_size
    head = StandardisedHead(head, torch.zeros(shape), torch.ones(shape)).to(device).eval()
    answers: dict[str, list[np.ndarray]] = {}

    @torch.inference_mode()
    def usual_loop() -> None:
        answers["usual_loop"] = []
        for path in audio:
            samples, rate = soundfile.read(path, dtype="float32")
            waveform = resample(torch.from_numpy(samples.mean(axis=1)), rate, 16000)
            waveform = waveform if longest is None else waveform[: round(16000 * longest)]
            inputs = extractor(waveform.numpy(), sampling_rate=16000, return_tensors="pt")
            inputs = inputs[extractor.model_input_names[0]].to(device)
            frames = model(inputs, output_hidden_states=True).hidden_states[last]
            logits = head(frames[:, None], torch.tensor([frames.shape[1]], device=device)).emotion_logits
            answers["usual_loop"].append(logits.softmax(dim=1)[0].cpu().numpy())

    def ours(name: str, compute_dtype: str):
        predictor = Predictor(
            name="benchmark",
            runs=[Run("fold-0/seed-1", head)],
            names=_CLASSES,
            of_ratings=False,
            layers=[last],
            settings=settings,
            encoder=open_encoder(settings.model_copy(update={"compute_dtype": compute_dtype}), device),
        )

        def predict() -> None:
            predicted = predict_wholes(audio, predictor, refuse)
            answers[name] = [one.rows[0].outputs for one in predicted]

        return predict

    contestants = {
        "usual_loop": usual_loop,
        "ser_predict": ours("ser_predict", "auto"),
        "ser_predict_float32": ours("ser_predict_float32", "float32"),
    }
    try:
        for run in contestants.values():
            run()  # a first time, which is slower
        seconds = medians(contestants, rounds)
    finally:
        shutil.rmtree(folder)
    predicted = lengths.sum() if longest is None else lengths.clip(max=longest).sum()
    difference = np.abs(np.subtract(answers["usual_loop"], answers["ser_predict_float32"])).max()
    return {
        "seconds_of_audio": float(predicted),
        "seconds_per_file": {name: value / len(lengths) for name, value in seconds.items()},
        "real_time_factor": {name: value / float(predicted) for name, value in seconds.items()},
        "times_as_fast": seconds["usual_loop"] / seconds["ser_predict"],
        "times_as_fast_in_float32": seconds["usual_loop"] / seconds["ser_predict_float32"],
        "largest_difference_in_float32": float(difference),
    }


def refuse(path: Path, why: str) -> None:
    """Every file of a benchmark can be predicted."""
    raise RuntimeError(f"{path}: {why}")


if __name__ == "__main__":
    main()
