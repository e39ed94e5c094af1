"""`ser fetch`: what a compute node without a network needs, before its job starts.

Of every head: its features (of joined corpora those of all parts), splits and manifests, and its encoder's weights;
where a manifest or clips have to be made again, the corpus. Of all heads: their evaluations, which the report compares.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.dvc_lock import DVC_LOCK, LockedStage, parse_lock
from app.json_output import print_json
from app.outdated import current_dependencies, why_outdated
from app.table import table_lines
from data.errors import UserError, listed
from data.manifest import corpus_root
from features import weights
from features.settings import KindSettings
from features.store import SetName
from stages.dvc_cache import DvcCache
from stages.layout import INDEX
from stages.params import read_yaml
from stages.schema import HeadParams, Params, read_params

_COLUMNS = ("for", "what", "MB", "where")


@dataclass
class _Need:
    """Something that a head needs.

    Attributes:
        of: the heads, by name.
        what: a stage, or a checkpoint of the hub.
        size: in bytes; None if it is unknown.
        state: ``here``, ``to fetch``, that it will run and from what, or why it cannot be had.
        settings: of a checkpoint, the feature set that it is for.
    """

    of: list[str]
    what: str
    size: int | None
    state: str
    settings: KindSettings | None = None

    @property
    def is_ready(self) -> bool:
        return self.state in (_HERE, _FROM_CORPUS, _FROM_CLIPS)

    @property
    def can_be_fetched(self) -> bool:
        return self.state == _TO_FETCH


_HERE, _TO_FETCH = "here", "to fetch"
_FROM_CORPUS, _FROM_CLIPS = "runs there, from the corpus", "runs there, from its clips"


def fetch(names: Sequence[str], *, dry_run: bool, with_weights: bool, as_json: bool) -> None:
    """Fetch what heads need, and say what is ready and what is not.

    Args:
        names: the heads; all of params.yaml if there are none.
        dry_run: only list what would be fetched.
        with_weights: also the encoders' weights where nothing is known that has to be extracted.
        as_json: print the list as JSON.

    Raises:
        UserError: no such head; or something is missing in the end.
    """
    params = read_params()
    heads = list(dict.fromkeys(names)) or list(params.heads)
    for name in heads:
        params.head(name)
    needs = _needs(params, heads, with_weights)
    if not dry_run:
        stages = [need.what for need in needs if need.can_be_fetched and need.settings is None]
        if stages:
            subprocess.run([sys.executable, "-m", "dvc", "pull", *stages], stdout=sys.stderr)
        problems = {need.what: _fetch_weights(need) for need in needs if need.can_be_fetched and need.settings}
        needs = _needs(params, heads, with_weights)
        for need in needs:
            if need.can_be_fetched:
                need.state = problems.get(need.what) or "not fetched; what dvc pull said of it is above"
    _show(needs, as_json)
    if not dry_run:
        _conclude(heads, needs, as_json)


def _conclude(heads: list[str], needs: list[_Need], as_json: bool) -> None:
    missing = [f"{need.what}: {need.state}" for need in needs if not need.is_ready]
    if missing:
        unready = [name for name in heads if any(name in need.of and not need.is_ready for need in needs)]
        raise UserError(f"not ready: {', '.join(unready)}\n{listed(missing, most=30)}")
    if not as_json:
        print(f"ready: {', '.join(heads)}. Without a network: HF_HUB_OFFLINE=1 dvc repro --allow-missing")


def _show(needs: list[_Need], as_json: bool) -> None:
    if as_json:
        print_json([{"heads": one.of, "what": one.what, "bytes": one.size, "state": one.state} for one in needs])
        return
    rows = [[", ".join(one.of), one.what, _megabytes(one.size), one.state] for one in needs]
    print("\n".join(table_lines(_COLUMNS, rows, ("MB",))))


def _needs(params: Params, heads: Sequence[str], with_weights: bool) -> list[_Need]:
    """What heads need, each thing once."""
    lock = parse_lock(DVC_LOCK.read_text()) if DVC_LOCK.is_file() else {}
    cache, found = DvcCache(), {}
    for name in heads:
        for need in _needs_of(params.heads[name], params, lock, cache, with_weights):
            found.setdefault(need.what, need).of.append(name)
    for name in params.heads:
        if (stage := f"evaluate@{name}") in lock and name not in heads:
            found.setdefault(stage, _stage_need(stage, lock, cache)).of.append("the report")
    return list(found.values())


def _needs_of(
    head: HeadParams, params: Params, lock: Mapping[str, LockedStage], cache: DvcCache, with_weights: bool
) -> Iterator[_Need]:
    values = read_yaml()
    joined = values.get("joined", {})
    parts = joined.get(head.corpus, [head.corpus])
    settings, extracts = params.features[head.feature_set], False
    for part in parts:
        now = current_dependencies(part, head.feature_set, settings)
        stages = (f"manifest@{part}", f"preprocess@{part}-{head.feature_set}", SetName(head.feature_set, part).stage)
        outdated = {stage: why for stage in stages if (why := why_outdated(stage, lock, values, now))}
        extracts = extracts or bool(outdated)
        yield from _corpus_needs(part, stages, outdated, lock, cache)
    stages = ["check", "code", f"split@{head.task}"]
    if head.corpus in joined:
        stages += [f"join_manifests@{head.corpus}", f"join_features@{head.corpus}-{head.feature_set}"]
    for stage in stages:
        if not why_outdated(stage, lock, values):  # otherwise it runs there, on what is here
            yield _stage_need(stage, lock, cache)
    if (with_weights or extracts) and (checkpoint := weights.hub_checkpoint(settings)):
        need = _weights_need(settings, *checkpoint)
        if need.can_be_fetched and not with_weights:
            need.state = "not here, and there are features to extract with it: fetch without --no-weights"
        yield need


def _corpus_needs(
    corpus: str,
    stages: tuple[str, str, str],
    outdated: Mapping[str, str],
    lock: Mapping[str, LockedStage],
    cache: DvcCache,
) -> Iterator[_Need]:
    """A corpus's manifest and features. Where they are made again, what of: its recordings, or its clips.

    Args:
        corpus: its name.
        stages: those that make its manifest, clips and features.
        outdated: those of them that must run, and why.
        lock: what dvc.lock says of every stage.
        cache: this project's.
    """
    manifest, preprocess, extract = stages
    has_new_clips = manifest in outdated or preprocess in outdated
    for stage in (manifest, preprocess, extract):
        if stage in outdated:
            from_clips = stage == extract and not has_new_clips
            yield _Need([], stage, None, _FROM_CLIPS if from_clips else _from_corpus(corpus, outdated[stage]))
        elif stage != preprocess or (extract in outdated and not has_new_clips):
            yield _stage_need(stage, lock, cache)  # also the features of clips that did not change


def _from_corpus(corpus: str, why: str) -> str:
    """The state of what is made from a corpus's recordings."""
    root = corpus_root(corpus)
    return _FROM_CORPUS if root.exists() else f"{why}, and it needs {root}, which is not here"


def _stage_need(stage: str, lock: Mapping[str, LockedStage], cache: DvcCache) -> _Need:
    outputs = [output for output in lock[stage].outputs.values() if INDEX not in Path(output.path).parents]
    here = all(Path(output.path).exists() and cache.has_output(Path(output.path)) for output in outputs)
    return _Need([], stage, sum(output.size for output in outputs), _HERE if here else _TO_FETCH)


def _weights_need(settings: KindSettings, checkpoint: str, revision: str | None) -> _Need:
    what = f"{checkpoint} at {revision}" if revision else checkpoint
    if weights.are_here(checkpoint, revision):
        return _Need([], what, None, _HERE, settings)
    return _Need([], what, weights.download_size(checkpoint, revision), _TO_FETCH, settings)


def _fetch_weights(need: _Need) -> str | None:
    """Download a checkpoint; what went wrong, if anything did."""
    try:
        weights.fetch(need.settings)
    except UserError as error:
        return str(error)
    return None


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:,.1f}"
