"""`ser reproduce`: run a published protocol, and compare the result with the published figures."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.corpora import AnyCorpusSettings
from data.errors import UserError, listed
from data.labels import TaskSettings, label_utterances
from data.manifest import build_manifest, corpus_root
from evaluation.results import read_details
from stages.layout import evaluation_folder
from stages.params import read_section, read_yaml

METRICS = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1"}

_SUPERB = "SUPERB leaderboard, task ER, HuBERT Base (Yang et al. 2021, table 2)"
_EMOBOX = "EmoBox's intra-corpus leaderboard, HuBERT base (emo-box.github.io/leaderboard1.html)"
_OWN = "our own reference: the same recipe in plain torch on the same features and folds, benchmarks/plain_emobox.py"
_IEMOCAP = {"neutral": 1708, "happy": 1636, "angry": 1103, "sad": 1084}
_EMODB = {"anger": 127, "boredom": 81, "disgust": 46, "fear": 69, "happiness": 71, "sadness": 62, "neutral": 79}
_RAVDESS = {
    "neutral": 96,
    **dict.fromkeys(("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 192),
}
_TUREVDB = {"angry": 487, "calm": 408, "happy": 357, "sad": 483}


@dataclass(frozen=True)
class Protocol:
    """A published protocol, and what its preset should reach.

    Attributes:
        head: the preset's head that follows the protocol.
        counts: class -> utterances of the complete corpus.
        figures: metric -> percent, mean over folds; metrics without a known figure are shown as well.
        tolerance: percentage points by which a result may differ.
        source: who reports the figures.
        unpublished: the encoder, if there are no published figures for it; the source is then our own reference.
    """

    head: str
    counts: Mapping[str, int]
    figures: Mapping[str, float]
    tolerance: float
    source: str
    unpublished: str | None = None


PROTOCOLS = {  # by preset
    "superb-er": Protocol("weighted_layers", _IEMOCAP, {"wa": 64.92}, 2.0, _SUPERB),
    "emobox-iemocap": Protocol("frame_mlp", _IEMOCAP, {"wa": 63.10}, 3.0, _EMOBOX),
    "emobox-ravdess": Protocol("frame_mlp", _RAVDESS, {"wa": 66.21}, 3.0, _EMOBOX),
    "emobox-emodb": Protocol(
        "frame_mlp", _EMODB, {"ua": 25.3, "wa": 34.0, "macro_f1": 20.8}, 3.0, _OWN, "Whisper tiny.en"
    ),
    "emobox-turevdb": Protocol(
        "frame_mlp", _TUREVDB, {"ua": 54.3, "wa": 56.2, "macro_f1": 53.1}, 3.0, _OWN, "Whisper tiny.en"
    ),
}


@dataclass(frozen=True)
class Comparison:
    """A metric of a result and the figure it is compared with, in percent; None if no figure is known."""

    metric: str
    figure: float | None
    ours: float
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether the difference is within the tolerance, in the digits that are printed."""
        return self.figure is None or round(abs(self.ours - self.figure), 2) <= self.tolerance


def check_corpus(protocol: Protocol) -> None:
    """Check that the corpus and the folds of params.yaml are what the protocol needs, before anything runs.

    Raises:
        UserError: the corpus or the folds are missing, or a class has more or fewer utterances than in the protocol.
    """
    name = read_yaml()["heads"][protocol.head]["task"]
    task = read_section(f"tasks.{name}", TaskSettings)
    if (file := task.split.file) and not Path(file).exists():
        raise UserError(f"there is no {file}. Copy EmoBox's data/{Path(file).name} there (data/folds/README.md).")
    manifest = build_manifest(task.corpus, read_section(f"corpora.{task.corpus}", AnyCorpusSettings)).rows
    labels = label_utterances(manifest, task, name)["label"].value_counts()
    wrong = [
        f"{label}: {labels.get(label, 0):,} instead of {count:,}"
        for label, count in protocol.counts.items()
        if labels.get(label, 0) != count
    ]
    if wrong:
        raise UserError(
            f"{corpus_root(task.corpus)} is not the corpus of the protocol, which has "
            f"{sum(protocol.counts.values()):,} utterances of these classes:\n{listed(wrong)}"
        )


def run_pipeline() -> None:
    """Run `dvc repro`.

    Raises:
        UserError: it failed; the reason is in its own output.
    """
    status = subprocess.run([sys.executable, "-m", "dvc", "repro"]).returncode
    if status:
        raise UserError(f"dvc repro ended with status {status}; the reason is above.")


def compare(protocol: Protocol) -> list[Comparison]:
    """The evaluated head's means over folds, compared with the protocol's figures."""
    metrics = read_details(evaluation_folder(protocol.head) / "details.json").metrics
    return [
        Comparison(name, protocol.figures.get(name), 100 * metrics[name].mean_folds, protocol.tolerance)
        for name in METRICS
    ]


def describe(name: str, protocol: Protocol, comparisons: list[Comparison]) -> str:
    """The table that `ser reproduce` prints."""
    column = "reference" if protocol.unpublished else "published"
    lines = [
        f"{name}: head {protocol.head}, mean over folds, in percent",
        f"{'':10}{column:>10}{'ours':>10}{'difference':>12}",
    ]
    for comparison in comparisons:
        label, ours = f"{METRICS[comparison.metric]:10}", f"{comparison.ours:10.2f}"
        if comparison.figure is None:
            lines.append(f"{label}{'-':>10}{ours}")
            continue
        verdict = f"{'' if comparison.within else 'not '}within {comparison.tolerance:g}"
        difference = comparison.ours - comparison.figure
        lines.append(f"{label}{comparison.figure:10.2f}{ours}{difference:+12.2f}   {verdict}")
    if protocol.unpublished:
        lines.append(f"There is no published figure for {protocol.unpublished} under this protocol.")
    return "\n".join([*lines, f"Source: {protocol.source}"])
