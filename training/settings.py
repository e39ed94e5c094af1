"""The parameters of training; a head may override any of them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from data.settings import Settings

_Share = Annotated[float, Field(ge=0, le=1)]
_NotNegative = Annotated[float, Field(ge=0)]


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("duplicate seeds")
    return seeds


class TrainingSettings(Settings):
    """``training``.

    Attributes:
        epochs: at most; exactly, where there is no validation.
        batch_size: utterances per pass.
        accumulate: passes whose gradients make one step.
        sampling: ``shuffled``: every utterance once per epoch; ``balanced``: drawn so that all classes come up equally.
        seeds: every fold is trained once with each.
        standardise: subtract the training frames' mean and divide by their deviation.
        precision: of the head's arithmetic; ``bfloat16`` is mixed precision.

        learning_rate: at its highest.
        classifier_rate: that of the classifiers, as a multiple of it.
        schedule: after the warm-up: ``constant``; ``cosine`` with warm restarts, the first cycle a quarter of the
            steps, each one twice as long as the one before; ``step``, halved every tenth of the steps; ``noam``,
            with the inverse square root of the step.
        warmup: share of the steps, at most 1000 steps, in which the learning rate rises from 0.
        min_learning_rate: none lower, of any schedule.
        weight_decay: of AdamW.
        clip_norm: largest norm of the gradient.
        patience: epochs without a better validation UA before training stops; counted only once the warm-up
            and alpha's ramp are over.

        label_smoothing: share of the target that is spread over all classes.
        class_weights: ``balanced``: every class counts the same in the loss.
        adversarial_weight: of the loss of a speaker classifier behind a gradient reversal; 0 for none.
        max_alpha: largest strength of the reversal.
        alpha_start, alpha_full: shares of the epochs; alpha is 0 up to the first and largest from the second on.

        augment: whether the training frames are changed at random, with the strengths that follow.
        noise: deviation of Gaussian noise, in deviations of the features.
        stretch: largest relative change of an utterance's duration.
        time_mask, feature_mask: largest share of an utterance's frames, of its features, that are set to zero.
        mixup: both parameters of the beta distribution of the share by which utterances are mixed; 0 for none.
    """

    epochs: Annotated[int, Field(ge=1)] = 50
    batch_size: Annotated[int, Field(ge=1)] = 32
    accumulate: Annotated[int, Field(ge=1)] = 1
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_distinct)] = [1]
    standardise: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"

    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    classifier_rate: Annotated[float, Field(gt=0)] = 2.0
    schedule: Literal["constant", "cosine", "step", "noam"] = "cosine"
    warmup: _Share = 0.1
    min_learning_rate: _NotNegative = 1e-7
    weight_decay: _NotNegative = 1e-5
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    patience: Annotated[int, Field(ge=1)] = 10

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    adversarial_weight: _NotNegative = 0.05
    max_alpha: _NotNegative = 1.0
    alpha_start: _Share = 0.1
    alpha_full: _Share = 0.7

    augment: bool = False
    noise: _NotNegative = 0.1
    stretch: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    time_mask: Annotated[float, Field(ge=0, lt=1)] = 0.2
    feature_mask: Annotated[float, Field(ge=0, lt=1)] = 0.1
    mixup: _NotNegative = 0.2

    @model_validator(mode="after")
    def _in_order(self):
        if self.min_learning_rate > self.learning_rate:
            raise ValueError("min_learning_rate is above learning_rate")
        if self.alpha_full < self.alpha_start:
            raise ValueError("alpha_full comes before alpha_start")
        if self.schedule == "noam" and not self.warmup:
            raise ValueError("schedule: noam falls from the first step on without a warmup; set one, e.g. 0.1")
        return self

    @model_validator(mode="after")
    def _together(self):
        if self.augment and not self.standardise:
            raise ValueError("augment needs standardise: its strengths are in deviations of the training frames")
        if self.class_weights == self.sampling == "balanced":
            raise ValueError("class_weights and sampling are both balanced, which favours rare classes twice; use one")
        return self
