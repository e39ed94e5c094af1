"""`ser serve` from the command line: which heads, and whether the options make sense."""

import importlib.util
import os
import ssl
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.serve.options import Options
from app.trained import best_head, open_trained, validation_score
from data.errors import UserError
from inference import Predictor
from stages.layout import head_folder

TOKEN_VARIABLE = "EMOCACHE_TOKEN"
_PACKAGES = ("fastapi", "multipart", "uvicorn", "websockets")
_SHORTEST_TOKEN = 8


def run_server(places: Sequence[Path], device: str, checkpoint: str | None, options: Options) -> None:
    """Serve some heads, or all that are trained here, until Ctrl-C.

    Raises:
        UserError: a package is missing, an option makes no sense, or see `app.serve.running.serve`.
    """
    check_packages()
    options = replace(options, token=options.token or os.environ.get(TOKEN_VARIABLE) or None)
    check_options(options)
    if not places:
        places = trained_heads()
        print(f"The head is {places[0].name}, {_score(places[0].name)}; choose with --head.", flush=True)
    from app.serve.running import serve

    def load(place: Path) -> Predictor:
        return open_trained(place, device, checkpoint)

    serve(places, load, options)


def trained_heads() -> list[Path]:
    """The folders of all heads that are trained here and named in params.yaml, the best on validation first.

    Raises:
        UserError: there are none.
    """
    best = best_head()
    names = sorted(path.name for path in head_folder("").glob("*/") if validation_score(path.name) is not None)
    return [head_folder(name) for name in [best, *(name for name in names if name != best)]]


def check_packages() -> None:
    """Say which optional packages are missing, and how to install them.

    Raises:
        UserError: some are.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f'ser serve needs packages that are not installed ({", ".join(missing)}): pip install -e ".[serve]"'
        )


def check_options(options: Options) -> None:
    """Refuse options that contradict each other, before anything is loaded.

    Raises:
        UserError: naming the option.
    """
    if (options.certificate is None) != (options.key is None):
        raise UserError("--certificate and --key belong together: give both, or neither.")
    for name, path in {"--certificate": options.certificate, "--key": options.key}.items():
        if path is not None and not path.is_file():
            raise UserError(f"{name} {path}: no such file.")
    if options.certificate is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.certificate, options.key, lambda: "")
        except (OSError, ValueError) as error:
            raise UserError(
                f"--certificate {options.certificate}, --key {options.key}: not a certificate and its own unencrypted "
                "key, both as PEM files."
            ) from error
    if options.token is not None and (len(options.token) < _SHORTEST_TOKEN or not options.token.isascii()):
        raise UserError(f"--token: at least {_SHORTEST_TOKEN} ASCII characters, please.")


def _score(head: str) -> str:
    metric, value = validation_score(head)
    return f"the best on validation ({metric.upper()} {value:.3f})"
