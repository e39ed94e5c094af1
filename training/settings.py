"""The parameters of training; a head may override any of them."""

from typing import Annotated

from pydantic import AfterValidator, Field

from data.settings import Settings


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed stands twice")
    return seeds


class TrainingSettings(Settings):
    """``training``.

    Attributes:
        epochs: at most; exactly, where there is no validation.
        batch_size: utterances per step.
        learning_rate, weight_decay: of AdamW.
        clip_norm: largest norm of the gradient.
        patience: epochs without a better validation UA before training stops.
        seeds: every fold is trained once with each.
        standardise: subtract the training frames' mean and divide by their deviation.
    """

    epochs: Annotated[int, Field(ge=1)] = 50
    batch_size: Annotated[int, Field(ge=1)] = 32
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 1e-5
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    patience: Annotated[int, Field(ge=1)] = 10
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_distinct)] = [1]
    standardise: bool = True
