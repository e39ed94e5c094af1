"""What is fuzzed: every kind of file that this project reads and that others may have made."""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from random import Random

import h5py
import numpy as np
import pandas as pd
import soundfile
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from data.audio import UnusableAudioError, read_waveform
from data.corpora.table import Parameters as TableParameters
from data.errors import UserError
from data.manifest import build_manifest
from data.manifest_folder import read_manifest_folder, read_recordings, write_manifest_folder
from data.official_folds import read_emobox, read_fold_table
from data.roles import read_splits
from data.shards import seal, sidecar_path
from data.table_files import read_table
from data.task_description import CorpusDescription, read_task_description
from evaluation.scoring import read_predictions
from features.checkpoints import load_checkpoint
from features.frame_files import read_frames
from features.index import join_features
from features.ssl import SslSettings
from features.store import FeatureSet
from inference.opening import load_run, run_folders
from inference.pack_archive import unpack_archive
from models import HEADS
from models.building import build_head
from stages import pieces
from stages.params import read_yaml
from stages.pieces import Piece, make_pieces
from stages.schema import check_params
from tests.attack.mutation import mutate_bytes, mutate_json
from tests.attack.shards import read_clips, read_features, small_clips, small_features
from tests.builders import PRESETS, preset_text, tone, write_emobox, write_wav
from training.checkpoint import StandardisedHead, save_head


class Target:
    """One kind of file.

    Args:
        home: an empty folder for its files.

    Attributes:
        seeds: valid files.
    """

    seeds: list[bytes]

    def __init__(self, home: Path):
        self.home = home

    def changed(self, random: Random) -> bytes:
        """A broken file."""
        return mutate_bytes(random.choice(self.seeds), random, self.seeds)

    def read(self, content: bytes) -> None:
        """Put a file in its place and read it as the project does."""
        raise NotImplementedError

    def write(self, name: str, content: bytes) -> Path:
        path = self.home / name
        path.write_bytes(content)
        return path


class OfJson(Target):
    """A file of JSON: most changes keep it one."""

    def changed(self, random: Random) -> bytes:
        seed = random.choice(self.seeds)
        return mutate_json(seed, random) if random.random() < 0.8 else mutate_bytes(seed, random, self.seeds)


