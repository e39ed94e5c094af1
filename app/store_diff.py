"""`ser store diff`: how two feature sets differ, and whether one can stand for the other."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from app.prediction_table import printable
from app.store_listing import find_features
from data.errors import UserError, listed
from features.difference import INTERCHANGEABLE, MOST_APART, Difference, compare_features
from features.store import FeatureSet


def compare_stores(root: Path, first: str, second: str) -> Difference:
    """Verify two feature sets and compare them.

    Args:
        root: the store.
        first: ``<set>/<corpus>`` of this store; or ``<set>/<corpus>@<revision>``, as it was then; or the folder of
            features of any project.
        second: the same.

    Raises:
        UserError: one of them is not there, or damaged.
    """
    with tempfile.TemporaryDirectory(dir=root.parent if root.parent.is_dir() else None, prefix=".diff-") as scratch:
        sets = [FeatureSet(_folder_of(root, name, Path(scratch))) for name in (first, second)]
        names = (first, second) if first != second else (f"{first} (first)", f"{second} (second)")
        common = sum(key in sets[1].locations for key in sets[0].locations)
        with tqdm(total=common, desc="compare", unit="clip", leave=False, disable=None) as bar:
            return compare_features(*sets, names, on_clip=bar.update)


def difference_contents(difference: Difference) -> dict:
    """What ``--json`` prints."""
    return {
        "equal": difference.are_equal,
        "interchangeable": difference.are_interchangeable,
        **{("clips_equal" if name == "equal" else name): value for name, value in asdict(difference).items()},
    }


def describe_difference(difference: Difference, first: str, second: str) -> str:
    """For people; ends with a sentence on whether one can stand for the other."""
    both = difference.equal + len(difference.differing) + len(difference.other_lengths)
    lines = [f"{both:,} clips in both; {difference.equal:,} of them equal to the bit"]
    for name, keys, layers, skipped in (
        (first, difference.only_first, difference.layers_only_first, difference.skipped_only_first),
        (second, difference.only_second, difference.layers_only_second, difference.skipped_only_second),
    ):
        if keys:
            lines.append(f"clips only in {name}: {len(keys):,}\n{_listed(keys)}")
        if layers:
            lines.append(f"layers only in {name}: {', '.join(map(str, layers))}")
        if skipped:
            lines.append(f"utterances skipped only in {name}: {len(skipped):,}\n{_listed(skipped)}")
    if difference.other_lengths:
        lengths = [f"{key}: {one:,} and {other:,} frames" for key, (one, other) in difference.other_lengths.items()]
        lines.append(f"clips of other lengths: {len(lengths):,}\n{_listed(lengths)}")
    if difference.other_seconds:
        pairs = [f"{name}: {one:g} and {other:g} s" for name, (one, other) in difference.other_seconds.items()]
        lines.append(f"utterances of other durations: {len(pairs):,}\n{_listed(pairs)}")
    if difference.layers:
        lines += [f"clips with other frames: {len(difference.differing):,}", *_table(difference)]
    if difference.recipes:
        lines.append(f"recipes differ in {difference.recipes}")
    if difference.provenances:
        lines.append(f"made with different {difference.provenances}")
    return "\n".join([*lines, _verdict(difference)])


def _table(difference: Difference) -> Iterator[str]:
    yield f"{'layer':>7}  {'lowest cosine':>13}  {'mean cosine':>11}  {'largest difference':>18}  clip of the lowest"
    for layer in difference.layers:
        largest = "" if layer.largest is None else f"{layer.largest:.3g} sd"
        yield (
            f"{layer.layer:>7}  {layer.lowest_cosine:>13.6f}  {layer.mean_cosine:>11.6f}  {largest:>18}  "
            f"{printable(layer.lowest_clip)}"
        )


def _verdict(difference: Difference) -> str:
    if difference.are_equal:
        return "They are equal: the same clips, frames, durations and recipe."
    if difference.dimensions[0] != difference.dimensions[1]:
        return (
            f"They cannot stand for each other: {difference.dimensions[0]} and {difference.dimensions[1]} dimensions."
        )
    if not difference.is_comparable:
        return "They cannot stand for each other: they have no clips or no layers in common."
    bound = f"no frame's cosine is below {INTERCHANGEABLE}, and no dimension differs by more than {MOST_APART} sd"
    worst = min(difference.layers, key=lambda layer: layer.lowest_cosine, default=None)
    if worst and worst.lowest_cosine < INTERCHANGEABLE:
        return (
            f"They cannot stand for each other: in layer {worst.layer} the cosine falls to {worst.lowest_cosine:.4f} "
            f"({printable(worst.lowest_clip)}). The same recipe on another machine stays above {INTERCHANGEABLE}."
        )
    if not difference.is_close:
        worst = max(difference.layers, key=lambda layer: layer.most_apart)
        return (
            f"They cannot stand for each other: in layer {worst.layer}, dimension {worst.dimension} differs by "
            f"{worst.most_apart:.3g} sd (root mean square; of one that is constant, by that share of its value). The "
            f"same recipe on another machine stays below {MOST_APART}."
        )
    if difference.same_clips:
        same = "the frames are the same" if not difference.layers else bound
        return f"They can stand for each other: {same}."
    return f"Where both have the same clips and layers, they can stand for each other: {bound}. Elsewhere they cannot."


def _listed(keys: list[str]) -> str:
    return listed([printable(key) for key in keys])


def _folder_of(root: Path, name: str, scratch: Path) -> Path:
    if re.fullmatch(r"\w+/\w+", name) and (root / name).is_dir():
        return root / name
    if Path(name).is_dir():
        return Path(name)
    if match := re.fullmatch(r"(\w+/\w+)@([^-].*)", name):
        return _from_revision(root / match[1], match[2], scratch)
    return find_features(root, name)


def _from_revision(folder: Path, revision: str, scratch: Path) -> Path:
    """The features of a git revision, linked from DVC's cache or fetched from its remote.

    Raises:
        UserError: there is no such revision, or nothing of it in cache and remote.
    """
    known = ["git", "rev-parse", "--quiet", "--verify", "--end-of-options", f"{revision}^{{commit}}"]
    if subprocess.run(known, capture_output=True).returncode:
        raise UserError(f"{revision}: no such revision in this git repository; `git log --oneline` lists them.")
    output = scratch / revision.replace("/", "_") / folder.parent.name / folder.name
    output.parent.mkdir(parents=True, exist_ok=True)
    get = [*(sys.executable, "-m", "dvc", "get", "--quiet", "."), str(folder), "--rev", revision, "--out", str(output)]
    done = subprocess.run(get, capture_output=True, text=True)
    if done.returncode or not output.is_dir():
        said = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), "").removeprefix("ERROR: ")
        raise UserError(
            f"{revision}: no features {folder.parent.name}/{folder.name} by DVC ({said or 'nothing found'})"
        )
    return output
