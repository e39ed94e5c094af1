"""EmoBox's recipe in plain torch, without this project's training: what `frame_mlp` under its presets is held to.

On the features and folds that `dvc repro` left, for example with the preset emobox-emodb::

    python -m benchmarks.plain_emobox --features whisper/emodb

prints as JSON UA, WA and macro F1: means over folds, of every seed and over all seeds.

Source: https://github.com/emo-box/EmoBox, examples/sb: train.py, hparams/hubert-base_freeze.yaml, classifier_head.py.
"""

import argparse
import json
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from data.metrics import METRICS, confusion_matrix, unweighted_accuracy
from data.roles import fold_columns
from features.store import FeatureSet
from stages.inputs import read_usable_splits
from stages.layout import ARTIFACTS

EPOCHS, BATCH_SIZE, HIDDEN_SIZE, LARGEST_NORM = 20, 32, 256, 5.0
# SpeechBrain's scheduler is asked after an epoch: the first has the optimiser's own rate, the second the schedule's 0.
RATES = [1e-4, 0.0, *(1e-5 * step for step in range(1, 11)), *(1e-5 * step for step in range(9, 1, -1))]


def logits(parameters: Sequence[Tensor], utterances: Sequence[Tensor]) -> Tensor:
    """Linear, ReLU, mean over the utterance's frames, linear: utterances of [T, D] -> [B, C]."""
    weight, bias, classifier_weight, classifier_bias = parameters
    pooled = [torch.relu(frames @ weight.T + bias).mean(dim=0) for frames in utterances]
    return torch.stack(pooled) @ classifier_weight.T + classifier_bias


def train_epoch(
    parameters: Sequence[Tensor],
    optimizer: torch.optim.Optimizer,
    epoch: int,
    batches: Iterable[tuple[Sequence[Tensor], Tensor]],
) -> list[float]:
    """Train on batches of utterances and labels; return each one's loss before its step."""
    optimizer.param_groups[0]["lr"] = RATES[epoch - 1]
    losses = []
    for utterances, labels in batches:
        loss = functional.cross_entropy(logits(parameters, utterances), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, LARGEST_NORM)
        optimizer.step()
        losses.append(loss.item())
    return losses


def train(roles: dict[str, tuple[list[Tensor], Tensor]], num_classes: int, seed: int) -> np.ndarray:
    """Train on one fold, keep the epoch with the best UA on its validation utterances, and predict its test."""
    torch.manual_seed(seed)
    frames, labels = roles["train"]
    layers = nn.Linear(frames[0].shape[1], HIDDEN_SIZE), nn.Linear(HIDDEN_SIZE, num_classes)
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    optimizer = torch.optim.Adam(parameters)
    best, predicted = -1.0, None
    for epoch in range(1, EPOCHS + 1):
        drawn = torch.randperm(len(frames)).split(BATCH_SIZE)
        batches = (([frames[row] for row in rows.tolist()], labels[rows]) for rows in drawn)
        train_epoch(parameters, optimizer, epoch, batches)
        with torch.no_grad():
            answers = {
                role: logits(parameters, roles[role][0]).argmax(dim=1).numpy() for role in ("validation", "test")
            }
        confusion = confusion_matrix(roles["validation"][1].numpy(), answers["validation"], num_classes)
        score = float(unweighted_accuracy(confusion))
        if score > best:
            best, predicted = score, answers["test"]
    return predicted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, help="<set>/<corpus>")
    parser.add_argument("--task", default="emotions")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    features = FeatureSet(ARTIFACTS / "features" / arguments.features)
    splits = read_usable_splits(arguments.task, features)
    classes = sorted(splits["label"].unique())
    layer = max(features.layers)
    results = []
    for seed in range(1, arguments.seeds + 1):
        folds = []
        for column in fold_columns(splits):
            roles = {
                role: (
                    [torch.from_numpy(features.frames(name, layer).astype(np.float32)) for name in rows["id"]],
                    torch.tensor([classes.index(label) for label in rows["label"]]),
                )
                for role, rows in splits.groupby(column)
            }
            truth, predicted = roles["test"][1], train(roles, len(classes), seed)
            confusion = confusion_matrix(truth.numpy(), predicted, len(classes))
            folds.append({name: float(METRICS[name](confusion)) for name in ("ua", "wa", "macro_f1")})
        results.append({name: float(np.mean([fold[name] for fold in folds])) for name in folds[0]})
    mean = {name: float(np.mean([result[name] for result in results])) for name in results[0]}
    print(json.dumps({"mean": mean, "seeds": results}, indent=1))


if __name__ == "__main__":
    main()