class Audio(Target):
    """wav, flac, mp3, ogg."""

    def __init__(self, home: Path):
        super().__init__(home)
        self.seeds = []
        for kind, subtype in (
            *(("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("FLAC", "PCM_16"), ("MP3", None)),
            *(("OGG", "VORBIS"), ("OGG", "OPUS"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("W64", "PCM_16")),
            *(("CAF", "PCM_16"), ("NIST", "PCM_16")),
        ):
            file = io.BytesIO()
            soundfile.write(file, np.stack([tone(0.2), tone(0.2)], 1), 16000, format=kind, subtype=subtype)
            self.seeds.append(file.getvalue())

    def read(self, content: bytes) -> None:
        try:
            read_waveform(self.write("a.wav", content), 8000)
        except UnusableAudioError as error:  # preprocess lists them
            raise UserError(str(error)) from None


class FeatureShards(Target):
    """Shards of features, sealed after they were changed."""

    def __init__(self, home: Path):
        super().__init__(home)
        self._path = small_features(home)
        self.seeds = [self._path.read_bytes(), small_features(home / "int8", "int8").read_bytes()]

    def read(self, content: bytes) -> None:
        self._path.write_bytes(content)
        seal(self._path, self._path)
        read_features(self._path)


class ClipShards(Target):
    """Shards of clips, sealed after they were changed."""

    def __init__(self, home: Path):
        super().__init__(home)
        self._path = small_clips(home / "clips")
        self.seeds = [self._path.read_bytes()]

    def read(self, content: bytes) -> None:
        self._path.write_bytes(content)
        seal(self._path, self._path)
        read_clips(self._path)


class Sidecars(OfJson):
    """Sidecars of shards."""

    def __init__(self, home: Path):
        super().__init__(home)
        self._path = small_features(home)
        self.seeds = [sidecar_path(self._path).read_bytes()]

    def read(self, content: bytes) -> None:
        sidecar_path(self._path).write_bytes(content)
        FeatureSet(self._path.parent)


class Joined(OfJson):
    """The lists of joined sets, and the indexes that they are made of."""

    def __init__(self, home: Path):
        super().__init__(home)
        path = small_features(home)
        digest = json.loads(sidecar_path(path).read_text())["sha256"]
        self._folder = path.parents[1] / "both"
        self._folder.mkdir()
        listing = {"easy": {"folder": "../easy", "shards": {path.name: digest}, "skipped": []}}
        recipe = FeatureSet(path.parent).recipe
        index = {"wanted": True, "recipe": recipe, "utterances": 3, "skipped": [], "shards": {path.name: digest}}
        self.seeds = [json.dumps(listing).encode(), json.dumps(index).encode()]

    def read(self, content: bytes) -> None:
        (self._folder / "joined.json").write_bytes(content)
        try:
            FeatureSet(self._folder)
        except UserError:
            index = self.write("easy.json", content)
            join_features({"easy": index}, self._folder.parent, self._folder)


class HeadWeights(Target):
    """model.safetensors of a head."""

    model = {"model": "gru", "hidden_size": 4, "num_layers": 1}

    def __init__(self, home: Path):
        super().__init__(home)
        settings = HEADS[self.model["model"]][0](**self.model)
        head = build_head(settings, 6, 2, 1, 0, None)
        config = {
            **{"settings": settings.model_dump(), "classes": ["a", "b"], "dimension": 6, "layers": [0], "speakers": []},
            **{"training": {"speaker_classifier": None}, "format": "emocache-head", "format_version": 1},
            **{"fold": 0, "seed": 1, "features": {"digest": "0", "recipe": {}}},
        }
        save_head(StandardisedHead(head, torch.zeros(6), torch.ones(6)), config, home)
        self.seeds = [(home / self.name).read_bytes()]

    name = "model.safetensors"

    def read(self, content: bytes) -> None:
        self.write(self.name, content)
        for folder in run_folders(self.home):
            load_run(folder)


class HeadConfigs(HeadWeights, OfJson):
    """config.json of a head."""

    name = "config.json"


class HeadPieces(HeadWeights, OfJson):
    """pieces.json in a head's folder."""

    name = "pieces.json"

    def __init__(self, home: Path):
        (home / "pieces.json").write_text(json.dumps({"0" * 64: {"config.json": "config.json"}}))
        super().__init__(home)


class EncoderWeights(Target):
    """model.safetensors of an encoder."""

    name = "model.safetensors"

    def __init__(self, home: Path):
        super().__init__(home)
        config = HubertConfig(
            **{"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8},
            **{"conv_dim": (4, 4), "conv_stride": (5, 2), "conv_kernel": (10, 3), "vocab_size": 5},
            **{"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2},
        )
        HubertModel(config).save_pretrained(home)
        Wav2Vec2FeatureExtractor().save_pretrained(home)
        self.seeds = [(home / self.name).read_bytes()]

    def read(self, content: bytes) -> None:
        self.write(self.name, content)
        load_checkpoint(SslSettings(checkpoint=str(self.home), clips={}))


class EncoderConfigs(EncoderWeights, OfJson):
    """config.json of an encoder."""

    name = "config.json"


class EncoderInputs(EncoderWeights, OfJson):
    """preprocessor_config.json of an encoder."""

    name = "preprocessor_config.json"


class PieceLists(OfJson):
    """pieces.json of an output, as DVC's cache has it of a colleague's."""

    def __init__(self, home: Path):
        super().__init__(home)
        self.seeds = [json.dumps({"f" * 64: {"Session1.h5": "Session1.h5", "Session1.json": "Session1.json"}}).encode()]

    def read(self, content: bytes) -> None:
        os.chdir(self.home)
        cache = self.home / "cache"
        (cache / "00").mkdir(parents=True, exist_ok=True)
        entries = []
        for name, text in {"pieces.json": content, "Session1.h5": b"shard", "Session1.json": b"sidecar"}.items():
            digest = hashlib.md5(text).hexdigest()
            (cache / digest[:2]).mkdir(exist_ok=True)
            (cache / digest[:2] / digest[2:]).write_bytes(text)
            entries.append({"relpath": name, "md5": digest})
        (cache / "00" / "0.dir").write_text(json.dumps(entries))
        output = Path("artifacts/features/hubert/demo")
        output.mkdir(parents=True, exist_ok=True)
        (output / "pieces.json").write_bytes(content)
        cached = pieces.DvcCache
        pieces.DvcCache = lambda: _cache_in(cached, cache)

        def make(missing: list[Piece]):
            for piece in missing:
                (piece.workshop / "Session1.h5").write_bytes(b"made")
                yield piece

        try:
            make_pieces(output, [Piece("f" * 64)], make)
        finally:
            pieces.DvcCache = cached


def _cache_in(kind, root: Path):
    cache = kind()
    cache.__dict__["root"] = root
    return cache


class TextTables(Target):
    """Tables of a corpus: CSV, TSV, JSON lines; and the corpus that they describe."""

    def __init__(self, home: Path):
        super().__init__(home)
        rows = pd.DataFrame(
            {
                "file": [f"s{speaker}/{number}.wav" for speaker in range(2) for number in range(3)],
                "label": ["happy", "sad", "happy"] * 2,
                "who": [speaker for speaker in range(2) for _ in range(3)],
                "text": 'a "quoted", text',
            }
        )
        self._root = home / "corpora" / "ours"
        for name in rows["file"]:
            write_wav(self._root / name, 0.1)
        self.seeds = [
            b"csv" + rows.to_csv(index=False).encode(),
            b"csv" + rows.to_csv(index=False, sep=";").encode("utf-16"),
            b"tsv" + rows.to_csv(index=False, sep="\t").encode(),
            b"jsonl" + rows.to_json(orient="records", lines=True).encode(),
        ]

    def changed(self, random: Random) -> bytes:
        seed = random.choice(self.seeds)
        start = 5 if seed.startswith(b"jsonl") else 3
        return seed[:start] + mutate_bytes(seed[start:], random)

    def read(self, content: bytes) -> None:
        os.chdir(self.home)
        ending, content = (content[:5], content[5:]) if content.startswith(b"jsonl") else (content[:3], content[3:])
        name = f"labels.{ending.decode()}"
        (self._root / name).write_bytes(content)
        columns = {"path": "file", "emotion": "label", "speaker": "who", "text": "text"}
        settings = TableParameters(reader="table", table=name, columns=columns)
        try:
            build_manifest("ours", settings)
        finally:
            (self._root / name).unlink()


class Workbooks(Target):
    """Excel tables: what is in the zip is changed, or the zip."""

    def __init__(self, home: Path):
        super().__init__(home)
        file = io.BytesIO()
        pd.DataFrame({"file": ["a.wav", "b.wav"], "label": ["x", 3], "when": [1.5, 2]}).to_excel(file, index=False)
        self.seeds = [file.getvalue()]

    def changed(self, random: Random) -> bytes:
        if random.random() < 0.4:
            return mutate_bytes(self.seeds[0], random)
        with zipfile.ZipFile(io.BytesIO(self.seeds[0])) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        name = random.choice([*entries])
        entries[name] = mutate_bytes(entries[name], random, [*entries.values()])
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        return file.getvalue()

    def read(self, content: bytes) -> None:
        read_table(self.write("a.xlsx", content))


class Parquets(Target):
    """Parquet tables."""

    def __init__(self, home: Path):
        super().__init__(home)
        file = io.BytesIO()
        pd.DataFrame({"file": ["a.wav", "b.wav"], "label": ["x", "y"], "when": [1.5, 2]}).to_parquet(file)
        self.seeds = [file.getvalue()]

    def read(self, content: bytes) -> None:
        read_table(self.write("a.parquet", content))


def _manifest(ids: int = 6) -> pd.DataFrame:
    names = [f"u{number}" for number in range(ids)]
    return pd.DataFrame(
        {
            **{"id": names, "path": [f"wav/{name}.wav" for name in names], "speaker": ["s0", "s1"] * (ids // 2)},
            **dict.fromkeys(("gender", "session", "dialog", "style"), ""),
            "emotion": ["happy", "sad", "happy"] * (ids // 3),
            **dict.fromkeys(("valence", "activation", "dominance", "start", "end"), np.nan),
            **{"text": "", "shard": "s0"},
        }
    )


class Manifests(Target):
    """manifest.csv, splits and predictions, as colleagues have made them."""

    def __init__(self, home: Path):
        super().__init__(home)
        self._folder = home / "manifest"
        described = {"ours": CorpusDescription(reader="table", utterances=6, speakers=2)}
        write_manifest_folder(self._folder, _manifest(), described)
        folds = _manifest().assign(label="happy", fold_0=["train", "test"] * 3)
        self._splits = folds
        predictions = folds[folds["fold_0"] == "test"][["id"]].assign(fold=0, predicted="happy", p_happy=0.5, p_sad=0.5)
        self.seeds = [table.to_csv(index=False).encode() for table in (_manifest(), folds, predictions)]

    def read(self, content: bytes) -> None:
        (self._folder / "manifest.csv").write_bytes(content)
        path = self.write("table.csv", content)
        readers = [
            lambda: read_recordings(self._folder, read_manifest_folder(self._folder)[0]),
            lambda: read_splits(path),
            lambda: read_predictions(path, self._splits, ["happy", "sad"], 1),
        ]
        refused = []
        for read in readers:
            try:
                read()
            except UserError as error:
                refused.append(error)
        if refused:
            raise refused[0]


class Descriptions(OfJson):
    """corpora.json of manifests, and the descriptions of tasks."""

    def __init__(self, home: Path):
        super().__init__(home)
        self._folder = home / "manifest"
        described = {"ours": CorpusDescription(reader="table", utterances=6, speakers=2)}
        write_manifest_folder(self._folder, _manifest(), described)
        task = {
            **{"task": "emotions", "corpus": "ours", "classes": {"a": ["happy"]}, "split": {"scheme": "speaker"}},
            "corpora": {"ours": described["ours"].model_dump()},
        }
        self.seeds = [(self._folder / "corpora.json").read_bytes(), json.dumps(task).encode()]

    def read(self, content: bytes) -> None:
        (self._folder / "corpora.json").write_bytes(content)
        try:
            read_manifest_folder(self._folder)
        except UserError:
            read_task_description(self.write("task.json", content))


class FoldTables(Target):
    """Published folds in a CSV."""

    def __init__(self, home: Path):
        super().__init__(home)
        self._labelled = _manifest()
        self.seeds = [
            self._labelled[["id"]].assign(fold=[0, 1, 2] * 2).to_csv(index=False).encode(),
            self._labelled[["id"]].assign(fold_0=["train", "test"] * 3).to_csv(index=False).encode(),
        ]

    def read(self, content: bytes) -> None:
        read_fold_table(self.write("folds.csv", content), self._labelled)


class EmoBox(OfJson):
    """EmoBox's metadata."""

    def __init__(self, home: Path):
        super().__init__(home)
        self._folder = write_emobox(home / "ours", _manifest())
        self._list = self._folder / "fold_1" / "ours_train_fold_1.jsonl"
        self.seeds = [self._list.read_bytes()]

    def changed(self, random: Random) -> bytes:
        lines = self.seeds[0].splitlines()
        where = random.randrange(len(lines))
        if random.random() < 0.7:
            lines[where] = mutate_json(lines[where], random)
            return b"\n".join(lines)
        return mutate_bytes(self.seeds[0], random)

    def read(self, content: bytes) -> None:
        self._list.write_bytes(content)
        read_emobox(self._folder, _manifest(), _manifest())


class ParamsFiles(Target):
    """params.yaml."""

    def __init__(self, home: Path):
        super().__init__(home)
        self.seeds = [preset_text(name).encode() for name in PRESETS]

    def read(self, content: bytes) -> None:
        check_params(read_yaml(self.write("params.yaml", content)))


class FrameFiles(Target):
    """Frames that others have saved: .npy, .pt, HDF5."""

    def __init__(self, home: Path):
        super().__init__(home)
        frames = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)
        self.seeds = []
        for suffix in (".npy", ".pt", ".h5"):
            path = home / f"seed{suffix}"
            if suffix == ".npy":
                np.save(path, frames)
            elif suffix == ".pt":
                torch.save(torch.from_numpy(frames), path)
            else:
                with h5py.File(path, "w") as file:
                    file.create_dataset("frames", data=frames, compression="gzip")
            self.seeds.append(suffix.ljust(4).encode() + path.read_bytes())
        file = io.BytesIO()
        torch.save(torch.from_numpy(frames), file, _use_new_zipfile_serialization=False)
        self.seeds.append(b".pt " + file.getvalue())

    def changed(self, random: Random) -> bytes:
        seed = random.choice(self.seeds)
        return seed[:4] + mutate_bytes(seed[4:], random)

    def read(self, content: bytes) -> None:
        path = self.write(f"frames{content[:4].decode().strip()}", content[4:])
        try:
            np.isfinite(read_frames(path)).all()
        except ValueError as error:  # the importer lists them
            raise UserError(str(error)) from None


class Packs(Target):
    """Packed models, from anyone."""

    def __init__(self, home: Path):
        super().__init__(home)
        description = {
            "format": "emocache-pack",
            "format_version": 1,
            "files": {"README.md": {"bytes": 1, "sha256": "0"}},
        }
        self._entries = {"pack.json": json.dumps(description).encode(), "README.md": b"card", "../../evil": b"x"}
        self.seeds = [_zipped(self._entries)]

    def changed(self, random: Random) -> bytes:
        if random.random() < 0.5:
            return mutate_bytes(self.seeds[0], random)
        entries = dict(self._entries)
        entries["pack.json"] = mutate_json(entries["pack.json"], random)
        return _zipped(entries)

    def read(self, content: bytes) -> None:
        target = self.home / "unpacked"
        target.mkdir(exist_ok=True)
        unpack_archive(self.write("a.zip", content), target)


def _zipped(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


TARGETS: dict[str, type[Target]] = {
    "audio": Audio,
    "clips": ClipShards,
    "descriptions": Descriptions,
    "emobox": EmoBox,
    "encoder-config": EncoderConfigs,
    "encoder-input": EncoderInputs,
    "encoder-weights": EncoderWeights,
    "features": FeatureShards,
    "folds": FoldTables,
    "frames": FrameFiles,
    "head-config": HeadConfigs,
    "head-pieces": HeadPieces,
    "head-weights": HeadWeights,
    "joined": Joined,
    "manifests": Manifests,
    "packs": Packs,
    "params": ParamsFiles,
    "parquet": Parquets,
    "pieces": PieceLists,
    "sidecars": Sidecars,
    "tables": TextTables,
    "workbooks": Workbooks,
}
