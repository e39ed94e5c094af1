"""Train one head on one fold with one seed, choose the epoch on validation speakers, and predict."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from dvclive import Live
from safetensors.torch import save_file
from sklearn.metrics import accuracy_score, f1_score, recall_score
from torch import Tensor, nn
from torch.nn import functional

from data.errors import UserError
from features.store import FeatureSet
from models import build_head
from models.layers import HeadSettings
from training.batches import FrameSource, frame_statistics, open_frames, shuffled_batches
from training.checkpoint import StandardisedHead, save_head
from training.settings import TrainingSettings

_PREDICT_BATCH = 64


@dataclass(frozen=True)
class Utterances:
    """Utterances that play one role: ids, speakers and class indices, all [N]."""

    ids: list[str]
    speakers: list[str]
    labels: list[int]


@dataclass(frozen=True)
class FoldJob:
    """Everything one run of `train_fold` needs; small enough to send to another process.

    Attributes:
        name: the head's name in params.yaml.
        head: its settings.
        training: the parameters of training, with the head's overrides.
        features: the feature set's folder.
        classes: names in the order of the logits.
        fold, seed: which run this is.
        roles: ``train``, ``validation``, ``test`` -> utterances; validation may be empty.
        folder: where the results go; it exists.
        device: ``cpu`` or ``cuda``.
        threads: of the CPU.
    """

    name: str
    head: HeadSettings
    training: TrainingSettings
    features: Path
    classes: list[str]
    fold: int
    seed: int
    roles: dict[str, Utterances]
    folder: Path
    device: str
    threads: int


def train_fold(job: FoldJob, on_epochs: Callable[[int], None] = lambda count: None) -> None:
    """Train and write model.safetensors, config.json, history.csv, predictions.csv and embeddings.safetensors.

    Raises:
        UserError: the loss is no longer finite, or a layer is asked that is not stored.
    """
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed * 1_000_003 + job.fold)
    torch.use_deterministic_algorithms(True, warn_only=True)
    device = torch.device(job.device)
    features = FeatureSet(job.features, verify=False)  # the stage has verified it
    layer = features.check_layer(job.head.layer)
    mean, deviation = torch.zeros(features.dimension), torch.ones(features.dimension)
    if job.training.standardise:
        mean, deviation = frame_statistics(features, layer, job.roles["train"].ids)
    head = build_head(job.head, features.dimension, len(job.classes))
    model = StandardisedHead(head, mean, deviation).to(device)
    frames = open_frames(features, layer, device)

    try:
        best_epoch, epochs_run = _fit(model, frames, job, on_epochs)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"{job.name}, fold {job.fold}, seed {job.seed}: out of GPU memory. Lower its batch_size."
        ) from error

    config = {
        "format": "emocache-head",
        "format_version": 1,
        "settings": job.head.model_dump(),
        "training": job.training.model_dump(exclude={"seeds"}),
        "classes": job.classes,
        "fold": job.fold,
        "seed": job.seed,
        "features": {"set": job.features.name, "digest": features.digest, "recipe": features.recipe},
        "layer": layer,
        "dimension": features.dimension,
        "num_parameters": sum(parameter.numel() for parameter in head.parameters()),
        "best_epoch": best_epoch,
        "epochs_run": epochs_run,
        "utterances": {role: len(utterances.ids) for role, utterances in job.roles.items()},
    }
    save_head(model, config, job.folder)
    _write_predictions(model, frames, job)


def _fit(
    model: StandardisedHead, frames: FrameSource, job: FoldJob, on_epochs: Callable[[int], None]
) -> tuple[int, int]:
    """Train; leave the best epoch's weights in the model; return that epoch and the number of epochs run."""
    training, train, validation = job.training, job.roles["train"], job.roles["validation"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    generator = torch.Generator().manual_seed(job.seed * 1_000_003 + job.fold)
    best_ua, best_epoch, best_state = -1.0, 0, None
    live_folder = job.folder / "dvclive"
    with Live(str(live_folder), dvcyaml=None, save_dvc_exp=False, report=None) as live:
        for epoch in range(1, training.epochs + 1):
            train_loss = _train_epoch(model, frames, train, optimizer, generator, job, epoch)
            live.log_metric("learning_rate", optimizer.param_groups[0]["lr"])
            live.log_metric("train_loss", train_loss)
            if validation.ids:
                scores = _validate(model, frames, validation)
                for name, value in scores.items():
                    live.log_metric(name, value)
                if scores["validation_ua"] > best_ua:
                    best_ua, best_epoch = scores["validation_ua"], epoch
                    best_state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            else:
                best_epoch = epoch
            live.next_step()
            on_epochs(1)
            if epoch - best_epoch >= training.patience:
                break
    on_epochs(training.epochs - epoch)  # spared by early stopping
    _merge_history(live_folder, job.folder / "history.csv")
    if best_state:
        model.load_state_dict(best_state)
    return best_epoch, epoch


def _train_epoch(model, frames, train: Utterances, optimizer, generator, job: FoldJob, epoch: int) -> float:
    """One pass over the training utterances; the mean loss."""
    model.train()
    labels = torch.tensor(train.labels)
    total = 0.0
    batches = shuffled_batches(len(train.ids), job.training.batch_size, generator)
    for step, indices in enumerate(batches, start=1):
        batch, lengths = frames.gather([train.ids[index] for index in indices])
        output = model(batch, lengths)
        loss = functional.cross_entropy(output.emotion_logits, labels[indices].to(batch.device))
        if not torch.isfinite(loss):
            raise UserError(
                f"{job.name}, fold {job.fold}, seed {job.seed}: loss {loss.item()} in epoch {epoch}, step {step}. "
                "Lower training.learning_rate, or run `ser store verify` to see whether the features are sound."
            )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), job.training.clip_norm)
        optimizer.step()
        total += loss.item() * len(indices)
    return total / len(train.ids)


