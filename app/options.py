"""What several commands of `ser` share: options, and how examples end their help."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

Head = Annotated[
    Path | None,
    typer.Option(
        "--head",
        help="A head's name or folder, one of its runs, or a packed model; by default the head with the best "
        "validation UA.",
    ),
]
Checkpoint = Annotated[
    str | None, typer.Option("--checkpoint", help="The encoder's weights, if they are not where params.yaml says.")
]
Device = Annotated[str, typer.Option("--device", help="Where to compute: auto, cpu or cuda.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]


def examples(*lines: str) -> str:
    """The end of a command's help, as typer prints it."""
    return "\n".join(["Examples:", *(f"  {escape(line)}" for line in lines)])
