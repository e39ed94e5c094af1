"""The parameters of training; a head may override any of them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from data.settings import Settings, distinct

_Share = Annotated[float, Field(ge=0, le=1)]
_NotNegative = Annotated[float, Field(ge=0)]
_Moment = Annotated[float, Field(ge=0, lt=1)]
_EPOCHS = 50  # where neither epochs nor steps are given


class TrainingSettings(Settings):
    """``training``.

    Attributes:
        epochs: the maximum number of passes over the training utterances; without validation, the exact number.
        steps: the number of optimiser steps, instead of epochs.
        validate_every: steps between validations; null validates after every epoch. What history.csv and the report
            call an epoch is then that many steps.
        batch_size: utterances per pass.
        accumulate: number of passes whose gradients make one step.
        sampling: ``shuffled``: every utterance once per epoch; ``balanced``: drawn so that all classes are
            equally frequent.
        seeds: every fold is trained once with each seed.
        copies: of feature sets with ``clips.disturb``: ``clean``: the undisturbed clips alone; ``all``: every copy of
            a training utterance, with its label. An epoch is chosen on clean clips either way.
        standardise: subtract the training frames' mean and divide by their deviation.
        precision: of the head's arithmetic; ``bfloat16`` is mixed precision.

        select: the validation score that chooses the epoch: the highest ``ua``, ``wa`` or, of ratings, ``ccc``, or the
            lowest ``loss``; ``last`` keeps the last weights. ``auto``: ``ua``, of ratings ``ccc``.
        patience: number of epochs without improvement before training stops, counted once the warm-up and alpha's
            ramp are over; null never stops early.

        optimizer: ``adamw``, or ``adam``, in which weight decay is part of the gradient.
        betas: of the optimiser.
        learning_rate: the highest.
        classifier_rate: the learning rate of the classifiers, as a multiple of ``learning_rate``.
        schedule: after the warm-up: ``constant``; ``linear``, to the lowest rate at the end; ``cosine``, one cycle to
            the end; ``cosine_restarts``, the first cycle a quarter of the steps, each one twice as long as
            the one before; ``step``, halved every tenth of the steps; ``noam``, with the inverse square root of the
            step. ``speechbrain`` is `training.schedule.speechbrain_factor`, which has the warm-up in it.
        warmup: how long the learning rate rises, in ``warmup_unit``: a share of all steps, epochs, or steps.
        warmup_from: the share of the highest rate at which the warm-up begins.
        min_learning_rate: the lowest, under any schedule.
        weight_decay: of the optimiser.
        clip_norm: largest norm of the gradient.

        loss: of classes ``cross_entropy`` or ``kl``; of ratings ``ccc`` (1 - CCC over the batch), ``mse`` or their sum
            ``ccc_mse``. ``auto``: ``cross_entropy``; of ratings ``ccc``, or ``mse`` where a solver finds its minimum.
        label_smoothing: share of the target that is spread over all classes.
        class_weights: ``balanced``: all classes have the same weight in the loss.
        adversarial_weight: of the loss of a speaker classifier after a gradient reversal; 0: no such classifier.
        speaker_classifier: sizes of its hidden layers.
        max_alpha: largest strength of the reversal.
        alpha_start, alpha_full: shares of the epochs; alpha is 0 up to the first and largest from the second on.

        augment: whether the training frames are changed at random, as strongly as the following parameters say.
        noise: standard deviation of Gaussian noise, in standard deviations of the features.
        stretch: largest relative change of an utterance's duration.
        time_mask: largest share of an utterance's frames that are masked.
        time_mask_mode: ``span``: consecutive frames, up to that share; ``frames``: that share, drawn independently.
        time_mask_factor: what masked frames are multiplied by.
        feature_mask: largest share of an utterance's features that are set to zero.
        noise_probability, stretch_probability, time_mask_probability: the share of utterances changed.
        mixup: both parameters of the beta distribution of the mixing share; 0: no mixup.
    """

    epochs: Annotated[int, Field(ge=1)] | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    validate_every: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 32
    accumulate: Annotated[int, Field(ge=1)] = 1
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(distinct)] = [1]
    copies: Literal["clean", "all"] = "clean"
    standardise: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"

    select: Literal["auto", "ua", "wa", "ccc", "loss", "last"] = "auto"
    patience: Annotated[int, Field(ge=1)] | None = 10

    optimizer: Literal["adamw", "adam"] = "adamw"
    betas: Annotated[list[_Moment], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    classifier_rate: Annotated[float, Field(gt=0)] = 2.0
    schedule: Literal["constant", "linear", "cosine", "cosine_restarts", "step", "noam", "speechbrain"] = (
        "cosine_restarts"
    )
    warmup: _NotNegative = 0.1
    warmup_unit: Literal["share", "epochs", "steps"] = "share"
    warmup_from: Annotated[float, Field(ge=0, le=1)] = 0.0
    min_learning_rate: _NotNegative = 1e-7
    weight_decay: _NotNegative = 1e-5
    clip_norm: Annotated[float, Field(gt=0)] = 1.0

    loss: Literal["auto", "cross_entropy", "kl", "ccc", "mse", "ccc_mse"] = "auto"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    adversarial_weight: _NotNegative = 0.05
    speaker_classifier: list[Annotated[int, Field(ge=1)]] = [128]
    max_alpha: _NotNegative = 1.0
    alpha_start: _Share = 0.1
    alpha_full: _Share = 0.7

    augment: bool = False
    noise: _NotNegative = 0.1
    stretch: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    time_mask: Annotated[float, Field(ge=0, lt=1)] = 0.2
    time_mask_mode: Literal["span", "frames"] = "span"
    time_mask_factor: _Share = 0.0
    feature_mask: Annotated[float, Field(ge=0, lt=1)] = 0.1
    noise_probability: _Share = 1.0
    stretch_probability: _Share = 1.0
    time_mask_probability: _Share = 1.0
    mixup: _NotNegative = 0.2

    @model_validator(mode="before")
    @classmethod
    def _some_budget(cls, values):
        if isinstance(values, dict) and values.get("epochs") is None and values.get("steps") is None:
            return {**values, "epochs": _EPOCHS}
        return values

    @model_validator(mode="after")
    def _one_budget(self):
        if self.epochs is not None and self.steps is not None:
            raise ValueError("epochs and steps are two budgets; give only one of them")
        return self

    @model_validator(mode="after")
    def _in_order(self):
        if self.min_learning_rate > self.learning_rate:
            raise ValueError("min_learning_rate is above learning_rate")
        if self.alpha_full < self.alpha_start:
            raise ValueError("alpha_full must not be smaller than alpha_start")
        if self.schedule == "noam" and not self.warmup:
            raise ValueError(
                "schedule: noam needs a warmup, e.g. 0.1; without one the learning rate falls from the first step"
            )
        if self.warmup_unit == "share" and self.warmup > 1:
            raise ValueError(
                "warmup is a share of the steps, at most 1; for larger values set warmup_unit: epochs or steps"
            )
        if self.warmup_unit == "steps" and 0 < self.warmup < 1:
            raise ValueError("warmup_unit: steps needs a whole number of steps; for a share set warmup_unit: share")
        if self.schedule == "speechbrain" and (self.warmup_unit != "epochs" or self.epochs is None):
            raise ValueError("schedule: speechbrain counts epochs; set epochs, and warmup_unit: epochs")
        return self

    @model_validator(mode="after")
    def _together(self):
        if self.augment and not self.standardise:
            raise ValueError(
                "augment needs standardise: its strengths are in standard deviations of the training frames"
            )
        if self.class_weights == self.sampling == "balanced":
            raise ValueError(
                "class_weights and sampling are both balanced, which favours rare classes twice; use only one"
            )
        return self

    @property
    def content(self) -> dict:
        """What a run depends on, apart from its seed; ``copies`` only where it is not the default."""
        return self.model_dump(exclude={"seeds"} | ({"copies"} if self.copies == "clean" else set()))

    def override(self, changes: dict) -> dict:
        """These values with some of a head's own in their place; its budget replaces the other kind."""
        values = self.model_dump()
        if any(changes.get(budget) is not None for budget in ("epochs", "steps")):
            values |= {"epochs": None, "steps": None}
        else:
            changes = {key: value for key, value in changes.items() if key not in ("epochs", "steps")}
        return values | changes
