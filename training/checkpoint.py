"""A trained head on disk, and back: safetensors and JSON, nothing that is unpickled."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from data.errors import UserError
from models import HEADS
from models.building import build_head
from models.head import Head, HeadOutput
from models.layers import Standardise


class StandardisedHead(nn.Module):
    """A head that standardises its input with the training frames' statistics.

    Shape:
        frames ``[B, L, T, D]`` as stored, lengths ``[B]`` -> `HeadOutput`
    """

    def __init__(self, head: Head, mean: Tensor, deviation: Tensor):
        super().__init__()
        self.standardise = Standardise(mean, deviation)
        self.head = head

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        return self.head(self.standardise(frames, lengths), lengths)


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
        The model in evaluation mode, and its config: ``classes`` in the order of the logits, ``settings``,
        ``features`` (set and recipe), ``layers``, ``dimension`` and so on.

    Raises:
        UserError: a file is missing or damaged.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
        settings = HEADS[config["settings"]["model"]][0](**config["settings"])
        state = load_file(folder / "model.safetensors")
        speakers = len(config["speakers"]), config["training"]["speaker_classifier"]
        head = build_head(settings, config["dimension"], len(config["classes"]), len(config["layers"]), *speakers)
        model = StandardisedHead(head, state["standardise.mean"], state["standardise.deviation"])
        model.load_state_dict(state)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder}: cannot load this head: {error}. Run `dvc pull`, or train it again.") from error
    return model.eval(), config