def _validate(model: nn.Module, frames: FrameSource, validation: Utterances) -> dict[str, float]:
    logits, _ = predict(model, frames, validation.ids)
    labels, predicted = np.array(validation.labels), logits.argmax(dim=1).numpy()
    return {
        "validation_loss": float(functional.cross_entropy(logits, torch.tensor(validation.labels))),
        "validation_ua": float(recall_score(labels, predicted, labels=np.unique(labels), average="macro")),
        "validation_wa": float(accuracy_score(labels, predicted)),
        "validation_macro_f1": float(
            f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)
        ),
    }


@torch.inference_mode()
def predict(model: nn.Module, frames: FrameSource, identifiers: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Logits [N, C] and embeddings [N, E] on the CPU, in the order of the ids."""
    model.eval()
    outputs = []
    for start in range(0, len(identifiers), _PREDICT_BATCH):
        output = model(*frames.gather(identifiers[start : start + _PREDICT_BATCH]))
        outputs.append((output.emotion_logits.float().cpu(), output.embedding.float().cpu()))
    logits, embeddings = zip(*outputs, strict=True)
    return torch.cat(logits), torch.cat(embeddings)


def _write_predictions(model: nn.Module, frames: FrameSource, job: FoldJob) -> None:
    """predictions.csv for validation and test utterances, and their embeddings in the same order."""
    tables, embeddings = [], []
    for role in ("validation", "test"):
        utterances = job.roles[role]
        if not utterances.ids:
            continue
        logits, embedding = predict(model, frames, utterances.ids)
        table = pd.DataFrame({"id": utterances.ids, "role": role, "speaker": utterances.speakers})
        table["label"] = [job.classes[label] for label in utterances.labels]
        table["predicted"] = [job.classes[index] for index in logits.argmax(dim=1)]
        for name, probability in zip(job.classes, logits.softmax(dim=1).T.numpy(), strict=True):
            table[f"p_{name}"] = probability
        tables.append(table)
        embeddings.append(embedding)
    predictions = pd.concat(tables)
    predictions.to_csv(job.folder / "predictions.csv", index=False, float_format="%.6f", lineterminator="\n")
    save_file({"embedding": torch.cat(embeddings).contiguous()}, job.folder / "embeddings.safetensors")


def _merge_history(live_folder: Path, path: Path) -> None:
    """DVCLive's one table per metric -> one table, a row per epoch, without clock times."""
    columns = {}
    for table in sorted((live_folder / "plots/metrics").glob("*.tsv")):
        values = pd.read_csv(table, sep="\t").set_index("step")
        columns[table.stem] = values[table.stem]
    history = pd.DataFrame(columns)
    history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
    history.to_csv(path, float_format="%.6g", lineterminator="\n")
    shutil.rmtree(live_folder)
