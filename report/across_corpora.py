"""Within-corpus beside cross-corpus: every tested corpus by what was trained on, over all tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from data.cautions import Severity
from evaluation.evaluation import Evaluation
from evaluation.results import CorpusScores, Details

SAME, OTHER, JOINT = "same", "other", "joint"
COLUMNS = [
    *("panel", "item", "head", "value", "low", "high"),
    *("model", "features", "task", "tested", "trained_on", "utterances", "speakers", "classes"),
]


@dataclass(frozen=True)
class Entry:
    """One head's figure of one tested corpus.

    Attributes:
        head, task: whose.
        scores: the figure.
        column: what was trained on: the ``same`` corpus, ``other`` ones, or both (``joint``).
    """

    head: str
    task: str
    scores: CorpusScores
    column: str


@dataclass(frozen=True)
class AcrossTable:
    """Comparable figures: of one model on one feature set, over the same tested classes.

    Attributes:
        model, feature_set: of the heads.
        classes: those that are tested, sorted.
        entries: in the order of the heads.
        notes: sentences on what differs, or is left out because it does.
    """

    model: str
    feature_set: str
    classes: tuple[str, ...]
    entries: list[Entry]
    notes: list[str]

    @property
    def tested(self) -> list[str]:
        """The tested corpora: the rows."""
        return sorted({entry.scores.tested for entry in self.entries})

    @property
    def corpora(self) -> list[str]:
        """All corpora that are tested or trained on."""
        return sorted({name for entry in self.entries for name in (entry.scores.tested, *entry.scores.trained_on)})

    @property
    def columns(self) -> dict[str, str]:
        """What was trained on -> its heading."""
        if len(self.corpora) == 2:
            return {SAME: "the same corpus", OTHER: "the other corpus", JOINT: "both corpora"}
        return {SAME: "the same corpus", OTHER: "other corpora", JOINT: "the same and other corpora"}

    def cell(self, tested: str, column: str) -> list[Entry]:
        """The figures of one cell."""
        return [entry for entry in self.entries if entry.scores.tested == tested and entry.column == column]


def across_tables(evaluations: Sequence[Evaluation]) -> list[AcrossTable]:
    """A table per model, feature set and tested classes, where any figure is of more than one corpus.

    A head of a single-corpus task has its figure in the column of the same corpus, beside those that other tasks' heads
    of the same model have on that corpus. Tables with no other column are left out: they would repeat the results.
    """
    heads = [evaluation.details for evaluation in evaluations if evaluation.details.training]
    grouped: dict[tuple, list[Entry]] = {}
    for head in heads:
        for scores in head.across_corpora:
            key = head.training.model, head.training.features.set, tuple(scores.classes)
            grouped.setdefault(key, []).append(Entry(head.head, head.task, scores, _column(scores)))
    shown = {key: entries for key, entries in grouped.items() if any(entry.column != SAME for entry in entries)}
    return [AcrossTable(*key, entries, _notes(key, grouped, shown, heads)) for key, entries in shown.items()]


def across_rows(tables: Sequence[AcrossTable]) -> pd.DataFrame:
    """The tables in long form for `dvc plots`: `COLUMNS`, a row per figure."""
    rows = [
        {
            "panel": f"UA on {entry.scores.tested}: {table.model} on {table.feature_set}, {len(table.classes)} classes",
            "item": f"trained on {' + '.join(entry.scores.trained_on)}",
            "head": entry.head,
            **dict(entry.scores.ua),
            "model": table.model,
            "features": table.feature_set,
            "task": entry.task,
            "tested": entry.scores.tested,
            "trained_on": " + ".join(entry.scores.trained_on),
            "utterances": entry.scores.utterances,
            "speakers": entry.scores.speakers,
            "classes": " ".join(table.classes),
        }
        for table in tables
        for entry in table.entries
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _column(scores: CorpusScores) -> str:
    if scores.tested not in scores.trained_on:
        return OTHER
    return SAME if len(scores.trained_on) == 1 else JOINT


def _notes(
    key: tuple, grouped: dict[tuple, list[Entry]], shown: dict[tuple, list[Entry]], heads: list[Details]
) -> list[str]:
    model, feature_set, classes = key
    tested = {entry.scores.tested for entry in shown[key]}
    distinguished = {head.head: set(head.classes) for head in heads}
    notes = [
        f"{entry.head} also distinguishes {', '.join(extra)}, which no test utterance of {entry.scores.tested} has, so "
        "its task is harder."
        for entry in shown[key]
        if (extra := sorted(distinguished[entry.head] - set(classes)))
    ]
    notes += [
        f"{entry.head} trains on no utterance of {entry.scores.tested}, but its epoch is chosen on validation "
        "utterances of it: not a corpus that is entirely unseen."
        for entry in shown[key]
        if entry.column == OTHER and entry.scores.tested in entry.scores.validated_on
    ]
    notes += _different_codes(classes, [head for head in heads if head.head in {entry.head for entry in shown[key]}])
    grave = {head.head: [caution for caution in head.cautions if caution.severity == Severity.GRAVE] for head in heads}
    notes += [f"{entry.head}: {caution}" for entry in shown[key] for caution in grave[entry.head]]
    for other, entries in grouped.items():
        if other[:2] != (model, feature_set) or other == key:
            continue
        for entry in entries:
            if entry.scores.tested in tested:
                where = "is in a table of its own" if other in shown else "is not shown here"
                notes.append(
                    f"{entry.head} is tested on {entry.scores.tested} with other classes ({', '.join(other[2])}), so "
                    f"its UA is not comparable and {where}."
                )
    return list(dict.fromkeys(notes))


def _different_codes(classes: tuple[str, ...], heads: list[Details]) -> list[str]:
    """A sentence for each class that tasks make of other codes of a corpus: the same name, but not the same class."""
    notes = []
    for corpus in sorted({corpus for head in heads for corpus in head.corpora}):
        for label in classes:
            having: dict[tuple[str, ...], list[str]] = {}
            for head in heads:
                if corpus in head.corpora:
                    having.setdefault(_codes(head, label, corpus), []).append(head.head)
            if len(having) > 1:
                ways = "; ".join(f"{', '.join(codes) or 'nothing'} for {', '.join(of)}" for codes, of in having.items())
                notes.append(f"The class {label} is not the same for all heads. In {corpus} it is {ways}.")
    return notes


def _codes(head: Details, label: str, corpus: str) -> tuple[str, ...]:
    """The codes of a corpus that a head's task takes for a class."""
    codes = head.data.description.classes[label]
    if len(head.corpora) > 1:
        codes = [code.partition(":")[2] for code in codes if code.startswith(f"{corpus}:")]
    return tuple(sorted(codes))
