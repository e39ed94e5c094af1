"""`ser store ls --remote`: which features are in a remote and what made them, without downloading any.

What should be there is read from the dvc.lock and index/ of the last commit, as a colleague gets them; what is there,
from the remote.
"""

from dataclasses import dataclass

from app.committed import CommittedFeatures, committed_features
from app.remote import Remote
from app.store_listing import layers_in_words
from app.table import table_lines
from data.errors import UserError, nearest

_COLUMNS = ("set", "corpus", "utterances", "shards", "layers", "storage", "MB", "made with", "committed")
_NUMBERS = ("utterances", "MB")
_MOST_NAMED = 10


@dataclass(frozen=True)
class _InRemote:
    """A feature set of a corpus, and which of its shards a remote holds.

    Attributes:
        features: what the last commit says of it.
        sizes: shard's file -> bytes, of those in the remote.
        has_all: whether all of its files are there, also those that are no shards.
        size: of all of its files there, in bytes.
    """

    features: CommittedFeatures
    sizes: dict[str, int]
    has_all: bool
    size: int

    @property
    def missing(self) -> list[str]:
        return [shard for shard in self.features.shards if shard not in self.sizes]

    @property
    def is_complete(self) -> bool:
        """Whether all files are there, as large as dvc.lock says of them together: none is cut short."""
        return self.has_all and self.size == self.features.size


def list_remote(words: list[str]) -> str:
    """A table of what is in a remote, or the shards of one feature set of a corpus.

    Args:
        words: the remote's name, ``<set>/<corpus>``, both or neither.

    Raises:
        UserError: no such remote or features; the remote cannot be read; nothing is committed.
    """
    remote, found = _look(words)
    name = _asked_features(words)
    lines = [f"{remote.described}, by the last commit:"]
    lines += _shard_lines(found[0]) if name else table_lines(_COLUMNS, [_row(one) for one in found], _NUMBERS)
    return "\n".join([*lines, *(_advice(one) for one in found if not one.is_complete)])


def remote_contents(words: list[str]) -> dict:
    """The same for a program.

    Raises:
        UserError: as `list_remote`.
    """
    remote, found = _look(words)
    return {"remote": remote.name, "url": remote.url, "features": [_contents(one) for one in found]}


def _look(words: list[str]) -> tuple[Remote, list[_InRemote]]:
    names = [word for word in words if "/" not in word]
    if len(names) > 1 or len(words) - len(names) > 1:
        raise UserError(f"expected a remote's name, SET/CORPUS, or both: {' '.join(words)}")
    features, name = committed_features(), _asked_features(words)
    if name:
        known = [one.name for one in features]
        if name not in known:
            raise UserError(
                f"the last commit has no features {name!r}{nearest(name, known)} (there are {', '.join(known)})"
            )
        features = [one for one in features if one.name == name]
    remote = Remote(names[0] if names else None)
    remote.check_reachable()
    return remote, [_find(one, remote) for one in features]


def _asked_features(words: list[str]) -> str | None:
    return next((word for word in words if "/" in word), None)


def _find(features: CommittedFeatures, remote: Remote) -> _InRemote:
    files = remote.listing(features.listing)
    if files is None:  # it is pushed last, so that what it lists is there
        return _InRemote(features, {}, has_all=False, size=0)
    sizes = remote.sizes(files.values())
    shards = {name: sizes[digest] for name, digest in files.items() if name.endswith(".h5") and digest in sizes}
    size = sum(sizes.get(digest, 0) for digest in files.values())
    return _InRemote(features, shards, has_all=all(digest in sizes for digest in files.values()), size=size)


def _row(found: _InRemote) -> list[str]:
    features = found.features
    return [
        features.feature_set,
        features.corpus,
        f"{features.utterances:,}",
        f"{len(found.sizes)} of {len(features.shards)}",
        layers_in_words(features.recipe.get("layers", [])),
        features.recipe.get("storage", ""),
        f"{sum(found.sizes.values()) / 1e6:,.1f}",
        features.made_with,
        f"{features.date} by {features.author}" if features.author else "",
    ]


def _shard_lines(found: _InRemote) -> list[str]:
    rows = []
    for shard in found.features.shards:
        fingerprint, _, compute_type = found.features.pieces.get(shard, "").partition("-")
        size = f"{found.sizes[shard] / 1e6:,.1f}" if shard in found.sizes else "missing"
        rows.append([shard.removesuffix(".h5"), size, fingerprint[:12], compute_type])
    return list(table_lines(("shard", "MB", "fingerprint", "computed in"), rows, ("MB",)))


def _advice(found: _InRemote) -> str:
    features = found.features
    who = f"whoever has them: dvc push {features.stage}"
    if not found.sizes:
        return f"{features.name}: not in this remote, or its push was cut off; {who}"
    if found.has_all:
        return (
            f"{features.name}: damaged in this remote: its files have {found.size:,} bytes instead of "
            f"{features.size:,}. Delete the damaged ones there, which dvc push does not replace; then {who}"
        )
    names = [shard.removesuffix(".h5") for shard in found.missing]
    what = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if names[_MOST_NAMED:] else "")
    return f"{features.name}: not in this remote: {what or 'small files beside the shards'}; {who}"


def _contents(found: _InRemote) -> dict:
    features = found.features
    return {
        "set": features.feature_set,
        "corpus": features.corpus,
        "stage": features.stage,
        "utterances": features.utterances,
        "num_shards": len(features.shards),
        "complete": found.is_complete,
        "missing": found.missing,
        "bytes": sum(found.sizes.values()),
        "made_with": features.made_with,
        "recipe": features.recipe,
        "committed": {"author": features.author, "date": features.date},
        "shards": [
            {"shard": shard, "bytes": found.sizes.get(shard), "fingerprint": features.pieces.get(shard)}
            for shard in features.shards
        ],
    }
