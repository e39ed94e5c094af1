"""dvc.lock: which files every stage has made, of which parameters and files."""

from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from data.errors import UserError

DVC_LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class LockedOutput:
    """A file or folder that a stage has made.

    Attributes:
        path: where it is.
        md5: of the file; of a folder, of the list of its files, with ``.dir``.
        size: of all files, in bytes.
    """

    path: str
    md5: str
    size: int


@dataclass(frozen=True)
class LockedStage:
    """A stage as it last ran.

    Attributes:
        outputs: by path.
        params: key of params.yaml -> value.
        dependencies: path -> MD5.
    """

    outputs: dict[str, LockedOutput]
    params: dict
    dependencies: dict[str, str]


def parse_lock(text: str) -> dict[str, LockedStage]:
    """The stages in a dvc.lock, by name.

    Raises:
        UserError: it is none.
    """
    try:
        stages = (YAML(typ="safe").load(text) or {}).get("stages", {})
        return {name: _stage(entry) for name, entry in stages.items()}
    except (YAMLError, AttributeError, KeyError, TypeError, RecursionError):
        raise UserError(f"{DVC_LOCK}: damaged. Restore it with git: git checkout {DVC_LOCK}") from None


def _stage(entry: dict) -> LockedStage:
    outputs = [LockedOutput(one["path"], one.get("md5", ""), one.get("size", 0)) for one in entry.get("outs", [])]
    dependencies = {one["path"]: one.get("md5", "") for one in entry.get("deps", [])}
    params = entry.get("params", {}).get("params.yaml", {})
    return LockedStage({one.path: one for one in outputs}, params, dependencies)
