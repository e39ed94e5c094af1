"""Presets: complete, commented parameters that `ser preset` and `ser reproduce` put in place."""

import shutil
from pathlib import Path

from data.errors import UserError
from data.manifest import nearest
from stages.params import PARAMS_FILE

PRESETS = Path("presets")


def put_preset_in_place(name: str, command: str, force: bool = False) -> None:
    """Make a preset params.yaml.

    Args:
        name: of a file in presets/.
        command: what was typed, for the message.
        force: overwrite parameters that are no preset.

    Raises:
        UserError: no such preset, or params.yaml has been edited.
    """
    presets = {path.stem: path for path in sorted(PRESETS.glob("*.yaml"))}
    if name not in presets:
        raise UserError(f"no preset {name!r}{nearest(name, presets)} (there are {', '.join(presets)})")
    untouched = {path.read_bytes() for path in presets.values()}
    if PARAMS_FILE.exists() and PARAMS_FILE.read_bytes() not in untouched and not force:
        raise UserError(
            f"{PARAMS_FILE} has been edited; keep your changes (cp {PARAMS_FILE} presets/mine.yaml makes them a preset "
            f"of your own), then: {command} --force"
        )
    shutil.copyfile(presets[name], PARAMS_FILE)
