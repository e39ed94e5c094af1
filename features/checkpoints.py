"""A pretrained encoder on disk, in the Hugging Face hub's cache, or made up of seeded random weights."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import constants as hub_constants
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.utils import logging as hub_logging
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    FeatureExtractionMixin,
    HubertConfig,
    HubertModel,
    PretrainedConfig,
    PreTrainedModel,
    Wav2Vec2FeatureExtractor,
)
from transformers.utils import logging as model_logging

from data.digest import file_digest
from data.errors import UserError, listed
from features.ssl import SslSettings, is_untrained, untrained_parts

_NEEDED_IN_TRAINING_ONLY = {"masked_spec_embed"}


@dataclass(frozen=True)
class Checkpoint:
    """What was loaded: the model in float32 and evaluation mode, and the feature extractor that goes with it."""

    model: PreTrainedModel
    extractor: FeatureExtractionMixin
    config: PretrainedConfig


def untrained_hubert(seed: int = 0, layers: int = 12) -> HubertModel:
    """HuBERT-base (Hsu et al. 2021, table 1) with seeded random weights, or a shallower one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HubertModel(HubertConfig(num_hidden_layers=layers)).eval()


def load_checkpoint(settings: SslSettings) -> Checkpoint:
    """Load what ``settings.checkpoint`` names.

    Of Whisper the decoder is left out: its weights may be missing, and are not loaded if they are there.

    Raises:
        UserError: it cannot be found or read, is no speech encoder that we know, or lacks some of its weights.
    """
    if is_untrained(settings.checkpoint):
        model = untrained_hubert(*untrained_parts(settings.checkpoint))
        return Checkpoint(model, Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False), model.config)
    checkpoint, revision = settings.checkpoint, settings.revision
    hub_logging.set_verbosity_error()  # the error below says why; its retries would only repeat it
    model_logging.set_verbosity_error()  # no tables of weights that are left out
    model_logging.disable_progress_bar()
    hub_constants.HF_HUB_DISABLE_TELEMETRY = True  # a request says nothing but what it asks for
    try:
        config = AutoConfig.from_pretrained(checkpoint, revision=revision, trust_remote_code=False)
        if not (is_whisper(config) or hasattr(config, "conv_stride")):
            raise UserError(
                f"checkpoint: {checkpoint} is a {config.model_type!r} model, not a speech encoder such as HuBERT, "
                "WavLM, wav2vec 2.0, data2vec-audio or Whisper."
            )
        if is_whisper(config):
            config.decoder_layers = 0  # they are not even made
        model, loading = AutoModel.from_pretrained(
            checkpoint, revision=revision, config=config, output_loading_info=True, trust_remote_code=False
        )
        extractor = AutoFeatureExtractor.from_pretrained(checkpoint, revision=revision, trust_remote_code=False)
    except UserError:
        raise
    except Exception as error:  # transformers and the libraries below it fail in many ways
        raise UserError(_why_not_loaded(checkpoint, error)) from error
    random = {*loading["missing_keys"], *map(str, loading["mismatched_keys"])} - _NEEDED_IN_TRAINING_ONLY
    random = sorted(name for name in random if not (is_whisper(config) and name.startswith("decoder.")))
    if random:
        raise UserError(
            f"checkpoint: {checkpoint} lacks {len(random)} of the encoder's weights, which would stay random:\n"
            f"{listed(random, most=5)}\nDownload the complete checkpoint again."
        )
    return Checkpoint(model.float().eval(), extractor, config)


def is_whisper(config: PretrainedConfig) -> bool:
    """Whether a configuration is Whisper's (any size)."""
    return config.model_type == "whisper"


def resolve_revision(settings: SslSettings) -> str | None:
    """The commit that a Hugging Face id was loaded from; None for what is not from there."""
    if is_untrained(settings.checkpoint) or Path(settings.checkpoint).exists():
        return None
    path = try_to_load_from_cache(settings.checkpoint, "config.json", revision=settings.revision)
    return Path(path).parent.name if isinstance(path, str) else settings.revision


def weights_digest(description: Iterable[dict], weights: dict[str, torch.Tensor]) -> str:
    """SHA-256 of all that determines an encoder's output: its configuration, the scaling of its input, its weights."""
    digest = hashlib.sha256(json.dumps(list(description), sort_keys=True, default=str).encode())
    for name, tensor in sorted(weights.items()):
        if name in _NEEDED_IN_TRAINING_ONLY:  # where it is missing, it is random at every load
            continue
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 of the files of a local checkpoint: configuration and weights, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".safetensors", ".bin"}:
            digest.update(f"{path.name} {file_digest(path, 'sha256')}\n".encode())
    return digest.hexdigest()


def _why_not_loaded(checkpoint: str, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if Path(checkpoint).exists() or checkpoint.startswith((".", "/")):
        return (
            f"checkpoint: cannot load the folder {checkpoint}: {reason} It needs config.json, "
            "preprocessor_config.json and model.safetensors, as save_pretrained writes them."
        )
    return (
        f"checkpoint: cannot load {checkpoint} from the Hugging Face hub: {reason} Check the name and the network; "
        "or download it elsewhere and give its folder as checkpoint; or use 'untrained', which needs no network."
    )
