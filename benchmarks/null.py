"""How often heads are found to differ: of one recipe trained twice (false alarms), and of two that do differ (power).

Every pair is two heads of three seeds each, trained on five folds of two speakers or six of four, and goes through
`evaluation.comparison` itself. Pairs share no models, and without ``--features`` no corpus: each has its own synthetic
one. ``p_models`` is the test of these models, ``p_recipes`` the test that makes the report's bold.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.measuring import report
from data.metrics import confusion_matrix, unweighted_accuracy
from data.roles import fold_columns
from evaluation.comparison import SIGNIFICANT, compare_heads
from evaluation.settings import EvaluateSettings
from features.store import FeatureSet, SetName
from models.gru import GruHead, GruSettings
from stages.inputs import read_usable_splits
from training.batches import shuffled_batches

SHAPES = ((5, 2), (6, 4))  # folds, speakers in each
SEEDS = (1, 2, 3)
CLASSES, PER_SPEAKER, DIMENSION, FRAMES = 4, 40, 16, 4  # of synthetic corpora
REAL_DIMENSION = 32  # to which real features are reduced
HIDDEN, STEPS = 4, 12  # of the perceptrons: small and briefly trained, so that chance matters as in real heads
LINEAR_STEPS = 40
P_VALUES = ("p_models", "p_retraining", "p_recipes")


@dataclass(frozen=True)
class Corpus:
    """Utterances with what a recipe sees of them.

    Attributes:
        frames: [N, 1, T, D].
        labels, speakers, folds: [N], the fold that tests an utterance.
    """

    frames: Tensor
    labels: np.ndarray
    speakers: np.ndarray
    folds: np.ndarray

    @property
    def num_folds(self) -> int:
        return int(self.folds.max()) + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, help="real features, e.g. artifacts/features/whisper/emodb")
    parser.add_argument("--task", default="emotions", help="whose splits and labels these features have")
    parser.add_argument("--layer", type=int, help="of them; the last one unless given")
    parser.add_argument("--pairs", type=int, default=200, help="of heads that see the mean frame only")
    parser.add_argument("--gru-pairs", type=int, default=40, help="of small GRUs, on synthetic corpora only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.features:
        corpus = read_corpus(arguments.features, arguments.task, arguments.layer)
        results = {str(SetName.of(arguments.features)): measure(lambda random: corpus, arguments.pairs, 0)}
    else:
        results = {
            f"{folds} folds of {speakers} speakers": measure(
                lambda random, shape=(folds, speakers): synthetic_corpus(*shape, random),
                arguments.pairs,
                arguments.gru_pairs,
            )
            for folds, speakers in SHAPES
        }
    report("null", seeds_per_head=len(SEEDS), found_at=SIGNIFICANT, **results)


def measure(make_corpus, pairs: int, gru_pairs: int) -> dict[str, dict]:
    """Per scenario how often each test finds a difference at 0.05."""
    rows: dict[str, list[dict]] = {}
    for number in range(pairs):
        random = np.random.default_rng(number)
        corpus = make_corpus(random)
        perceptrons = train_perceptrons(corpus, number)
        resampled = train_on_resamples(corpus, random)
        for name, heads in {
            "same_recipe_perceptron": perceptrons,
            "same_recipe_linear_on_resampled_training_data": resampled,
            "equal_on_average_different_by_speaker": [lose(head, corpus, (0, 0.2), random) for head in perceptrons],
            "one_5_points_worse": [perceptrons[0], lose_points(perceptrons[1], corpus, 0.05, random)],
            "one_10_points_worse": [perceptrons[0], lose_points(perceptrons[1], corpus, 0.1, random)],
        }.items():
            rows.setdefault(name, []).append(compare(*heads, corpus))
    for number in range(gru_pairs):
        corpus = make_corpus(np.random.default_rng([1, number]))
        rows.setdefault("same_recipe_gru", []).append(compare(*train_grus(corpus, number), corpus))
    return {name: summarise(of_scenario) for name, of_scenario in rows.items()}


def synthetic_corpus(folds: int, speakers: int, random: np.random.Generator) -> Corpus:
    """Frames around the mean of their class, with effects of speaker, speaker by class, and utterance."""
    people = np.repeat(np.arange(folds * speakers), PER_SPEAKER)
    labels = np.tile(np.arange(PER_SPEAKER) % CLASSES, folds * speakers)
    means = (
        random.normal(0, 0.6, (CLASSES, DIMENSION))[labels]
        + random.normal(0, 0.5, (folds * speakers, DIMENSION))[people]
        + random.normal(0, 0.3, (folds * speakers, CLASSES, DIMENSION))[people, labels]
        + random.normal(0, 1, (len(labels), DIMENSION))
    )
    frames = means[:, None, None] + random.normal(0, 1, (len(labels), 1, FRAMES, DIMENSION))
    return Corpus(torch.tensor(frames, dtype=torch.float32), labels, people, people // speakers)


def read_corpus(folder: Path, task: str, layer: int | None) -> Corpus:
    """The mean frames of real features by principal components, with the labels and test folds of a task."""
    features = FeatureSet(folder)
    splits = read_usable_splits(task, features)
    layers = features.check_layers([features.layers[-1] if layer is None else layer])
    means = np.stack([features.mean_frame(identifier, layers) for identifier in splits["id"]])
    parts = PCA(REAL_DIMENSION, whiten=True, random_state=0).fit_transform(means)
    folds = (splits[fold_columns(splits)] == "test").to_numpy().argmax(axis=1)
    labels, speakers = (splits[name].astype("category").cat.codes.to_numpy() for name in ("label", "speaker"))
    return Corpus(torch.tensor(parts[:, None, None], dtype=torch.float32), labels, speakers, folds)


def train_perceptrons(corpus: Corpus, seed: int) -> list[np.ndarray]:
    """Two heads' predictions [seeds, N] of perceptrons that differ in their first weights only."""
    weights = in_training(corpus)
    generator = torch.Generator().manual_seed(seed)
    layers = [_first_weights(len(weights), corpus, width, generator) for width in (HIDDEN, None)]
    return _fit(corpus, weights, layers, STEPS)


