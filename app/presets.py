"""Presets: parameters that `ser preset` and `ser reproduce` put in place, complete and commented.

presets/base.yaml has every parameter, and the rules by which the short files beside it are composed with it.
"""

from contextlib import suppress
from pathlib import Path

from app.composition import compose, parse_preset
from data.digest import bytes_digest
from data.errors import UserError, nearest
from stages.params import PARAMS_FILE

PRESETS = Path("presets")
BASE = "base"
_WRITTEN = Path("artifacts/.params-written")  # the digest of params.yaml as a command here last wrote it


def preset_names() -> list[str]:
    """The presets in presets/."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml") if path.stem != BASE)


def preset_text(name: str) -> str:
    """The params.yaml of a preset.

    Args:
        name: of a file in presets/.

    Raises:
        UserError: no such preset, or it cannot be composed.
    """
    return compose(name, _read)


def presets_summary() -> list[dict]:
    """The name of each preset, and the first line of its description."""
    return [{"name": name, "description": _summary(name)} for name in preset_names()]


def describe_presets() -> str:
    """A line for each preset: its name, and the first line of its description."""
    presets = presets_summary()
    width = max((len(preset["name"]) for preset in presets), default=0) + 2
    return "\n".join(f"{preset['name']:<{width}}{preset['description']}".rstrip() for preset in presets)


def check_preset(name: str) -> None:
    """Check that params.yaml is a preset, unchanged.

    Raises:
        UserError: it is not; or no such preset.
    """
    if not PARAMS_FILE.exists() or PARAMS_FILE.read_bytes() != preset_text(name).encode():
        raise UserError(
            f"{PARAMS_FILE} is not the preset {name}. Keep it if you need it (cp {PARAMS_FILE} presets/mine.yaml), "
            f"then: ser preset {name} --force"
        )


def put_preset_in_place(name: str, command: str, force: bool = False) -> None:
    """Make a preset params.yaml.

    Args:
        name: of a file in presets/.
        command: what was typed, for the message.
        force: overwrite parameters that somebody has edited.

    Raises:
        UserError: no such preset, it cannot be composed, or params.yaml has been edited.
    """
    put_in_place(preset_text(name), command, force)


def put_in_place(text: str, command: str, force: bool = False, file: Path = PARAMS_FILE) -> None:
    """Write parameters to a file.

    Args:
        text: of the complete file.
        command: what was typed, for the message.
        force: overwrite parameters that somebody has edited.
        file: where to.

    Raises:
        UserError: params.yaml has been edited, or another file exists.
    """
    if file.exists() and not force:
        if file != PARAMS_FILE:
            raise UserError(f"{file} exists; to overwrite it: {command} --force")
        if not _is_as_written(file.read_bytes()) and not _is_any_preset(file.read_bytes()):
            raise UserError(
                f"{file} has been edited; keep your changes (cp {file} presets/mine.yaml makes them a preset "
                f"of your own), then: {command} --force"
            )
    file.write_bytes(text.encode())
    if file == PARAMS_FILE:
        _WRITTEN.parent.mkdir(exist_ok=True)
        _WRITTEN.write_text(bytes_digest(text.encode()))


def _is_as_written(content: bytes) -> bool:
    """Whether nobody has edited it since, even if its preset has been edited or it never was one (`ser grid`)."""
    return _WRITTEN.exists() and _WRITTEN.read_text() == bytes_digest(content)


def _is_any_preset(content: bytes) -> bool:
    for name in preset_names():
        with suppress(UserError):  # a preset that is not finished yet
            if preset_text(name).encode() == content:
                return True
    return False


def _read(name: str) -> str:
    try:
        return (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        names = preset_names()
        raise UserError(f"no preset {name!r}{nearest(name, names)} (there are {', '.join(names)})") from None


def _summary(name: str) -> str:
    try:
        return parse_preset(name, _read(name)).description[0]
    except UserError as error:
        return str(error)
