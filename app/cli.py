"""The `ser` command line: what `dvc repro` is not for."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from app.json_output import print_json
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
_PIPELINE, _HEAD = "The pipeline", "A trained head at work"


def _print_version(asked: bool) -> None:
    if asked:
        print(describe_version())
        raise typer.Exit


def examples(*lines: str) -> str:
    """The end of a command's help, as typer prints it."""
    return "\n".join(["Examples:", *(f"  {escape(line)}" for line in lines)])


store = typer.Typer(help="The HDF5 store of features: list, verify, repair, discard.")
app.add_typer(store, name="store", rich_help_panel=_PIPELINE)
corpus = typer.Typer(help="Corpora: what is in one, and what may be wrong with it.", no_args_is_help=True)
app.add_typer(corpus, name="corpus", rich_help_panel=_PIPELINE)
_FEATURES = ARTIFACTS / "features"
_OF_A_PROJECT = {"check", "corpus", "grid", "preset", "reproduce", "score", "store"}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]


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
    rich_help_panel=_HEAD,
    epilog=examples(
        "ser predict speech.wav",
        "ser predict recordings --head gru --output emotions.csv",
        "ser predict interview.m4a --hop 1 --smooth 3 --format textgrid --output interview.TextGrid",
    ),
)
def predict(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="Recordings, folders, or - for names on standard input.")
    ],
    head: Annotated[
        Path | None,
        typer.Option(help="A head's name or folder, one of its runs, or a packed model; by default the best head."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="table, csv, json, jsonl, textgrid, audacity; by default a table on a terminal, else csv."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="A file; of textgrid and audacity a folder, with one file per recording.")
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(min=0.01, help="A timeline: a window every so many seconds, as long as the head's clips."),
    ] = None,
    smooth: Annotated[float, typer.Option(min=0, help="With --hop: average the windows within so many seconds.")] = 0.0,
    speech: Annotated[bool, typer.Option("--speech", help="With --hop: predict only windows with speech.")] = False,
    checkpoint: Annotated[
        str | None, typer.Option(help="The encoder's weights, if not where params.yaml says.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu or cuda.")] = "auto",
) -> None:
    """Predict recordings with a trained head; exit status 1 if one of them could not be predicted."""
    from app.predict import Timeline, run

    if hop is None and (smooth or speech):
        raise UserError(f"{'--smooth' if smooth else '--speech'} is about a timeline: add --hop, such as --hop 1")
    windowed = None if hop is None else Timeline(hop, smooth, speech)
    form = "json" if as_json else form
    ended = run(files, head=head, device=device, checkpoint=checkpoint, windowed=windowed, form=form, output=output)
    raise typer.Exit(ended)


@app.command(
    rich_help_panel=_HEAD,
    epilog=examples(
        "ser pack --head gru",
        "ser pack --head gru --runs fold-0/seed-1 --output packs/one",
        "ser pack --head gru --zip --license cc-by-nc-4.0",
    ),
)
def pack(
    head: Annotated[
        Path | None,
        typer.Option("--head", help="A head's name or folder; by default the one with the best validation UA."),
    ] = None,
    runs: Annotated[
        str,
        typer.Option("--runs", metavar="RUN,...", help="Such as fold-0/seed-1,fold-1/seed-1; all: all of them."),
    ] = "all",
    output: Annotated[Path | None, typer.Option("--output", help="A folder, or a .zip; packs/HEAD by default.")] = None,
    zipped: Annotated[bool, typer.Option("--zip", help="Write a zip.")] = False,
    license: Annotated[
        str, typer.Option("--license", metavar="ID", help="Of the weights, for the card: such as cc-by-nc-4.0.")
    ] = "other",
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", metavar="ID", help="The Hugging Face id of an encoder that is a local folder here."),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="The encoder's folder, if it is not where params.yaml says.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace a pack that is there.")] = False,
) -> None:
    """Pack a trained head for others, as a folder or zip with a model card: docs/pack.md."""
    from app.pack import Asked, pack_head

    asked = Asked(head, runs, license, encoder)
    print(pack_head(asked, output, zipped=zipped, checkpoint=checkpoint, device=device, force=force))


@app.command(rich_help_panel=_HEAD, epilog=examples("ser card packs/gru", "ser card packs/gru.zip > card.md"))
def card(
    pack: Annotated[Path | None, typer.Argument(metavar="[PACK]", help="A folder or zip that ser pack wrote.")] = None,
    head: Annotated[
        Path | None, typer.Option("--head", help="A head, to see the card that it would get; by default the best one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card's data as JSON.")] = False,
) -> None:
    """Print the model card of a pack, or the one that a head would get."""
    from app.card import print_card

    if pack is not None and head is not None:
        raise UserError("name a pack or a head, not both")
    print_card(pack, head, as_json)


