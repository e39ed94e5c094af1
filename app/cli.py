"""The `ser` command line: what `dvc repro` is not for."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from app.head_commands import heads
from app.json_output import print_json
from app.options import AsJson, examples
from app.presets import check_preset, describe_presets, presets_summary, put_in_place, put_preset_in_place
from app.structure import check_structure
from app.version import describe_version
from data.errors import UserError, nearest
from data.manifest import check_corpus_folders, corpus_root
from stages.params import PARAMS_FILE, read_yaml
from stages.running import ARTIFACTS, only_one, readable_errors

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PIPELINE = "The pipeline"


def _print_version(asked: bool) -> None:
    if asked:
        print(describe_version())
        raise typer.Exit


store = typer.Typer(help="The HDF5 store of features: list, verify, repair, export, compare, discard.")
app.add_typer(store, name="store", rich_help_panel=_PIPELINE)
corpus = typer.Typer(help="Corpora: what is in one, and what may be wrong with it.", no_args_is_help=True)
app.add_typer(corpus, name="corpus", rich_help_panel=_PIPELINE)
app.add_typer(heads)
_FEATURES = ARTIFACTS / "features"
_OF_A_PROJECT = {"check", "corpus", "fetch", "grid", "preset", "reproduce", "score", "store"}


@app.callback()
def ser(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    """emocache: extract speech features once, train light heads on them as often as you like: `dvc repro`."""


@app.command(rich_help_panel=_PIPELINE, epilog=examples("ser check", "ser check --json"))
def check(as_json: AsJson = False) -> None:
    """Check params.yaml; this also explains what DVC itself only says it cannot parse."""
    values = read_yaml()
    check_structure(values)
    from data.disturbances import problems_here  # imports torch
    from stages.schema import check_params

    params = check_params(values)
    missing = check_corpus_folders(params.corpora)
    problems = [
        f"features.{name}.clips.disturb: {problem}"
        for name, features in params.features.items()
        for problem in problems_here(features.clips.disturb)
    ]
    if as_json:
        sections = {name: list(getattr(params, name)) for name in ("corpora", "tasks", "features", "heads")}
        print_json({**sections, "missing_corpora": list(missing), "not_on_this_machine": problems})
        return
    print(f"{PARAMS_FILE} is valid: corpora {', '.join(params.corpora)}; heads {', '.join(params.heads)}")
    _say_where_corpora_go(missing)
    for problem in problems:
        print(f"not on this machine: {problem}")


@app.command(rich_help_panel=_PIPELINE, epilog=examples("ser preset", "ser preset iemocap", "ser preset emodb --force"))
def preset(
    name: Annotated[str | None, typer.Argument(help="A preset; without one, all of them are listed.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite edited parameters.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit status 1 if params.yaml is not this preset.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a complete params.yaml from a preset, or list the presets."""
    if as_json and name is not None:
        raise UserError("--json is for the list of presets: ser preset --json")
    if as_json:
        print_json(presets_summary())
    elif name is None:
        print(describe_presets())
    elif check:
        check_preset(name)
    else:
        put_preset_in_place(name, f"ser preset {name}", force)
        print(f"{PARAMS_FILE} is now the preset {name}. Next: dvc repro")
        names = read_yaml().get("corpora", {})
        _say_where_corpora_go([name for name in names if not corpus_root(name).exists()])


def _say_where_corpora_go(missing: Iterable[str]) -> None:
    for name in missing:
        folder = corpus_root(name)
        if name == "demo":
            print(f"There is no {folder} yet: ser demo-corpus {folder}")
        else:
            print(f"There is no {folder} yet: mkdir -p {folder.parent}; ln -s /where/it/is {folder}")


@app.command(
    rich_help_panel=_PIPELINE,
    epilog=examples("ser grid --corpora emodb,turevdb --features whisper,mfcc --heads linear,gru"),
)
def grid(
    corpora: Annotated[str, typer.Option(metavar="A,B", help="Corpora that have a preset, such as emodb,turevdb.")],
    features: Annotated[str, typer.Option(metavar="A,B", help="Feature sets, such as whisper,mfcc.")],
    heads: Annotated[str, typer.Option(metavar="A,B", help="Heads, such as linear,weighted_layers,gru.")],
    output: Annotated[Path, typer.Option(help="The file to write.")] = PARAMS_FILE,
    force: Annotated[bool, typer.Option("--force", help="Overwrite edited parameters.")] = False,
) -> None:
    """Write a complete params.yaml with every head on every feature set of every corpus, for a leaderboard."""
    from app.grid import MANY_STAGES, make_grid

    made = make_grid(
        *([name.strip() for name in names.split(",") if name.strip()] for names in (corpora, features, heads))
    )
    command = f"ser grid --corpora {corpora} --features {features} --heads {heads}"
    put_in_place(made.text, command if output == PARAMS_FILE else f"{command} --output {output}", force, output)
    for note in made.notes:
        print(f"note: {note}")
    print(f"{output}: {len(made.heads)} heads, {made.num_stages} stages; DVC reads them in about {made.seconds}")
    if made.num_stages > MANY_STAGES:
        print(
            f"warning: with more than {MANY_STAGES} stages every `dvc` command is slow to start. Write smaller grids, "
            "e.g. one per corpus; what they share is computed once."
        )
    if output == PARAMS_FILE:
        print("Next: dvc repro")
        _say_where_corpora_go([name for name in read_yaml()["corpora"] if not corpus_root(name).exists()])