def train_on_resamples(corpus: Corpus, random: np.random.Generator) -> list[np.ndarray]:
    """The same of softmax regressions, each on its own resample of the training utterances."""
    weights = in_training(corpus)
    counts = [random.multinomial(int(row.sum()), row / row.sum()) for row in weights.double().numpy()]
    shape = (len(weights), corpus.frames.shape[-1], int(corpus.labels.max()) + 1)
    return _fit(corpus, torch.tensor(np.array(counts), dtype=torch.float32), [torch.zeros(shape)], LINEAR_STEPS)


def in_training(corpus: Corpus) -> Tensor:
    """Which utterances train each model [models, N]: two heads, of each all seeds, of each all folds."""
    folds = torch.arange(corpus.num_folds).repeat(2 * len(SEEDS))
    return (torch.tensor(corpus.folds) != folds[:, None]).float()


def _first_weights(models: int, corpus: Corpus, width: int | None, generator: torch.Generator) -> Tensor:
    """Of the hidden layer with its width, or of the output."""
    inputs = corpus.frames.shape[-1] if width else HIDDEN
    outputs = width or int(corpus.labels.max()) + 1
    return torch.randn(models, inputs, outputs, generator=generator) / inputs**0.5


def _fit(corpus: Corpus, weights: Tensor, layers: list[Tensor], steps: int) -> list[np.ndarray]:
    """Train many models at once, each on its own weighting of the utterances, and predict its test fold."""
    inputs, labels = corpus.frames.mean(dim=(1, 2)), torch.tensor(corpus.labels).long()
    layers = [layer.requires_grad_() for layer in layers]
    optimizer = torch.optim.Adam(layers, lr=0.05, weight_decay=1e-3)

    def logits() -> Tensor:  # [models, N, C]
        values = inputs @ layers[0]
        return values if len(layers) == 1 else torch.tanh(values) @ layers[1]

    for _ in range(steps):
        losses = functional.cross_entropy(
            logits().flatten(0, 1), labels.repeat(len(weights)), reduction="none"
        ).reshape(weights.shape)
        optimizer.zero_grad()
        ((losses * weights).sum(dim=1) / weights.sum(dim=1)).sum().backward()
        optimizer.step()
    predicted = logits().argmax(dim=-1).detach().reshape(2, len(SEEDS), corpus.num_folds, len(labels)).numpy()
    return list(predicted[:, :, corpus.folds, np.arange(len(labels))])


