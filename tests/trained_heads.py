"""Heads trained on a few recordings within seconds, with what the pipeline would write of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch

from data.clips import ClipsSettings, open_clips, write_clips
from data.manifest import COLUMNS
from data.split_settings import SplitSettings
from data.task_description import CorpusDescription, TaskDescription
from evaluation.head import evaluate_head
from evaluation.results import Details, Fingerprints, RegressionDetails
from evaluation.runs import read_runs
from evaluation.settings import EvaluateSettings
from features.extraction import extract_shard
from features.kinds import open_encoder
from features.settings import KindSettings
from features.ssl import SslSettings
from features.store import FeatureSet
from models import HEADS
from tests.builders import TINY_ENCODER, tone
from training.clips import training_clips
from training.job import FoldJob, Utterances
from training.run import train_fold
from training.settings import TrainingSettings


@dataclass(frozen=True)
class TrainedHead:
    """A head trained on a few recordings, and all that the pipeline would keep of it.

    Attributes:
        folder: of the head, as in ``artifacts/heads``.
        settings: of its feature set.
        audio: id -> recording.
    """

    folder: Path
    settings: KindSettings
    audio: dict[str, Path]

    def predictions(self, fold: int = 0) -> pd.DataFrame:
        """predictions.csv of a fold, as far as it is of undisturbed recordings."""
        table = pd.read_csv(self.folder / f"fold-{fold}/seed-1/predictions.csv").set_index("id")
        return table[table["copy"] == "clean"] if "copy" in table else table


def write_recordings(folder: Path) -> dict[str, Path]:
    """A few tones of 0.2 to 1.5 s, of several rates and channels: id ``s<speaker>-<n>-<class>`` -> file."""
    audio = {}
    for speaker in range(4):
        for number in range(6):
            label, rate = number % 3, (16000, 44100, 8000)[number // 2]
            waveform = tone(0.2 + 0.26 * number, rate, 120 + 90 * label + 7 * speaker)
            sound = waveform * np.linspace(0.2, 1, len(waveform), dtype=np.float32)
            path = folder / f"s{speaker}-{number}-{label}.{('wav', 'flac')[number % 2]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, sound if number < 4 else np.stack([sound, sound / 2], axis=1), rate)
            audio[path.stem] = path
    return audio


def train_on_recordings(
    folder: Path,
    settings: KindSettings | None = None,
    head: dict | None = None,
    ratings: bool = False,
    folds: int = 1,
    adversarial_weight: float = 0.0,
) -> TrainedHead:
    """Cut, encode and train as the stages do; by default a linear head on the tiny encoder's last layer.

    Args:
        folder: for everything; the head is ``folder/heads/small``.
        settings: of the feature set.
        head: its parameters.
        ratings: whether it predicts valence and activation, instead of the classes low, middle and high.
        folds: whose test speakers differ.
        adversarial_weight: of a speaker classifier.
    """
    settings = settings or SslSettings(clips=ClipsSettings(seconds=0.5), checkpoint=TINY_ENCODER, layers=[2])
    head = head or {"model": "linear", "l2": [1.0]}
    audio = write_recordings(folder / "audio")
    for made in ("clips", "features"):
        (folder / made).mkdir()
    write_clips(folder / "clips/all.h5", list(audio), list(audio.values()), settings.clips)
    clips, encoder = open_clips(folder / "clips/all.h5"), open_encoder(settings, torch.device("cpu"))
    extract_shard(clips, folder / "features/all.h5", settings, encoder, fingerprint="f" * 64)
    features = FeatureSet(folder / "features")
    for fold in range(folds):
        speakers = [f"s{(speaker + fold) % 4}" for speaker in range(4)]
        split = {"test": speakers[:1], "validation": speakers[1:2], "train": speakers[2:]}
        roles = {role: _utterances(audio, of_role, ratings) for role, of_role in split.items()}
        run = folder / f"heads/small/fold-{fold}/seed-1"
        run.mkdir(parents=True)
        training = TrainingSettings(epochs=3, batch_size=4, adversarial_weight=adversarial_weight)
        job = FoldJob(
            name="small",
            head=HEADS[head["model"]][0](**head),
            training=training,
            features=folder / "features",
            classes=[] if ratings else ["low", "middle", "high"],
            targets=["valence", "activation"] if ratings else [],
            fold=fold,
            seed=1,
            roles=roles,
            num_clips=len(training_clips(roles["train"], features, training).ids),
            fingerprint="f00d",
            folder=run,
            rescue=folder / "rescued",
            measurement=folder / "measured.json",
            device="cpu",
        )
        train_fold(job)
    return TrainedHead(folder / "heads/small", settings, audio)


def splits_of(trained: TrainedHead) -> pd.DataFrame:
    """The splits that a head of `train_on_recordings` was trained on."""
    config = read_runs(trained.folder).config
    rows = []
    for name in trained.audio:
        speaker, number, label = name.split("-")
        known = {"corpus": "ours", "id": name, "speaker": speaker, "gender": ("female", "male")[int(speaker[1]) % 2]}
        rated = {"valence": 1.0 + int(label), "activation": 4.0 - 0.3 * int(number)} if "targets" in config else {}
        named = {} if rated else {"label": ("low", "middle", "high")[int(label)]}
        rows.append({**known, **rated, **named, "emotion": label, "text": f"the secret sentence {number}"})
    splits = pd.DataFrame(rows).reindex(columns=["corpus", "id", "label", *COLUMNS[1:]], fill_value="")
    for fold in sorted(int(path.name.removeprefix("fold-")) for path in trained.folder.glob("fold-*")):
        roles = {f"s{(place + fold) % 4}": ("test", "validation", "train", "train")[place] for place in range(4)}
        splits[f"fold_{fold}"] = splits["speaker"].map(roles)
    return splits


def evaluate(trained: TrainedHead, reader: str = "table", corpus: str = "ours") -> Details | RegressionDetails:
    """The evaluation of a head of `train_on_recordings`, as its stage makes it."""
    runs, splits = read_runs(trained.folder), splits_of(trained)
    task = TaskDescription(
        task="emotions",
        corpus=corpus,
        corpora={corpus: CorpusDescription(reader=reader, utterances=len(splits), speakers=4)},
        classes={} if runs.targets else {"low": ["0"], "middle": ["1"], "high": ["2"]},
        targets=runs.targets,
        where={"speaker": ["s0", "s1", "s2", "s3"]},
        split=SplitSettings(scheme="speaker"),
    )
    return evaluate_head(
        trained.folder.name,
        runs,
        task=task,
        splits=splits.assign(corpus=corpus),
        features_name=f"set/{corpus}",
        features=FeatureSet(trained.folder.parent.parent / "features"),
        fingerprints=Fingerprints(features=[], head=[]),
        settings=EvaluateSettings(bootstrap=100),
    ).details


def _utterances(audio: Mapping[str, Path], speakers: Sequence[str], ratings: bool) -> Utterances:
    ids = [name for name in audio if name.split("-")[0] in speakers]
    labels = [int(name[-1]) for name in ids]
    rated = [[1.0 + label, 4.0 - 0.3 * number] for number, label in enumerate(labels)]
    return Utterances(ids, [name.split("-")[0] for name in ids], [] if ratings else labels, rated if ratings else [])
