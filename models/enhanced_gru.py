"""The original system's enhanced head, as it was meant: every part reaches the output.

The original code computes the enhancement branch and the max pooling and then slices both away. The speaker classifier
that goes with this head works with every head: see `models.adversary`.
"""

from contextlib import nullcontext
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from data.settings import distinct
from models.head import Head, HeadOutput, HeadSettings
from models.layers import (
    BidirectionalGRU,
    InstanceNorm,
    LayerMixture,
    Pooling,
    frame_mask,
    perceptron,
    sinusoidal_positions,
)


class EnhancedGruSettings(HeadSettings):
    """``model: enhanced_gru``.

    Attributes:
        hidden_size: H, per direction.
        num_layers: of the GRU.
        num_heads: of the attention; must divide 2H.
        dropout: between GRU layers, after the attention, in the enhancement and the classifier.
        attention_dropout: of the attention's weights; null: as ``dropout``.
        positions, instance_norm, attention, enhancement: whether the head has this part.
        pooling: over time, joined in this order.
        classifier: sizes of its hidden layers; null: 2H and H.
    """

    model: Literal["enhanced_gru"]
    hidden_size: Annotated[int, Field(ge=1)] = 256
    num_layers: Annotated[int, Field(ge=1)] = 3
    num_heads: Annotated[int, Field(ge=1)] = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    positions: bool = True
    instance_norm: bool = True
    attention: bool = True
    enhancement: bool = True
    pooling: Annotated[list[Literal["mean", "deviation", "maximum"]], Field(min_length=1), AfterValidator(distinct)] = [
        "mean",
        "maximum",
    ]
    classifier: list[Annotated[int, Field(ge=1)]] | None = None

    @property
    def needs_time(self) -> str | None:
        return "instance_norm" if self.instance_norm else "pooling" if self.pooling == ["deviation"] else None

    @model_validator(mode="after")
    def _heads_divide(self):
        size = 2 * self.hidden_size
        if self.attention and size % self.num_heads:
            fitting = [heads for heads in range(1, 17) if size % heads == 0]
            raise ValueError(
                f"num_heads: {self.num_heads} does not divide 2 x hidden_size = {size} "
                f"(these do: {', '.join(map(str, fitting))})"
            )
        return self


class EnhancedGruHead(Head):
    """Layer mixture, projection, positions, instance norm, residual GRUs, self-attention, enhancement, pooling, MLP.

    Shape:
        frames ``[B, L, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, 2H]`` times the number of
        poolings, attention ``[B, T, T]`` (mean over attention heads; only when not training)
    """

    def __init__(self, settings: EnhancedGruSettings, dimension: int, num_classes: int, num_layers: int):
        hidden, size = settings.hidden_size, 2 * settings.hidden_size
        super().__init__(settings, embedding_size=len(settings.pooling) * size)
        self.mixture = LayerMixture(num_layers)
        self.dropout = nn.Dropout(settings.dropout)
        self.projection = nn.Linear(dimension, size)
        if settings.instance_norm:
            self.instance_norm = InstanceNorm(size)
        self.grus = nn.ModuleList(BidirectionalGRU(size, hidden) for _ in range(settings.num_layers))
        self.gru_norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(settings.num_layers))
        if settings.attention:
            dropout = settings.dropout if settings.attention_dropout is None else settings.attention_dropout
            self.attention = nn.MultiheadAttention(size, settings.num_heads, dropout, batch_first=True)
            self.attention_norm = nn.LayerNorm(size)
        if settings.enhancement:
            self.enhancement = nn.Sequential(
                nn.Linear(size, 2 * size), nn.ReLU(), nn.Dropout(settings.dropout), nn.Linear(2 * size, size)
            )
            self.enhancement_norm = nn.LayerNorm(size)
        self.pooling = Pooling(settings.pooling, size)
        hidden_sizes = [size, hidden] if settings.classifier is None else settings.classifier
        self.classifier = perceptron([self.embedding_size, *hidden_sizes, num_classes], settings.dropout)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        states = self.projection(self.mixture(frames))  # [B, T, 2H]
        if self.settings.positions:
            states = states + sinusoidal_positions(*states.shape[1:], device=states.device)
        if self.settings.instance_norm:
            states = self.instance_norm(states, lengths)
        for number, (gru, norm) in enumerate(zip(self.grus, self.gru_norms, strict=True)):
            new = gru(self.dropout(states) if number else states, lengths)
            states = norm(states + new if number else new)
        weights = None
        if self.settings.attention:
            attended, weights = self._attend(states, lengths)
            states = self.attention_norm(states + self.dropout(attended))
        if self.settings.enhancement:
            states = self.enhancement_norm(states + self.enhancement(states))
        embedding, _ = self.pooling(states, lengths)
        return HeadOutput(self.classifier(embedding), embedding, attention=weights)

    def _attend(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None]:
        padding = ~frame_mask(lengths, states.shape[1])
        # a GPU's faster kernels add up gradients in any order: the same seed would not be the same weights
        with sdpa_kernel(SDPBackend.MATH) if states.is_cuda else nullcontext():
            return self.attention(states, states, states, key_padding_mask=padding, need_weights=not self.training)