def train_grus(corpus: Corpus, seed: int) -> list[np.ndarray]:
    """Two heads' predictions [seeds, N] of small GRUs that differ in their random numbers only."""
    settings = GruSettings.model_construct(model="gru", hidden_size=6, num_layers=1, dropout=0.2)
    predicted = np.empty((2, len(SEEDS), len(corpus.labels)), int)
    for head, number, fold in np.ndindex(2, len(SEEDS), corpus.num_folds):
        torch.manual_seed(int(np.random.default_rng([seed, head, number, fold]).integers(2**62)))
        model = GruHead(settings, corpus.frames.shape[-1], int(corpus.labels.max()) + 1, num_layers=1)
        test = torch.tensor(corpus.folds == fold)
        _fit_gru(model, corpus.frames[~test], torch.tensor(corpus.labels)[~test])
        with torch.no_grad():
            answers = model.eval()(corpus.frames[test], _lengths(corpus.frames[test])).emotion_logits
        predicted[head, number, test.numpy()] = answers.argmax(dim=1).numpy()
    return list(predicted)


def _fit_gru(model: nn.Module, frames: Tensor, labels: Tensor, epochs: int = 3) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(epochs):
        for batch in shuffled_batches(len(labels), 64, torch.default_generator):
            optimizer.zero_grad()
            output = model(frames[batch], _lengths(frames[batch]))
            functional.cross_entropy(output.emotion_logits, labels[batch]).backward()
            optimizer.step()


def _lengths(frames: Tensor) -> Tensor:
    return torch.full((len(frames),), frames.shape[-2])


def lose(head: np.ndarray, corpus: Corpus, between: tuple[float, float], random: np.random.Generator) -> np.ndarray:
    """Predictions of a recipe that fails on a share of each speaker's utterances, drawn by speaker, with every seed."""
    shares = random.uniform(*between, int(corpus.speakers.max()) + 1)[corpus.speakers]
    wrong = (corpus.labels + 1) % (corpus.labels.max() + 1)
    return np.where(random.random(len(shares)) < shares, wrong, head)


def lose_points(head: np.ndarray, corpus: Corpus, points: float, random: np.random.Generator) -> np.ndarray:
    """Predictions of a recipe whose UA is on average lower by some points, with every seed and alike for speakers."""
    share = points / accuracy(head, corpus)
    return lose(head, corpus, (share, share), random)


def accuracy(head: np.ndarray, corpus: Corpus) -> float:
    """UA of a head's predictions, mean over seeds."""
    num_classes = int(max(corpus.labels.max(), head.max())) + 1
    return float(np.mean([unweighted_accuracy(confusion_matrix(corpus.labels, row, num_classes)) for row in head]))


def compare(one: np.ndarray, other: np.ndarray, corpus: Corpus) -> dict:
    """The row of `compare_heads`, with the UA of the first head and the deviation of its seeds."""
    tables = {name: table(head, corpus) for name, head in (("one", one), ("other", other))}
    classes = sorted(set(tables["one"]["label"]))
    (row,) = compare_heads(tables, dict.fromkeys(tables, classes), "one", EvaluateSettings(bootstrap=100))
    seeds = [accuracy(of_seed[None], corpus) for of_seed in one]
    p_values = {name: getattr(row, name) for name in P_VALUES}
    return {**p_values, "ua": row.metrics["ua"].value, "first_ua": np.mean(seeds), "sd_seeds": np.std(seeds, ddof=1)}


def table(head: np.ndarray, corpus: Corpus) -> pd.DataFrame:
    """Predictions [seeds, N] as evaluation reads them."""
    known = pd.DataFrame({"id": np.arange(len(corpus.labels)), "speaker": corpus.speakers, "fold": corpus.folds})
    known["label"] = corpus.labels.astype(str)
    return pd.concat(known.assign(seed=seed, predicted=row.astype(str)) for seed, row in zip(SEEDS, head, strict=True))


def summarise(rows: list[dict]) -> dict:
    """How often a difference was found, with 95 % (Wilson) intervals, and what the heads are like."""
    means = {"ua": "first_ua", "sd_over_seeds": "sd_seeds", "difference": "ua"}
    result = {"pairs": len(rows), **{name: float(np.mean([row[key] for row in rows])) for name, key in means.items()}}
    for name in P_VALUES:
        found = sum(row[name] < SIGNIFICANT for row in rows)
        low, high = binomtest(found, len(rows)).proportion_ci(method="wilson")
        result[name] = {"found": found / len(rows), "low": float(low), "high": float(high)}
    return result


if __name__ == "__main__":
    main()