@app.command(
    rich_help_panel=_PIPELINE, epilog=examples("ser reproduce superb-er", "ser reproduce emobox-emodb --force")
)
def reproduce(
    name: Annotated[str, typer.Argument(help="superb-er, or emobox- and iemocap, ravdess, emodb or turevdb.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite edited parameters.")] = False,
) -> None:
    """Run a published protocol and compare the result with the published figures; exit status 1 if they differ."""
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


@app.command(
    rich_help_panel=_PIPELINE, epilog=examples("ser demo-corpus", "ser demo-corpus corpora/small --utterances 40")
)
def demo_corpus(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")] = Path("corpora/demo"),
    utterances: Annotated[int, typer.Option(min=40, help="Approximate number of utterances.")] = 280,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Synthesise a corpus of artificial speech, laid out like IEMOCAP."""
    from data.synthesis import write_demo_corpus

    count = write_demo_corpus(folder, utterances, seed)
    print(f"{folder}: {count} utterances of 10 speakers in 5 sessions")


@app.command(
    rich_help_panel=_PIPELINE,
    epilog=examples("ser score theirs.csv", "ser score theirs.csv --task emotions --name theirs"),
)
def score(
    file: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS.CSV", help="id, and predicted or p_<class>: docs/scoring.md")
    ],
    task: Annotated[str | None, typer.Option("--task", help="The task; needed if there are several.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Their name in the report; by default the file's.")] = None,
) -> None:
    """Score predictions made elsewhere, of a task's test utterances, and compare the heads trained here with them."""
    from app.scoring import score as score_predictions  # imports matplotlib

    print(f"report: {score_predictions(file, name, task)}")


@app.command(
    rich_help_panel=_PIPELINE,
    epilog=examples("ser fetch", "ser fetch gru --dry-run", "ser fetch linear gru --no-weights"),
)
def fetch(
    heads: Annotated[list[str] | None, typer.Argument(metavar="HEAD", help="By default all heads.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fetch nothing; list what is needed, and sizes.")] = False,
    no_weights: Annotated[
        bool, typer.Option("--no-weights", help="Leave out encoders where nothing is to be extracted.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch what heads need offline: features, splits, weights; exit status 1 if some is missing."""
    from app.fetch import fetch as fetch_needs  # imports torch

    fetch_needs(heads or [], dry_run=dry_run, with_weights=not no_weights, as_json=as_json)


@corpus.command(
    "check",
    epilog=examples(
        "ser corpus check emodb",
        "ser corpus check ours --table labels.csv",
        "ser corpus check ours --pattern '(?P<speaker>[a-z]+)_(?P<emotion>[a-z]+)_' --write",
    ),
)
def corpus_check(
    name: Annotated[str, typer.Argument(help="The corpus at corpora/NAME, in params.yaml or being drafted here.")],
    reader: Annotated[str | None, typer.Option("--reader", help="To try: a reader; table if it is left out.")] = None,
    table: Annotated[str | None, typer.Option("--table", help="To try: a table, there or in data/tables.")] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", help="With --table: emotion=label, where names are not the usual.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option("--pattern", help="To try: a regular expression over the paths, with named groups.")
    ] = None,
    files: Annotated[str | None, typer.Option("--files", help="To try: which files there are: wav/**/*.wav")] = None,
    headers: Annotated[bool, typer.Option("--headers", help="Decode no audio, read its headers only.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write presets/NAME.yaml with this corpus, for ser preset NAME.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print what is in a corpus, and what is missing, duplicated or suspicious; exit status 1 if it cannot be used."""
    from app.corpus_check import check_corpus, entry_of
    from app.corpus_draft import draft

    drafted = any(option is not None for option in (reader, table, column, pattern, files))
    entry = draft(name, reader, table, column or [], pattern, files) if drafted else entry_of(name, read_yaml())
    if not check_corpus(name, entry, drafted, headers, write, as_json):
        raise typer.Exit(1)


@store.callback(invoke_without_command=True)
def store_itself(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        store_ls()


@store.command(
    "ls",
    epilog=examples(
        "ser store ls",
        "ser store ls hubert/iemocap",
        "ser store ls --remote",
        "ser store ls --remote team hubert/iemocap",
    ),
)
def store_ls(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REMOTE] [SET/CORPUS]",
            help="The shards of SET/CORPUS, and what made them; after --remote also a remote's name.",
        ),
    ] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="What is in a DVC remote (by default the default one), and who made it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the feature sets of each corpus, here or in a remote, or the shards of one."""
    names = names or []
    if remote:
        from app.store_remote import list_remote, remote_contents

        print_json(remote_contents(names)) if as_json else print(list_remote(names))
        return
    from app.store_listing import describe_features, features_contents, list_store, store_contents

    if len(names) > 1:
        raise UserError(f"expected one SET/CORPUS: {' '.join(names)}")
    if as_json:
        print_json(features_contents(_FEATURES, *names) if names else store_contents(_FEATURES))
    else:
        print(describe_features(_FEATURES, *names) if names else list_store(_FEATURES))


@store.command("verify", epilog=examples("ser store verify"))
def store_verify() -> None:
    """Read every byte: sizes, SHA-256, the checksum of each utterance, values that are not finite."""
    from app.store_listing import verify_store

    verify_store(_FEATURES)


@store.command("repair", epilog=examples("ser store repair && dvc repro"))
def store_repair() -> None:
    """Remove damaged shards, also from DVC's cache; `dvc pull` or `dvc repro` brings them back."""
    from app.store_repair import repair_store

    repair_store(ARTIFACTS)


@store.command(
    "export",
    epilog=examples(
        "ser store export hubert/iemocap exported --format npy",
        "ser store export hubert/iemocap exported --format kaldi --layers 6,12",
    ),
)
def store_export(
    name: Annotated[str, typer.Argument(metavar="SET/CORPUS", help="Such as hubert/iemocap.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="One that does not exist yet.")],
    format_name: Annotated[
        str, typer.Option("--format", help="npy, hdf5, datasets, webdataset or kaldi: docs/interchange.md")
    ],
    layers: Annotated[str | None, typer.Option("--layers", help="Such as 12, or 0,6,12, or 0-12; else all.")] = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="float16 or float32; else as stored, and float32 if that is int8.")
    ] = None,
) -> None:
    """Write features in a format that other projects read."""
    from app.store_export import export_store

    export_store(_FEATURES, name, folder, format_name, layers, dtype)


@store.command(
    "diff",
    epilog=examples(
        "ser store diff hubert/iemocap hubert_int8/iemocap",
        "ser store diff hubert/iemocap hubert/iemocap@v1.0",
        "ser store diff hubert/iemocap /mnt/theirs/artifacts/features/hubert/iemocap --json",
    ),
)
def store_diff(
    first: Annotated[str, typer.Argument(metavar="A", help="SET/CORPUS, SET/CORPUS@REVISION, or a folder.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The same.")],
    as_json: AsJson = False,
) -> None:
    """Compare two feature sets: utterances, frames, recipes; exit status 1 if they differ."""
    from app.store_diff import compare_stores, describe_difference, difference_contents

    difference = compare_stores(_FEATURES, first, second)
    if as_json:
        print_json(difference_contents(difference))
    else:
        print(describe_difference(difference, first, second))
    if not difference.are_equal:
        raise typer.Exit(1)


@store.command("discard", epilog=examples("ser store discard hubert/iemocap"))
def store_discard(
    name: Annotated[str, typer.Argument(metavar="SET/CORPUS", help="Such as hubert/iemocap.")],
) -> None:
    """Remove the features of a corpus, also from DVC's cache; the next `dvc repro` extracts them again."""
    from app.store_discard import discard_features

    with only_one(ARTIFACTS / ".lock"):
        discard_features(name)


def main() -> None:
    """Run `ser`; ``--debug`` anywhere shows tracebacks."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    command = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    with readable_errors(debug, resumed_by="dvc repro" if command == "reproduce" else None):
        if command in _OF_A_PROJECT and "--help" not in sys.argv and not Path("dvc.yaml").exists():
            raise UserError(f"ser {command} works on a project; run it in its folder, the one that contains dvc.yaml")
        app()


if __name__ == "__main__":
    main()
