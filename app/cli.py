"""The `ser` command line: what `dvc repro` is not for."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.presets import put_preset_in_place
from data.errors import UserError
from data.manifest import nearest
from stages.params import PARAMS_FILE, read_yaml
from stages.running import ARTIFACTS, only_one, readable_errors

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="emocache: extract speech features once, train light heads on them as often as you like: `dvc repro`.",
)
store = typer.Typer(no_args_is_help=True, help="The HDF5 store of features.")
app.add_typer(store, name="store")


@app.command()
def check() -> None:
    """Say whether params.yaml is valid, also where DVC itself would only say that it cannot parse it."""
    from stages.schema import read_params  # imports torch

    params = read_params()
    print(f"{PARAMS_FILE} is valid: {params.corpus.name}, heads {', '.join(params.heads)}")
    _say_where_the_corpus_goes(params.corpus.root)


@app.command()
def preset(
    name: Annotated[str, typer.Argument(help="A file in presets/, e.g. demo, iemocap, emodb or turevdb")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite edited parameters.")] = False,
) -> None:
    """Put a complete params.yaml in place."""
    put_preset_in_place(name, f"ser preset {name}", force)
    print(f"{PARAMS_FILE} is now the preset {name}. Next: dvc repro")
    _say_where_the_corpus_goes(read_yaml()["corpus"]["root"])


def _say_where_the_corpus_goes(root: str) -> None:
    if root == "corpora/demo" and not Path(root).exists():
        print(f"The corpus is not there yet: ser demo-corpus {root}")
    elif not Path(root).exists():
        print(f"The corpus is not there yet: mkdir -p {Path(root).parent}; ln -s /where/it/is {root}")


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="superb-er, or emobox- with iemocap, ravdess, emodb or turevdb")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite edited parameters.")] = False,
) -> None:
    """Run a published protocol and hold the result against the published figures; exit status 1 if they differ."""
    from app.reproducing import PROTOCOLS, check_corpus, compare, describe, run_pipeline

    if name not in PROTOCOLS:
        raise UserError(f"no protocol {name!r}{nearest(name, PROTOCOLS)} (there are {', '.join(PROTOCOLS)})")
    put_preset_in_place(name, f"ser reproduce {name}", force)
    check_corpus(PROTOCOLS[name])
    run_pipeline()
    comparisons = compare(PROTOCOLS[name])
    print(describe(name, PROTOCOLS[name], comparisons))
    if not all(comparison.within for comparison in comparisons):
        raise typer.Exit(1)


@app.command()
def demo_corpus(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    utterances: Annotated[int, typer.Option(min=40, help="About how many.")] = 280,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Synthesise an IEMOCAP-shaped corpus of speech-like sound."""
    from data.synthesis import write_demo_corpus

    count = write_demo_corpus(folder, utterances, seed)
    print(f"{folder}: {count} utterances of 10 speakers in 5 sessions")


@app.command()
def score(
    file: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS.CSV", help="id, and predicted or p_<class>: docs/scoring.md")
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="What to call them; the file's name, if not given.")
    ] = None,
) -> None:
    """Score anyone's predictions of this task's test utterances, beside the heads trained here."""
    from app.scoring import score as score_predictions  # imports matplotlib

    print(f"report: {score_predictions(file, name, ARTIFACTS)}")


_Folder = Annotated[Path, typer.Argument(help="Where the feature sets are.")]


@store.command("ls")
def store_ls(folder: _Folder = ARTIFACTS / "features") -> None:
    """List feature sets and their shards."""
    from app.store_listing import list_store

    print(list_store(folder))


@store.command("verify")
def store_verify(folder: _Folder = ARTIFACTS / "features") -> None:
    """Read every byte: sizes, SHA-256, each utterance's checksum, values that are not finite."""
    from app.store_listing import verify_store

    verify_store(folder)


@store.command("repair")
def store_repair() -> None:
    """Remove damaged shards, also from DVC's cache, so that `dvc pull` or `dvc repro` brings them back."""
    from app.store_repair import repair_store

    repair_store(ARTIFACTS)


@store.command("discard")
def store_discard(
    name: Annotated[str, typer.Argument(metavar="SET", help="A feature set, as params.yaml names it.")],
) -> None:
    """Forget a feature set here and in DVC's cache, so that the next `dvc repro` encodes it again."""
    from app.store_discard import discard_features

    with only_one(ARTIFACTS / ".lock"):
        discard_features(name)


def main() -> None:
    """Run `ser`; ``--debug`` anywhere shows tracebacks."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    with readable_errors(debug):
        if not Path("dvc.yaml").exists():
            raise UserError("run this in the project's folder, the one that holds dvc.yaml")
        app()


if __name__ == "__main__":
    main()
