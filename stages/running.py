"""What all stages share at their outer edge: the error line, the lock, the exit status."""

import errno
import fcntl
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import UserError
from data.processes import end_with_parent
from data.terminal import VisibleStream, visible
from stages import PARENT_PROCESS
from stages.layout import ARTIFACTS

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # of NFS, mounted without them


def run_stage(stage: Callable, *arguments: str) -> None:
    """Run a stage as a program: one line for an error a user can fix, and exit status 1.

    The stage ends when its parent does (a killed `dvc` would leave it behind), and no other writes at the same time.
    ``EMOCACHE_DEBUG=1`` shows tracebacks.
    """
    end_with_parent(PARENT_PROCESS)
    ARTIFACTS.mkdir(exist_ok=True)
    sys.stdout = VisibleStream(sys.stdout)  # codes, ids and texts are a corpus's own
    with readable_errors(debug=bool(os.environ.get("EMOCACHE_DEBUG"))), only_one(ARTIFACTS / ".lock"):
        stage(*arguments)


@contextmanager
def readable_errors(debug: bool = False, resumed_by: str | None = "dvc repro") -> Iterator[None]:
    """Print a `UserError` as it is and exit with status 1; so with what the system refuses, and with Ctrl-C.

    ``resumed_by`` is the command that goes on from there, if there is one.
    """
    try:
        yield
    except UserError as error:
        if debug:
            traceback.print_exc()
        sys.exit(f"error: {visible(str(error))}")
    except OSError as error:
        if debug:
            traceback.print_exc()
        then = f" Fix that, then `{resumed_by}` again." if resumed_by else ""
        sys.exit(f"error: {visible(str(error.filename or 'the system'))}: {error.strerror or error}.{then}")
    except KeyboardInterrupt:
        then = f"; run `{resumed_by}` to go on from the last finished session or fold" if resumed_by else ""
        sys.exit(f"interrupted{then}")


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold an exclusive lock while writing below artifacts/; where the file system has none, warn and go on.

    Raises:
        UserError: another process holds it, naming its process id.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise UserError(
                f"another stage is writing to {path.parent}/ (process {holder}). "
                f"Wait for it to end, or end it: kill {holder}"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            print(
                f"warning: the file system of {path.parent}/ has no locks. Make sure that only one `dvc repro` runs in "
                "this folder at a time (docs/sharing.md).",
                file=sys.stderr,
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
