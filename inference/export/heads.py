"""Runs of a head as one module that the ONNX exporter can follow; the same function as `models` computes."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from inference.predictor import Run
from models.layers import BidirectionalGRU, frame_mask


class HeadGraph(nn.Module):
    """One run or several, with standardisation and temperature.

    Args:
        runs: of the same classes or ratings; several answer with their mean.
        of_ratings: whether the outputs are ratings.

    Attributes:
        outputs: the names of what it returns: ``probabilities`` or ``ratings``; ``embedding`` of a single run; and
            ``attention``, if the head attends.

    Shape:
        frames float32 ``[B, L, T, D]`` as stored, lengths int64 ``[B]`` (frames, 1..T) -> probabilities or ratings
        ``[B, C]``, embedding ``[B, E]``, attention ``[B, T]`` (how much each frame is attended to; zero at padding)
    """

    def __init__(self, runs: Sequence[Run], of_ratings: bool):
        super().__init__()
        self.models = nn.ModuleList(_exportable(run.model) for run in runs).eval().requires_grad_(False)
        self.temperatures, self.of_ratings = [run.temperature for run in runs], of_ratings
        statistics = runs[0].model.standardise.mean  # [L, D]
        self.num_layers, self.dimension = statistics.shape
        with torch.inference_mode():
            attends = self.models[0](*self.example(1, 2)).attention is not None
        self.outputs = [
            "ratings" if of_ratings else "probabilities",
            *(["embedding"] if len(runs) == 1 else []),
            *(["attention"] if attends else []),
        ]

    def example(self, batch: int, num_frames: int) -> tuple[Tensor, Tensor]:
        """Inputs of some shape: frames, and lengths that are all ``num_frames``."""
        generator = torch.Generator().manual_seed(0)
        frames = torch.randn(batch, self.num_layers, num_frames, self.dimension, generator=generator)
        return frames, torch.full((batch,), num_frames)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        answers = [model(frames, lengths) for model in self.models]
        outputs = [
            answer.emotion_logits if self.of_ratings else (answer.emotion_logits / temperature).softmax(dim=-1)
            for answer, temperature in zip(answers, self.temperatures, strict=True)
        ]
        returned = [_mean(outputs)]
        if "embedding" in self.outputs:
            returned.append(answers[0].embedding)
        if "attention" in self.outputs:
            returned.append(_mean([_received(answer.attention, lengths) for answer in answers]))
        return tuple(returned)


class PackedGRU(nn.Module):
    """A `BidirectionalGRU` as torch's own, on packed sequences, which ONNX has as one operator a layer.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> ``[B, T, 2 * hidden_size]``, zero at padding
    """

    def __init__(self, gru: BidirectionalGRU):
        super().__init__()
        first = gru.forwards[0]
        self.gru = nn.GRU(first.input_size, first.hidden_size, len(gru.forwards), batch_first=True, bidirectional=True)
        self.gru.load_state_dict(
            {
                f"{name.removesuffix('_l0')}_l{layer}{direction}": weights
                for direction, cells in {"": gru.forwards, "_reverse": gru.backwards}.items()
                for layer, cell in enumerate(cells)
                for name, weights in cell.state_dict().items()
            }
        )

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(frames, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = self.gru(packed)
        return pad_packed_sequence(states, batch_first=True, total_length=frames.shape[1])[0]


def _exportable(model: nn.Module) -> nn.Module:
    """A copy of a model on the CPU without what ONNX, or onnxruntime, has no operator for."""
    model = copy.deepcopy(model).cpu()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, BidirectionalGRU):
                setattr(module, name, PackedGRU(child))
        if isinstance(module, nn.Conv1d) and module.padding == "same":  # onnxruntime: not with dilation
            module.padding = ((module.kernel_size[0] - 1) * module.dilation[0] // 2,)
    return model


def _mean(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(values).mean(dim=0)


def _received(attention: Tensor, lengths: Tensor) -> Tensor:
    """Attention [B, T, T] or [B, T] -> the mean over the real queries [B, T]."""
    if attention.dim() == 2:
        return attention
    queries = frame_mask(lengths, attention.shape[1])[..., None]
    return (attention * queries).sum(dim=1) / lengths[:, None]
