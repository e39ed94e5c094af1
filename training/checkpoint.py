"""A trained head on disk, and back: safetensors and JSON, nothing that is unpickled."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from data.errors import UserError
from models import HEADS
from models.building import build_head
from models.head import Head, HeadOutput, HeadSettings
from models.layers import Standardise

_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError)  # as files can make it


class RatingScale(nn.Module):
    """Between ratings in their own range and standardised ones, on which heads are trained.

    Args:
        mean, deviation: of the training utterances [T].

    Shape:
        standardised ratings ``[B, T]`` -> ratings ``[B, T]``
    """

    def __init__(self, mean: Tensor, deviation: Tensor):
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("deviation", deviation.float())

    def forward(self, standardised: Tensor) -> Tensor:
        return standardised.float() * self.deviation + self.mean

    def standardised(self, ratings: Tensor) -> Tensor:
        """The inverse."""
        return (ratings - self.mean.to(ratings.device)) / self.deviation.to(ratings.device)


class StandardisedHead(nn.Module):
    """A head that standardises its input with the training frames' statistics, and answers ratings in their own range.

    Args:
        head: any head.
        mean, deviation: of the training frames.
        ratings: of a head that predicts ratings; None of one that predicts classes.

    Shape:
        frames ``[B, L, T, D]`` as stored, lengths ``[B]`` -> `HeadOutput`
    """

    def __init__(self, head: Head, mean: Tensor, deviation: Tensor, ratings: RatingScale | None = None):
        super().__init__()
        self.standardise = Standardise(mean, deviation)
        self.head = head
        self.ratings = ratings

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        output = self.head(self.standardise(frames, lengths), lengths)
        if self.ratings is not None:
            output.emotion_logits = self.ratings(output.emotion_logits)
        return output


def save_head(model: StandardisedHead, config: dict, folder: Path) -> None:
    """Write model.safetensors and config.json."""
    state = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_head(folder: Path) -> tuple[StandardisedHead, dict]:
    """Load what `save_head` wrote, ready to predict.

    Args:
        folder: ``artifacts/heads/<head>/fold-<k>/seed-<s>``.

    Returns:
        The model in evaluation mode, and its config: ``classes`` in the order of the logits, or ``targets`` in that of
        the predicted ratings, ``settings``, ``features`` (set and recipe), ``layers``, ``dimension`` and so on.

    Raises:
        UserError: a file is missing or damaged.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
        settings = HEADS[config["settings"]["model"]][0](**config["settings"])
        state = load_file(folder / "model.safetensors")
        speakers = len(config["speakers"]), config["training"]["speaker_classifier"]
        outputs = config["targets"] if "targets" in config else config["classes"]
        shape = config["dimension"], len(outputs), len(config["layers"]), *speakers
        _check_shapes(settings, shape, state)
        head = build_head(settings, *shape)
        ratings = RatingScale(state["ratings.mean"], state["ratings.deviation"]) if "targets" in config else None
        model = StandardisedHead(head, state["standardise.mean"], state["standardise.deviation"], ratings)
        model.load_state_dict(state)
    except (OSError, *_DAMAGED) as error:
        raise UserError(f"{folder}: cannot load this head: {error}. Run `dvc pull`, or train it again.") from error
    return model.eval(), config


def _check_shapes(settings: HeadSettings, shape: tuple, state: dict[str, Tensor]) -> None:
    """Refuse a config that claims another size than the weights have, before memory is reserved for it."""
    if getattr(settings, "num_layers", 0) > len(state):
        raise ValueError(f"{settings.num_layers:,} layers of {len(state)} tensors")
    with torch.device("meta"):
        expected = build_head(settings, *shape).state_dict()
    for name, tensor in expected.items():
        if state[f"head.{name}"].shape != tensor.shape:
            raise ValueError(f"{name} has the shape {list(state[f'head.{name}'].shape)}, not {list(tensor.shape)}")
