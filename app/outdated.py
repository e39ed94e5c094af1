"""Whether a corpus's stages must run again, as far as that shows without their inputs, which may be in a remote.

What shows are the parameters, the ``VERSION`` of what computes, and the small files of ``artifacts/code``, which are
made here in memory as the code stage would write them.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from app.dvc_lock import LockedStage
from features.settings import KindSettings
from stages.code import extraction_code, recordings_of, tables_of
from stages.layout import ARTIFACTS

_CODE = ARTIFACTS / "code"
_DATA_VERSION = Path("data/VERSION")


def why_outdated(
    stage: str, lock: Mapping[str, LockedStage], values: Mapping, dependencies: Mapping[str, str] | None = None
) -> str | None:
    """Why a stage must run, in words; None if nothing says so.

    Args:
        stage: its name.
        lock: what dvc.lock says of every stage.
        values: params.yaml, as DVC reads it.
        dependencies: path -> MD5 of files as they are now; of other files nothing is said.
    """
    if stage not in lock:
        return "nobody has run it yet"
    if any(_value(values, key) != value for key, value in lock[stage].params.items()):
        return "its parameters have changed since it ran"
    now = dependencies or {}
    if any(now.get(path, digest) != digest for path, digest in lock[stage].dependencies.items()):
        return "its version, or a file beside the corpus, has changed since it ran"
    return None


def current_dependencies(corpus: str, feature_set: str, settings: KindSettings) -> dict[str, str]:
    """The small files that a corpus's manifest, clips and features depend on: path -> MD5 of what they say now."""
    texts = {
        _CODE / f"manifest-{corpus}": tables_of(corpus),
        _CODE / f"preprocess-{feature_set}": recordings_of(settings.clips, feature_set),
        _CODE / f"extract-{corpus}-{feature_set}": extraction_code(settings, feature_set, corpus),
        _DATA_VERSION: _DATA_VERSION.read_text(),
    }
    return {
        path.as_posix(): hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for path, text in texts.items()
    }


def _value(values: Mapping, key: str):
    """A value of params.yaml by its keys, joined by dots; None if there is none."""
    for name in key.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return values
