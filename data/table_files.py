"""Tables beside a corpus, in ``data/tables/<corpus>``: what they hold, for those who do not have them."""

from pathlib import Path

from data.digest import file_digest
from data.folder_listing import walk_files


def table_digests(folder: Path) -> dict[str, str]:
    """Every file of the folder, by its path within it, and its SHA-256; empty where there is no such folder."""
    return {path: file_digest(folder / path, "sha256") for path in walk_files(folder)}
