"""Builders of small real inputs: waveforms, feature files, parameters, whole projects."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch
from ruamel.yaml import YAML
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperModel,
)

from app.composition import compose
from data.split_settings import SplitSettings
from data.task_description import CorpusDescription, TaskDescription
from features.writing import FeatureWriter

REPOSITORY = Path(__file__).parent.parent
ROOMS = ("app", "data", "engines", "evaluation", "features", "inference", "models", "report", "stages", "training")
PLOTS = tuple(f".dvc/plots/{name}.json" for name in ("curves", "intervals", "points", "ratings"))
TINY_ENCODER = "untrained:0,layers=2"


def tone(seconds: float, sample_rate: int = 16000, frequency: float = 220.0, level: float = 0.3) -> np.ndarray:
    """A tone with a little noise, float32 [num_samples]."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    noise = np.random.default_rng(int(frequency)).normal(0, 0.01, len(time))
    return (level * np.sin(2 * np.pi * frequency * time) + noise).astype(np.float32)


def link_presets(folder: Path) -> Path:
    """A folder with presets to which one's own can be added."""
    (folder / "presets").mkdir()
    for path in (REPOSITORY / "presets").glob("*.yaml"):
        (folder / "presets" / path.name).symlink_to(path)
    return folder


def write_wav(path: Path, seconds: float = 0.5, **how) -> Path:
    """A small wav file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, **how), how.get("sample_rate", 16000))
    return path


def write_features(
    folder: Path,
    dimension: int = 12,
    classes: int = 3,
    speakers: int = 6,
    per_speaker: int = 10,
    layers: tuple[int, ...] = (12,),
    storage: str = "float16",
    voice: float = 0.0,
    compute_dtypes: tuple[str, ...] = ("float32",),
    weights: str = "0" * 64,
    most_pieces: int | None = None,
    copies: tuple[str, ...] = (),
) -> Path:
    """Shards of features, one per speaker; utterance ``s<speaker>-<n>-<class>`` has frames around its class's mean.

    In lower layers less so. ``voice`` is how far the speakers' own means lie apart; the shards take turns
    with ``compute_dtypes``. With ``most_pieces`` an utterance has from one piece to as many; with ``copies`` each is
    there in them, too, whose frames lie further and further apart from the clean ones.
    """
    random = np.random.default_rng(5)
    means = random.normal(0, 1.5, (classes, dimension))
    folder.mkdir(parents=True)
    for speaker in range(speakers):
        labels = [number % classes for number in range(per_speaker)]
        own = voice * np.random.default_rng([7, speaker]).normal(0, 1, dimension)
        clips = []  # id, copy, piece
        for number, label in enumerate(labels):
            pieces = range(1 + number % most_pieces if most_pieces else 1)
            clips += [(f"s{speaker}-{number}-{label}", copy, piece) for copy in ("clean", *copies) for piece in pieces]
        ids, copy_of, piece_of = zip(*clips, strict=True)
        utterances = []  # frames [1, T, D] of every layer, by clip
        for identifier, copy, _ in clips:
            mean = means[int(identifier[-1])] + ("clean", *copies).index(copy)
            noise = random.normal(0, 1, (1, random.integers(5, 30), dimension))
            utterances.append([(mean * layer / 12 + own + noise).astype(np.float32) for layer in layers])
        num_frames = [layers_of_one[0].shape[1] for layers_of_one in utterances]
        columns = {"piece": np.array(piece_of, "<i4")} if most_pieces else {}
        columns |= {"copy": np.array([copy.encode() for copy in copy_of])} if copies else {}
        with FeatureWriter(
            folder / f"speaker-{speaker}.h5",
            ids=ids,
            num_frames=num_frames,
            seconds=np.array(num_frames) / 50,
            recipe={
                "kind": "ssl",
                "weights": weights,
                "layers": list(layers),
                "dimension": dimension,
                "storage": storage,
                "clips": {"sample_rate": 16000, "seconds": 3.0, "crop": "start"},
                "pad": "after",
            },
            frame_rate=50.0,
            fingerprint=f"{speaker:064x}",
            provenance={
                "checkpoint": "untrained",
                "revision": None,
                "compute_dtype": compute_dtypes[speaker % len(compute_dtypes)],
                "device": "cpu",
                "versions": {"torch": "2", "transformers": "5", "python": "3"},
            },
            cautions={"untrained_encoder": "The encoder is untrained."},
            columns=columns,
        ) as features:
            for index, frames in enumerate(utterances):
                features.write([index], frames)
    return folder


def write_emodb(
    root: Path, speakers: tuple[str, ...] = ("03", "08", "09", "10", "11"), sentences=("a01", "b02")
) -> Path:
    """A miniature of EmoDB: every speaker says every sentence in every emotion."""
    for speaker in speakers:
        for sentence in sentences:
            for number, emotion in enumerate("WLEAFTN"):
                write_wav(root / "wav" / f"{speaker}{sentence}{emotion}a.wav", 0.4, frequency=120 + 40 * number)
    return root


def write_turevdb(
    root: Path, speakers: tuple[str, ...] = ("1157", "1234", "1358", "1984"), words=("acik", "cay")
) -> Path:
    """A miniature of TurEV-DB: every speaker says every word in every emotion."""
    for number, (folder, code) in enumerate({"Angry": "kz", "Calm": "sk", "Happy": "mt", "Sad": "hl"}.items()):
        for speaker in speakers:
            for word in words:
                path = root / "Sound Source" / folder / f"{speaker}_{code}_{word}.wav"
                write_wav(path, 0.4, frequency=110 + 50 * number, sample_rate=44100)
    return root


def write_ravdess(root: Path, actors: int = 6) -> Path:
    """A miniature of RAVDESS at 48 kHz."""
    for actor in range(1, actors + 1):
        for emotion in range(1, 9):
            name = f"03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            write_wav(root / f"Actor_{actor:02d}" / name, 0.4, frequency=100 + 30 * emotion, sample_rate=48000)
    return root


def write_casia(root: Path, speakers=("liuchanhg", "wangzhe", "zhaoquanyin", "zhaozuoxiang")) -> Path:
    """A miniature of CASIA: every speaker says two sentences in every emotion."""
    for speaker in speakers:
        for number, emotion in enumerate(("angry", "fear", "happy", "neutral", "sad", "surprise")):
            for sentence in (201, 202):
                write_wav(root / speaker / emotion / f"{sentence}.wav", 0.4, frequency=110 + 50 * number)
    return root


def write_cremad(root: Path, actors: int = 6) -> Path:
    """A miniature of CREMA-D, with the table of its actors."""
    for actor in range(1001, 1001 + actors):
        for number, emotion in enumerate(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")):
            for sentence, level in (("IEO", "HI"), ("DFA", "XX")):
                name = f"{actor}_{sentence}_{emotion}_{level}.wav"
                write_wav(root / "AudioWAV" / name, 0.4, frequency=110 + 50 * number)
    rows = [f"{actor},{50},{'Male' if actor % 2 else 'Female'},Caucasian" for actor in range(1001, 1001 + actors)]
    (root / "VideoDemographics.csv").write_text("\n".join(["ActorID,Age,Sex,Race", *rows]) + "\n")
    return root


def write_tess(root: Path, words: tuple[str, ...] = ("back", "bar", "base")) -> Path:
    """A miniature of TESS, with its ways to write pleasant surprise."""
    emotions = ("angry", "disgust", "Fear", "happy", "neutral", "Pleasant_surprise", "Sad")
    for speaker in ("OAF", "YAF"):
        for number, emotion in enumerate(emotions):
            folder = root / f"{speaker}_{emotion}{'d' if (speaker, number) == ('YAF', 5) else ''}"
            for word in words:
                code = "ps" if number == 5 else emotion.lower()
                write_wav(folder / f"{speaker}_{word}_{code}.wav", 0.4, frequency=110 + 50 * number, sample_rate=24414)
    return root


def write_savee(root: Path, speakers: tuple[str, ...] = ("DC", "JE", "JK", "KL")) -> Path:
    """A miniature of SAVEE: two sentences of every emotion."""
    for speaker in speakers:
        for number, emotion in enumerate(("a", "d", "f", "h", "n", "sa", "su")):
            for sentence in ("01", "02"):
                path = root / "AudioData" / speaker / f"{emotion}{sentence}.wav"
                write_wav(path, 0.4, frequency=110 + 50 * number, sample_rate=44100)
    return root


def write_modma(root: Path, subjects: int = 8, recordings: int = 3) -> Path:
    """A miniature of MODMA's audio, with the table of its subjects, whose ids have lost a zero."""
    table = []
    for number in range(subjects):
        subject = 2010001 + number
        table.append(
            {"subject id": subject, "type": ("MDD", "HC")[number % 2], "age": 30, "gender": "MF"[number // 2 % 2]}
        )
        for recording in range(1, recordings + 1):
            write_wav(root / f"{subject:08d}" / f"{recording:02d}.wav", 0.4, frequency=120 + 60 * (number % 2))
    pd.DataFrame(table).to_excel(root / "subjects_information_audio_lanzhou_2015.xlsx", index=False)
    return root


def write_msp_podcast(root: Path, speakers: int = 9, per_speaker: int = 8) -> Path:
    """A miniature of MSP-Podcast: a third of the speakers in each of its sets, and utterances by an unknown one."""
    codes, rows = "ACDFHNSU", []
    for speaker in range(speakers + 1):
        for number in range(per_speaker):
            name = f"MSP-PODCAST_{speaker:04d}_{number:04d}.wav"
            write_wav(root / "Audios" / name, 0.4, frequency=120 + 60 * (number % 8))
            known = {"SpkrID": speaker, "Gender": ("Female", "Male")[speaker % 2]} if speaker < speakers else {}
            rows.append(
                {
                    "FileName": name,
                    "EmoClass": codes[number % 8],
                    **{"EmoAct": 4.2, "EmoVal": 1 + number % 7, "EmoDom": 3.5},
                    **{"SpkrID": "Unknown", "Gender": "Unknown", **known},
                    "Split_Set": ("Train", "Development", "Test1")[speaker % 3] if known else "Test2",
                }
            )
    (root / "Labels").mkdir()
    pd.DataFrame(rows).to_csv(root / "Labels/labels_consensus.csv", index=False)
    return root


def write_emobox(folder: Path, manifest: pd.DataFrame, folds: int = 2) -> Path:
    """EmoBox's metadata for a corpus: utterances take turns with the folds in which they are tested."""
    name = folder.name
    for fold in range(folds):
        tested = np.arange(len(manifest)) % folds == fold
        (folder / f"fold_{fold + 1}").mkdir(parents=True)
        for role, rows in {"train": manifest[~tested], "test": manifest[tested]}.items():
            lines = [
                {"key": f"{name}-{row.id}", "wav": f"downloads/{name}/{row.path}", "emo": f"emotion {row.emotion}"}
                for row in rows.itertuples()
            ]
            path = folder / f"fold_{fold + 1}" / f"{name}_{role}_fold_{fold + 1}.jsonl"
            path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def write_whisper(folder: Path, seconds: int = 30, layer_norm_bias: float = 1.0, **config) -> WhisperModel:
    """A small random Whisper of two layers, decoder and all, as `save_pretrained` writes it."""
    small = {"vocab_size": 60, "max_source_positions": 50 * seconds, "d_model": 48}
    for part in ("encoder", "decoder"):
        small |= {f"{part}_layers": 2, f"{part}_attention_heads": 4, f"{part}_ffn_dim": 64}
    tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
    torch.manual_seed(4)
    model = WhisperForConditionalGeneration(WhisperConfig(**{**small, **tokens, **config})).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):  # not the identity
            module.bias.data.normal_().mul_(layer_norm_bias)
    model.save_pretrained(folder)
    WhisperFeatureExtractor(chunk_length=seconds).save_pretrained(folder)
    return model.model


def write_hubert(folder: Path, seed: int = 4) -> Path:
    """A very small random HuBERT of two layers, as `save_pretrained` writes it: fast, and with HuBERT's frame rate."""
    small = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    torch.manual_seed(seed)
    HubertModel(HubertConfig(**small, conv_dim=(32,) * 7)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def trained_run(**changes) -> dict:
    """What one run says of its training, as `evaluation.runs.read_runs` reads it."""
    run = {"fold": 0, "seed": 1, "best_epoch": 2, "epochs_run": 5, "num_epochs": 5, "learning_rate": 5e-4, "alpha": 0.0}
    return {**run, "l2": None, "validated": True, **changes}


def task_description(**changes) -> TaskDescription:
    """A task of one corpus with three classes."""
    corpus = CorpusDescription(reader="emodb", utterances=9, speakers=3)
    return TaskDescription(
        **{
            "task": "emotions",
            "corpus": "emodb",
            "corpora": {"emodb": corpus},
            "classes": {"angry": ["W"], "calm": ["N"], "sad": ["T"]},
            "split": SplitSettings(scheme="speaker"),
            **changes,
        }
    )


PRESETS = sorted(path.stem for path in (REPOSITORY / "presets").glob("*.yaml") if path.stem != "base")


def preset_text(name: str, text: str | None = None) -> str:
    """The params.yaml of a preset of this repository; ``text`` is in place of what its own file says."""

    def read(wanted: str) -> str:
        path = REPOSITORY / "presets" / f"{wanted}.yaml"
        return text if text is not None and wanted == name else path.read_text()

    return compose(name, read)


def read_preset(name: str) -> dict:
    """A preset's parameters."""
    return YAML(typ="safe").load(preset_text(name))


def tiny_params(preset: str = "demo", **training) -> dict:
    """A preset made small: two encoder layers, one epoch (or three steps), one seed, four folds, the smallest heads,
    one process.

    Whisper keeps its name, which is a local folder where `write_whisper` has made one.
    """
    params = read_preset(preset)
    for features in params["features"].values():
        if features["kind"] == "ssl":
            features["layers"] = "all" if features["layers"] == "all" else [2]
            if "whisper" not in features["checkpoint"]:
                features["checkpoint"] = TINY_ENCODER
    short = {"steps": 3, "validate_every": 2} if params["training"].get("steps") else {"epochs": 1}
    params["training"].update({**short, "seeds": [1], "batch_size": 8, **training})
    small = {"hidden_size": 4, "num_layers": 1, "classifier": [4]}
    for head in params["heads"].values():
        for length in ("epochs", "steps", "validate_every"):
            head.pop(length, None)
        head.update({name: value for name, value in small.items() if name in head})
        if isinstance(head.get("layers"), list):
            head["layers"] = [2]
    for task in params["tasks"].values():
        if task["split"]["scheme"] == "speaker" and task["split"]["folds"] is not None:
            task["split"]["folds"] = 4
    params["evaluate"]["bootstrap"] = 100
    params["runtime"]["workers"] = 1
    return params


def write_corpora(params: dict, folder: Path, demo_corpus: Path) -> None:
    """A miniature of every corpus that parameters name, in its place; the demo corpus stands in for IEMOCAP."""
    writers = {
        "casia": write_casia,
        "cremad": write_cremad,
        "emodb": write_emodb,
        "modma": write_modma,
        "msp_podcast": write_msp_podcast,
        "ravdess": write_ravdess,
        "savee": write_savee,
        "tess": write_tess,
        "turevdb": write_turevdb,
    }
    for name, corpus in params["corpora"].items():
        root = folder / "corpora" / name
        if root.exists():
            continue
        if corpus["reader"] in writers:
            writers[corpus["reader"]](root)
        else:
            root.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(demo_corpus, root)


class Project:
    """A clone of this project's rooms in a folder of its own, driven by real commands."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def create(cls, folder: Path, params: dict) -> "Project":
        """Copy the rooms and the pipeline, commit them, and put parameters in place."""
        folder.mkdir(parents=True)
        for room in ROOMS:
            shutil.copytree(REPOSITORY / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(REPOSITORY / "presets", folder / "presets")
        for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore", *PLOTS):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / name)
        project = cls(folder)
        project.write_params(params)
        project.git("init", "--quiet")
        project.commit()
        return project

    def copy(self, folder: Path) -> "Project":
        """An independent copy, caches and all."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def write_params(self, params: dict) -> None:
        with (self.folder / "params.yaml").open("w") as file:
            YAML().dump(params, file)

    def read_params(self) -> dict:
        return YAML(typ="safe").load(self.folder / "params.yaml")

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "state")

    def run(self, *command: str, ok: bool | None = True) -> str:
        """Run a command here and return what it printed; it must succeed, or fail where ``ok`` is false."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if ok not in (None, done.returncode == 0):
            raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen:
        """Start a command here, in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def repro(self, *arguments: str) -> "Repro":
        return Repro(self.run("dvc", "repro", *arguments))

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PYTHONPATH": "", "OMP_NUM_THREADS": "1", "SHELL": "/bin/sh"}

    def bytes_below(self, folder: str) -> dict[str, bytes]:
        root = self.folder / folder
        return {
            path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
        }


class Repro:
    """What one `dvc repro` did, as it printed it."""

    def __init__(self, output: str):
        self.output = output
        self.ran = re.findall(r"Running stage '([^']+)'", output)
        self.encoded = sum(int(count) for count in re.findall(r"(\d+) clips encoded", output))
