"""`ser card`: the model card of a pack, or the one that a head would get."""

import json
import sys
from pathlib import Path

from app.pack import Asked, describe_head
from inference.card import render_card, split_card
from inference.opening import is_packed
from inference.pack_format import CARD_FILE, PackDescription
from inference.packing import is_edited, read_pack, read_text


def print_card(pack: Path | None, head: Path | None = None, as_json: bool = False) -> None:
    """Print a card: rendered on a terminal, as Markdown where the output goes elsewhere, or its data as JSON.

    Args:
        pack: a packed model; None for that of a head.
        head: its folder or name, or a pack; None for the best head.
        as_json: print the data.

    Raises:
        UserError: there is no such pack or head, or not the head's evaluation.
    """
    if pack is None and head is not None and is_packed(head):
        pack = head
    description = describe_head(Asked(head)) if pack is None else read_pack(pack)
    if as_json:
        print(json.dumps(_data(description), indent=1))
        return
    card = render_card(description) if pack is None else read_text(pack, CARD_FILE)
    if pack is not None and is_edited(pack, description):
        print(f"note: {pack}: {CARD_FILE} was edited after it was packed", file=sys.stderr)
    if sys.stdout.isatty():
        _render(card)
    else:
        print(card, end="")


def _data(description: PackDescription) -> dict:
    """Everything but the files and the settings of the features."""
    return description.model_dump(mode="json", exclude={"files", "features", "format", "format_version"})


def _render(card: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    _, body = split_card(card)
    Console().print(Markdown(body))
