"""Many shards compared with their SHA-256: in threads, and the largest stores not all of them at each start.

A bit that flips on a disk changes neither size nor date, so only reading finds it. What was read before and has the
same size, date and inode is read again, too, as far as a budget of bytes goes, those first that were read longest ago:
small stores as a whole at each start, large ones in turn.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from data.processes import available_cores
from data.shards import check_seal, content_digest

READ_AGAIN = 20_000_000_000  # bytes; half a minute to some minutes
_SECONDS_WITHOUT_BAR = 3

_Known = dict[str, list]  # path -> SHA-256, inode, size, date; those read last come last


def verify_seals(paths: Sequence[Path], known: Path | None = None, read_again: int = READ_AGAIN) -> int:
    """Check the size of every file, and the content of those that were not read before or longest ago.

    Args:
        paths: shards.
        known: a JSON file that keeps which files were read; without it, all are.
        read_again: how many bytes to read of files that are as they were when they were read.

    Returns:
        How many files were read.

    Raises:
        UserError: the first of the shards that is missing or damaged.
    """
    for path in paths:
        check_seal(path, read_content=False)
    identities = {str(path.absolute()): _identity(path) for path in paths}
    remembered = _read(known) if known else {}
    unchanged = [name for name in remembered if identities.get(name) == remembered[name]]
    spared, size = set(unchanged), 0
    for name in unchanged:  # the one that was read longest ago comes first
        if size >= read_again:
            break
        spared.remove(name)
        size += identities[name][2]
    wanted = [path for path in paths if str(path.absolute()) not in spared]
    _check_contents(wanted)
    if known:
        folders = {str(path.absolute().parent) for path in paths}
        kept = {n: what for n, what in remembered.items() if n in spared or str(Path(n).parent) not in folders}
        _write(known, kept | {str(path.absolute()): identities[str(path.absolute())] for path in wanted})
    return len(wanted)


def _check_contents(paths: Sequence[Path]) -> None:
    total = sum(path.stat().st_size for path in paths)
    bar = tqdm(total=total, desc="verify", unit="B", unit_scale=True, delay=_SECONDS_WITHOUT_BAR)
    with bar, ThreadPoolExecutor(available_cores()) as pool:
        try:
            for path, _ in zip(paths, pool.map(check_seal, paths), strict=True):
                bar.update(path.stat().st_size)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _identity(path: Path) -> list:
    status = path.stat()
    return [content_digest(path), status.st_ino, status.st_size, status.st_mtime_ns]


def _read(known: Path) -> _Known:
    """What was read before, as far as this can be told: a file that makes no sense counts as none."""
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(known.read_text())
        if isinstance(content, dict):
            return content
    return {}


def _write(known: Path, content: _Known) -> None:
    partial = known.with_name(f"{known.name}.partial")
    partial.write_text(json.dumps(content))
    partial.replace(known)
