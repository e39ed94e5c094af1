"""`ser corpus check`: what is in a corpus, and what about it is missing, duplicated or suspicious."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from app.corpus_draft import preset_of
from app.json_output import print_json
from app.presets import PRESETS
from data.corpora import AnyCorpusSettings
from data.corpora.paths import audio_files
from data.errors import UserError, nearest
from data.inspection import Findings, Recording, find_problems, survey
from data.manifest import Manifest, build_manifest, corpus_root
from data.processes import available_cores
from data.sentences import score_sentences
from stages.params import parse

_MOST_SPEAKERS = 12  # listed one by one
_SAMPLES = 5
_SAMPLE_COLUMNS = ("id", "speaker", "gender", "emotion", "text", "start", "end")
_OPTIONAL = ("speaker", "gender", "session", "dialog", "text", "valence", "activation", "dominance")


def check_corpus(
    name: str, entry: dict, drafted: bool, headers_only: bool, write: bool = False, as_json: bool = False
) -> bool:
    """Read a corpus and its audio, and print what was found.

    Args:
        name: the corpus, at ``corpora/<name>``.
        entry: its parameters.
        drafted: whether they are not in params.yaml yet; then a preset with them is printed, too.
        headers_only: decode no audio.
        write: write the preset to presets/<name>.yaml instead, if nothing is wrong with the corpus.
        as_json: print JSON instead, and no preset.

    Returns:
        Whether the pipeline can use it.

    Raises:
        UserError: it cannot be read at all, or the preset is there already.
    """
    preset = PRESETS / f"{name}.yaml"
    if write and preset.exists():
        raise UserError(f"{preset} exists. Rename or remove it first, or leave out --write.")
    manifest = build_manifest(name, parse(AnyCorpusSettings, entry, f"corpora.{name}"))
    rows, root = manifest.rows, corpus_root(name)
    with tqdm(total=len(rows), desc=f"audio of {name}", unit="utterance", leave=False) as bar:
        recordings = survey(root, rows, headers_only, available_cores(), bar.update)
    unlisted = sorted(set(audio_files(root)) - set(rows["path"]))
    findings = find_problems(rows, recordings, unlisted)
    if write and not findings.errors:
        preset.write_text(preset_of(name, entry, manifest), encoding="utf-8")
    absent = [column for column in _OPTIONAL if not _filled(rows[column]).any()]
    if as_json:
        print_json(_contents(name, entry, manifest, recordings, absent, findings))
        return not findings.errors
    console = Console(highlight=False)
    _print_overview(console, f"{name} (reader: {entry['reader']})", manifest, recordings)
    _print_counts(console, rows)
    _print_samples(console, rows)
    _print_list(console, "Not given", "dim", [", ".join(absent)] if absent else [])
    _print_list(console, "Assumed", "cyan", manifest.notes)
    _print_list(console, "Suspicious", "yellow", findings.suspicions)
    _print_list(console, "Errors", "red", findings.errors)
    if not findings.suspicions and not findings.errors:
        console.print("[green]Nothing suspicious.[/green]\n")
    if write and not findings.errors:
        console.print(f"[bold]{preset} written.[/bold] Next: ser preset {name}, ser check, dvc repro")
    elif drafted:
        console.print(f"[bold]A preset to start from[/bold] (--write makes it {preset}; then: ser preset {name})\n")
        console.print(preset_of(name, entry, manifest), markup=False, soft_wrap=True)
    return not findings.errors


def entry_of(name: str, values: dict) -> dict:
    """A corpus's entry in params.yaml.

    Raises:
        UserError: there is none.
    """
    corpora = values.get("corpora") or {}
    if name not in corpora:
        raise UserError(
            f"params.yaml: corpora: there is no {name!r}{nearest(name, corpora)}. To try a corpus that is not "
            f"there yet: ser corpus check {name} --table labels.csv, or --pattern '(?P<speaker>...)_(?P<emotion>...)', "
            "or --reader"
        )
    return corpora[name]


def _contents(
    name: str,
    entry: dict,
    manifest: Manifest,
    recordings: Sequence[Recording],
    absent: Sequence[str],
    findings: Findings,
) -> dict:
    """What a program wants to know of a corpus."""
    rows, seconds = manifest.rows, np.array([one.seconds for one in recordings])
    codes = rows.groupby("emotion")
    return {
        "corpus": name,
        "reader": entry["reader"],
        "usable": not findings.errors,
        "utterances": len(rows),
        "files": rows["path"].nunique(),
        "speakers": rows["speaker"][_filled(rows["speaker"])].nunique(),
        "shards": rows["shard"].nunique(),
        "seconds": {"sum": seconds.sum(), "median": np.median(seconds), "least": seconds.min(), "most": seconds.max()},
        "sample_rates": Counter(one.sample_rate for one in recordings if one.sample_rate),
        "channels": Counter(one.channels for one in recordings if one.channels),
        "emotions": {
            code: {"utterances": len(of_code), "speakers": of_code["speaker"].nunique()} for code, of_code in codes
        },
        "not_given": list(absent),
        "assumed": list(manifest.notes),
        "suspicious": list(findings.suspicions),
        "errors": list(findings.errors),
    }


def _print_overview(console: Console, title: str, manifest: Manifest, recordings: Sequence[Recording]) -> None:
    rows = manifest.rows
    seconds = np.array([one.seconds for one in recordings])
    speakers = _filled(rows["speaker"])
    facts = {
        "utterances": f"{len(rows):,} in {rows['path'].nunique():,} files",
        "speakers": f"{rows['speaker'][speakers].nunique():,}" if speakers.any() else "unknown",
        "duration": f"{_duration(seconds.sum())} in all; median {np.median(seconds):.2f} s, "
        f"{seconds.min():.2f} to {seconds.max():.2f} s",
        "sample rates": _counted(f"{one.sample_rate:,} Hz" for one in recordings if one.sample_rate),
        "widths": _counted(one.subtype for one in recordings if one.subtype),
        "channels": _counted(str(one.channels) for one in recordings if one.channels),
        "shards": f"{rows['shard'].nunique():,}",
    }
    if score := score_sentences(rows["text"], rows["emotion"], rows["speaker"]):
        facts["sentence alone"] = f"predicts the emotion with {score.ua:.0%} UA, where chance is {score.chance:.0%}"
    if manifest.folds is not None:
        facts["official folds"] = ", ".join(manifest.folds.columns[1:])
    table = Table(title=title, title_style="bold", title_justify="left", box=None, show_header=False)
    for fact, value in facts.items():
        table.add_row(f"[dim]{fact}[/dim]", escape(value))
    console.print(table, "")


def _print_counts(console: Console, rows: pd.DataFrame) -> None:
    counts = rows["emotion"].replace("", "(none)").value_counts()
    table = Table("emotion", box=None, title_justify="left", header_style="bold")
    for column in ("utterances", "share", "speakers"):
        table.add_column(column, justify="right")
    table.add_column("")
    per_code = rows.assign(emotion=rows["emotion"].replace("", "(none)")).groupby("emotion")["speaker"].nunique()
    for code, count in counts.items():
        bar = "█" * max(1, round(30 * count / counts.max()))
        table.add_row(
            escape(code), f"{count:,}", f"{count / len(rows):.1%}", str(per_code[code]), f"[blue]{bar}[/blue]"
        )
    console.print(table, "")
    speakers = rows["speaker"][_filled(rows["speaker"])].value_counts().sort_index()
    if len(speakers) > _MOST_SPEAKERS:
        text = f"{speakers.min():,} to {speakers.max():,} utterances each, median {speakers.median():,.0f}"
        console.print(f"[bold]speakers[/bold]  {len(speakers):,}: {text}")
    elif len(speakers):
        each = ", ".join(f"{escape(speaker)} {count:,}" for speaker, count in speakers.items())
        console.print(f"[bold]speakers[/bold]  {each}")
    genders = rows[_filled(rows["gender"])].groupby("gender")["speaker"].agg(["size", "nunique"])
    if len(genders):
        each = ", ".join(
            f"{escape(gender)} {row['size']:,} ({row['nunique']:,} speakers)" for gender, row in genders.iterrows()
        )
        console.print(f"[bold]genders[/bold]   {each}")
    console.print("")


def _print_samples(console: Console, rows: pd.DataFrame) -> None:
    chosen = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, _SAMPLES).round().astype(int))]
    columns = [column for column in _SAMPLE_COLUMNS if _filled(rows[column]).any()]
    table = Table(*columns, box=None, header_style="bold")
    for _, row in chosen.iterrows():
        table.add_row(*(escape("" if pd.isna(row[column]) else str(row[column])) for column in columns))
    console.print(table, "")


def _print_list(console: Console, title: str, style: str, texts: Iterable[str]) -> None:
    texts = list(texts)
    if not texts:
        return
    console.print(f"[bold {style}]{title}[/bold {style}]")
    for text in texts:
        first, _, more = text.partition("\n")
        console.print(f"[{style}]•[/{style}] {escape(first)}", soft_wrap=True)
        if more:
            console.print(f"[dim]{escape(more)}[/dim]", soft_wrap=True)
    console.print("")


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _counted(values: Iterable[str]) -> str:
    counts = Counter(values)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({count:,})" for value, count in counts.most_common(5)) or "unknown"


def _filled(column: pd.Series) -> pd.Series:
    return column.notna() & (column != "")