@app.command(
    rich_help_panel=_HEAD,
    epilog=examples("ser live", "ser live --head gru --microphone USB", "ser live --file speech.wav --headless --fast"),
)
def live(
    head: Annotated[Path | None, typer.Option(help="The folder of a head or run, its name, or a packed model.")] = None,
    file: Annotated[Path | None, typer.Option(help="A recording to play instead of a microphone.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Open no window; print one line per hop.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="With --file --headless: do not wait for the clock.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --headless: one JSON object per line.")] = False,
    microphone: Annotated[str | None, typer.Option(help="Its number, or a part of its name.")] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="List the microphones of this machine.")] = False,
    hop: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds from one window to the next.")] = 0.5,
    window: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=60, help="Seconds to analyse; by default, and at most, what the head was trained on."
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="HISTORY.CSV", help="Write one row per window as it comes.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="The encoder's weights, if not where params.yaml says.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu or cuda.")] = "auto",
) -> None:
    """Predict while someone speaks: a window with bars and a timeline, or one line per hop."""
    from app.live import LiveOptions, describe_microphones, run_live

    if list_devices:
        print(describe_microphones(as_json))
        return
    options = LiveOptions(file, microphone, hop, window, save, as_json, fast)
    run_live(options, headless, head, device, checkpoint)


@app.command(
    rich_help_panel=_HEAD,
    epilog=examples(
        "ser export --head gru",
        "ser export --head gru --int8",
        "ser export --head gru --runs all --head-only --output exports/mean",
    ),
)
def export(
    head: Annotated[
        Path | None,
        typer.Option("--head", help="A head's name or folder, one of its runs, or a pack; by default the best head."),
    ] = None,
    runs: Annotated[
        str | None,
        typer.Option(
            "--runs", metavar="FOLD/SEED,...", help="Such as fold-0/seed-1; several answer with their mean; all."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", help="A folder; exports/HEAD by default.")] = None,
    head_only: Annotated[bool, typer.Option("--head-only", help="Leave the encoder out.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Write int8 files, too, and compare cost and accuracy of all.")
    ] = False,
    most: Annotated[int, typer.Option("--most", min=1, help="With --int8: test utterances per run, at most.")] = 200,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of onnxruntime and torch.")] = 1,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="The encoder's folder, if it is not where params.yaml says.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a trained head, and its encoder with it, as ONNX files; exit status 1 if they differ from torch."""
    from app.export import Request, export_head, show

    request = Request(head, runs, output, not head_only, int8, most, threads, checkpoint)
    show(export_head(request, lambda text: print(text, file=sys.stderr)), as_json)


@app.command(
    rich_help_panel=_HEAD,
    epilog=examples(
        "ser serve", "ser serve --head gru --port 9000", "curl --form file=@speech.wav http://127.0.0.1:8800/predict"
    ),
)
def serve(
    head: Annotated[
        list[Path] | None,
        typer.Option(
            "--head", help="A head's name or folder, or a pack; may be repeated. By default all heads that are trained."
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any free one.")] = 8800,
    token: Annotated[
        str | None,
        typer.Option("--token", help="What clients must know; else EMOCACHE_TOKEN. Made up where one is needed."),
    ] = None,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="A PEM file, for HTTPS.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Its private key, a PEM file.")] = None,
    max_megabytes: Annotated[float, typer.Option("--max-megabytes", min=0.001, help="Of one upload.")] = 25,
    max_seconds: Annotated[float, typer.Option("--max-seconds", min=0.1, help="Of one recording.")] = 600,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that one request may take.")] = 60,
    max_requests: Annotated[int, typer.Option("--max-requests", min=1, help="Answered or waiting at once.")] = 64,
    max_live: Annotated[int, typer.Option("--max-live", min=1, help="Microphones listened to at once.")] = 4,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="The encoder's folder, if it is not where params.yaml says.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Serve heads over HTTP, with a page that listens to the browser's microphone: docs/serve.md."""
    from app.serve.command import Options, run_server

    limits = {"max_megabytes": max_megabytes, "max_seconds": max_seconds, "timeout": timeout}
    limits |= {"most_requests": max_requests, "most_sessions": max_live}
    run_server(head or [], device, checkpoint, Options(host, port, token, certificate, key, **limits))


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


@store.command("ls", epilog=examples("ser store ls", "ser store ls hubert/iemocap"))
def store_ls(
    name: Annotated[str | None, typer.Argument(metavar="[SET/CORPUS]", help="Its shards, and what made them.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the feature sets of each corpus, or the shards of one."""
    from app.store_listing import describe_features, features_contents, list_store, store_contents

    if as_json:
        print_json(features_contents(_FEATURES, name) if name else store_contents(_FEATURES))
    else:
        print(describe_features(_FEATURES, name) if name else list_store(_FEATURES))


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
