"""What a model predicts, and how that is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from data.clip_keys import CLEAN
from models.layers import frame_mask
from training.batches import FrameSource
from training.goals import Goal
from training.job import Utterances

_BATCH_SIZE = 64


@dataclass(frozen=True)
class Prediction:
    """What a model returns for N utterances, on the CPU.

    Attributes:
        outputs: logits of the classes, or ratings in their own range [N, C].
        embeddings: [N, E].
        attention: per utterance, the mean attention that each of its frames gets [T]; None without attention.
    """

    outputs: Tensor
    embeddings: Tensor
    attention: list[Tensor] | None


@torch.inference_mode()
def predict(model: nn.Module, frames: FrameSource, identifiers: Sequence[str]) -> Prediction:
    """What a model returns for some utterances, in the order of the ids."""
    model.eval()
    outputs, embeddings, attention = [], [], []
    for start in range(0, len(identifiers), _BATCH_SIZE):
        batch, lengths = frames.gather(identifiers[start : start + _BATCH_SIZE])
        output = model(batch, lengths)
        outputs.append(output.emotion_logits.float().cpu())
        embeddings.append(output.embedding.float().cpu())
        if output.attention is not None:
            attention += _attention_received(output.attention.float(), lengths)
    return Prediction(torch.cat(outputs), torch.cat(embeddings), attention or None)


def write_predictions(
    predictions: dict[str, Prediction],
    roles: dict[str, Utterances],
    goal: Goal,
    folder: Path,
    copies: Mapping[str, Prediction] | None = None,
) -> None:
    """Write predictions.csv and, in the same order, embeddings.safetensors and attention.safetensors.

    Args:
        predictions: role -> prediction of its utterances.
        roles: role -> utterances; may have more roles.
        goal: what the outputs stand for.
        folder: where the files go. There is no attention.safetensors without attention.
        copies: other copies -> prediction of the test utterances in each. Where there are any, predictions.csv has a
            column ``copy``, and their rows follow the clean ones; they have no embeddings and no attention there.
    """
    tables, embeddings, attention = [], [], []
    for role, prediction in predictions.items():
        tables.append(_table(role, prediction, roles[role], goal))
        embeddings.append(prediction.embeddings)
        attention += prediction.attention or []
    if copies:
        tables = [table.assign(copy=CLEAN) for table in tables]
        for copy, prediction in copies.items():
            tables.append(_table("test", prediction, roles["test"], goal).assign(copy=copy))
    pd.concat(tables).to_csv(folder / "predictions.csv", index=False, float_format="%.6f", lineterminator="\n")
    save_file({"embedding": torch.cat(embeddings).contiguous()}, folder / "embeddings.safetensors")
    if attention:
        lengths = torch.tensor([len(utterance) for utterance in attention])
        rows = {"attention": torch.cat(attention).half(), "lengths": lengths}
        save_file(rows, folder / "attention.safetensors")


def _table(role: str, prediction: Prediction, utterances: Utterances, goal: Goal) -> pd.DataFrame:
    known = {"id": utterances.ids, "role": role, "speaker": utterances.speakers}
    return pd.DataFrame({**known, **goal.columns(prediction.outputs, utterances)})


def _attention_received(attention: Tensor, lengths: Tensor) -> list[Tensor]:
    """Attention [B, T, T] or [B, T] -> per utterance the mean over the real queries [T]."""
    if attention.dim() == 3:
        queries = frame_mask(lengths, attention.shape[1])[..., None]
        attention = (attention * queries).sum(dim=1) / lengths[:, None]
    return [row[:length] for row, length in zip(attention.cpu(), lengths.tolist(), strict=True)]
