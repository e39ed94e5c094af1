"""A local checkpoint whose weights changed in place is noticed, though DVC does not look into its folder."""

import pytest
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from data.clips import ClipsSettings
from data.errors import UserError
from features import current
from features.current import check_checkpoint, encoder_digest
from features.ssl import SslSettings
from features.store import FeatureSet
from tests.builders import write_features


@pytest.fixture
def checkpoint(tmp_path):
    small = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
    torch.manual_seed(1)
    HubertModel(HubertConfig(**small)).save_pretrained(tmp_path / "checkpoint")
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_changed_weights_name_the_command_and_equal_ones_pass(checkpoint, tmp_path, monkeypatch):
    settings = SslSettings(clips=ClipsSettings(), checkpoint=str(checkpoint), layers=[1])
    known = tmp_path / "known"
    weights = encoder_digest(settings, known)
    features = FeatureSet(write_features(tmp_path / "features/hubert/demo", weights=weights))
    check_checkpoint(settings, features, known)

    (checkpoint / "preprocessor_config.json").write_text((checkpoint / "preprocessor_config.json").read_text() + "\n")
    check_checkpoint(settings, features, known)  # other files, the same encoder

    loaded, open_encoder = [], current.open_encoder
    monkeypatch.setattr(current, "open_encoder", lambda *how: loaded.append(how) or open_encoder(*how))
    check_checkpoint(settings, features, known)
    assert loaded == []  # known by its files

    torch.manual_seed(2)
    HubertModel(HubertConfig.from_pretrained(checkpoint)).save_pretrained(checkpoint)
    with pytest.raises(UserError, match=r"other weights.*dvc repro --force --single-item extract@demo-hubert"):
        check_checkpoint(settings, features, known)


def test_a_checkpoint_that_is_not_here_is_no_error(tmp_path, feature_folder):
    for name in ("facebook/hubert-base-ls960", str(tmp_path / "elsewhere"), "untrained"):
        settings = SslSettings(clips=ClipsSettings(), checkpoint=name)
        check_checkpoint(settings, FeatureSet(feature_folder), tmp_path / "known")
