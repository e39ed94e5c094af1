"""Published protocols, as their presets have them, against plain torch that is written from their tables."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from benchmarks.plain_emobox import RATES, train_epoch
from features.store import FeatureSet
from models.building import build_head
from models.head import View
from stages.schema import check_params
from tests.builders import read_preset, write_features
from tests.training.test_run import job
from training.batches import MappedFrames, MomentFrames, open_moments
from training.checkpoint import StandardisedHead
from training.job import Utterances
from training.run import TrainingRun
from training.schedule import rate_factor

SPEAKERS, PER_SPEAKER, DIMENSION, LAYERS = 5, 16, 40, (6, 12)


class Recorded:
    """A training run as a preset has it, the ids of its batches, and their losses.

    Frames are scaled so that some gradients are longer than the protocol allows, and some are not.
    """

    def __init__(self, folder, preset: str, name: str, several: bool, scale: float):
        params = check_params(read_preset(preset)).head(name)
        settings, training = params.settings, params.training
        features = FeatureSet(
            write_features(folder / "features", DIMENSION, speakers=SPEAKERS, per_speaker=PER_SPEAKER, layers=LAYERS)
        )
        ids = [identifier for identifier in features.locations if not identifier.startswith("s4-")]
        train = Utterances(ids, [name.split("-")[0] for name in ids], [int(name[-1]) for name in ids])
        plain = job(features.folder, folder / "run")
        plain = dataclasses.replace(plain, head=settings, training=training, roles={**plain.roles, "train": train})
        layers = list(LAYERS) if several else [LAYERS[-1]]
        head = build_head(settings, DIMENSION, len(plain.classes), len(layers))
        self.features, self.scale, self.batches, self.losses = features, scale, [], []
        self.initial = [parameter.detach().clone().requires_grad_() for parameter in head.parameters()]
        shape = len(layers), DIMENSION
        model = StandardisedHead(head, torch.zeros(shape), torch.ones(shape))
        if (view := head.view(settings)) is View.FRAMES:
            frames = MappedFrames(features, layers, torch.device("cpu"))
        else:
            frames = MomentFrames(open_moments(features, layers), view, torch.device("cpu"))
        self.run = TrainingRun(model, frames, plain, {}, features)
        gather, objective = frames.gather, self.run.objective

        def recording_gather(identifiers):
            self.batches.append(list(identifiers))
            drawn, lengths = gather(identifiers)
            return scale * drawn, lengths

        def recording_objective(*arguments):
            loss = objective(*arguments)
            self.losses.append(loss.total.item())
            return loss

        frames.gather, self.run.objective = recording_gather, recording_objective

    def plain_batch(self, identifiers: list[str]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Frames of each utterance, [L, T, D], and labels."""
        frames = [[self.features.frames(identifier, layer) for layer in LAYERS] for identifier in identifiers]
        tensors = [torch.stack([torch.from_numpy(layer).float() for layer in layers]) for layers in frames]
        return [self.scale * tensor for tensor in tensors], torch.tensor([int(name[-1]) for name in identifiers])


@pytest.mark.parametrize("preset", ["emobox-iemocap", "emobox-emodb"])
def test_frame_mlp_under_emobox_is_plain_torch_written_from_the_table(tmp_path, preset):
    recorded = Recorded(tmp_path, preset, "frame_mlp", several=False, scale=1.25)
    rates = [recorded.run.train_epoch(epoch)["learning_rate"] for epoch in range(1, 21)]
    written = [10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 9, 8, 7, 6, 5, 4, 3, 2]  # times 1e-5
    assert rates == pytest.approx([1e-5 * rate for rate in written], rel=1e-6, abs=0)
    assert pytest.approx(rates) == RATES

    parameters, optimizer = recorded.initial, torch.optim.Adam(recorded.initial)
    assert [tuple(parameter.shape) for parameter in parameters] == [(256, DIMENSION), (256,), (3, 256), (3,)]
    sizes = [len(batch) for batch in recorded.batches]
    assert sizes == [32, 32] * 20
    losses = []
    for epoch in range(1, 21):
        batches = [recorded.plain_batch(batch) for batch in recorded.batches[2 * epoch - 2 : 2 * epoch]]
        last_layer = [([frames[-1] for frames in utterances], labels) for utterances, labels in batches]
        losses += train_epoch(parameters, optimizer, epoch, last_layer)
    assert recorded.losses == pytest.approx(losses, rel=2e-6)


def test_weighted_layers_under_superb_is_plain_torch_written_from_the_table(tmp_path):
    recorded = Recorded(tmp_path, "superb-er", "weighted_layers", several=True, scale=0.2)
    budget, training = recorded.run.budget, recorded.run.training
    assert (budget.num_steps, budget.num_epochs) == (30_000, 30)
    assert {rate_factor(step, budget, training) for step in (0, 1, 29_999)} == {1.0}
    recorded.run.budget = dataclasses.replace(budget, epoch_steps=6)
    assert recorded.run.train_epoch(1)["learning_rate"] == 1e-4
    assert [len(batch) for batch in recorded.batches] == [4] * 48

    scores, weight, bias, classifier_weight, classifier_bias = recorded.initial
    optimizer = torch.optim.Adam(recorded.initial, lr=1e-4)
    losses = []
    for number, batch in enumerate(recorded.batches, start=1):
        utterances, labels = recorded.plain_batch(batch)
        mixtures = [(scores.softmax(0)[:, None, None] * layers).sum(dim=0) for layers in utterances]
        pooled = torch.stack([(frames @ weight.T + bias).mean(dim=0) for frames in mixtures])
        loss = functional.cross_entropy(pooled @ classifier_weight.T + classifier_bias, labels)
        (loss / 8).backward()
        losses.append(loss.item())
        if number % 8 == 0:
            torch.nn.utils.clip_grad_norm_(recorded.initial, 1)
            optimizer.step()
            optimizer.zero_grad()
    assert recorded.losses == pytest.approx(losses, rel=2e-6)
