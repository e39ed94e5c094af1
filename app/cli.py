"""The `ser` command line: what `dvc repro` is not for."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from app.presets import check_preset, describe_presets, put_in_place, put_preset_in_place
from app.structure import check_structure
from data.errors import UserError, nearest
from data.manifest import check_corpus_folders, corpus_root
from stages.params import PARAMS_FILE, read_yaml
from stages.running import ARTIFACTS, only_one, readable_errors

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="emocache: extract speech features once, train light heads on them as often as you like: `dvc repro`.",
)
store = typer.Typer(help="The HDF5 store of features: list, verify, repair, discard.")
app.add_typer(store, name="store")
corpus = typer.Typer(help="Corpora: what is in one, and what may be wrong with it.", no_args_is_help=True)
app.add_typer(corpus, name="corpus")
_FEATURES = ARTIFACTS / "features"
_WITHOUT_PROJECT = {"card", "live", "predict", "serve"}  # a packed model is enough for them


@app.command()
def check() -> None:
    """Check params.yaml; this also explains what DVC itself only says it cannot parse."""
    values = read_yaml()
    check_structure(values)
    from data.disturbances import problems_here  # imports torch
    from stages.schema import check_params

    params = check_params(values)
    print(f"{PARAMS_FILE} is valid: corpora {', '.join(params.corpora)}; heads {', '.join(params.heads)}")
    _say_where_corpora_go(check_corpus_folders(params.corpora))
    for name, features in params.features.items():
        for problem in problems_here(features.clips.disturb):
            print(f"not on this machine: features.{name}.clips.disturb: {problem}")


@app.command()
def preset(
    name: Annotated[str | None, typer.Argument(help="A preset; without one, all of them are listed.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite edited parameters.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit status 1 if params.yaml is not this preset.")
    ] = False,
) -> None:
    """Write a complete params.yaml from a preset, or list the presets."""
    if name is None:
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


@app.command()
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


@app.command()
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


@app.command()
def demo_corpus(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")] = Path("corpora/demo"),
    utterances: Annotated[int, typer.Option(min=40, help="Approximate number of utterances.")] = 280,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Synthesise a corpus of artificial speech, laid out like IEMOCAP."""
    from data.synthesis import write_demo_corpus

    count = write_demo_corpus(folder, utterances, seed)
    print(f"{folder}: {count} utterances of 10 speakers in 5 sessions")


@app.command()
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


@app.command()
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
    """Predict recordings with a trained head; exit status 1 if one of them could not be predicted.

    Examples: ser predict *.wav; ser predict recordings --head gru --output all.csv;
    ser predict interview.mp3 --hop 1 --smooth 3 --format textgrid --output interview.TextGrid
    """
    from app.predict import Timeline, run

    if hop is None and (smooth or speech):
        raise UserError(f"{'--smooth' if smooth else '--speech'} is about a timeline: add --hop, such as --hop 1")
    windowed = None if hop is None else Timeline(hop, smooth, speech)
    form = "json" if as_json else form
    ended = run(files, head=head, device=device, checkpoint=checkpoint, windowed=windowed, form=form, output=output)
    raise typer.Exit(ended)


@app.command()
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
    """Pack a trained head for others, as a folder or zip with a model card: docs/pack.md.

    Examples: `ser pack --head gru`; one run only: `ser pack --head gru --runs fold-0/seed-1 --output packs/one`;
    as a zip, with a licence: `ser pack --head gru --zip --license cc-by-nc-4.0`.
    """
    from app.pack import Asked, pack_head

    asked = Asked(head, runs, license, encoder)
    print(pack_head(asked, output, zipped=zipped, checkpoint=checkpoint, device=device, force=force))


@app.command()
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
    print_card(pack or head, as_json)


@app.command()
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
        float | None, typer.Option(min=0.1, max=60, help="Seconds to analyse; by default what the head was trained on.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="HISTORY.CSV", help="Write one row per window as it comes.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="The encoder's weights, if not where params.yaml says.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu or cuda.")] = "auto",
) -> None:
    """Predict while someone speaks: a window with bars and a timeline, or one line per hop.

    Examples: ser live; ser live --head gru --microphone USB; ser live --file speech.wav --headless --fast
    """
    from app.live import LiveOptions, describe_microphones, run_live

    if list_devices:
        print(describe_microphones(as_json))
        return
    options = LiveOptions(file, microphone, hop, window, save, as_json, fast)
    run_live(options, headless, head, device, checkpoint)


@app.command()
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
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of onnxruntime and torch.")] = 1,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="The encoder's folder, if it is not where params.yaml says.")
    ] = None,
) -> None:
    """Write a trained head, and its encoder with it, as ONNX files; exit status 1 if they differ from torch."""
    from app.export import Request, describe, export_head

    request = Request(head, runs, output, not head_only, threads, checkpoint)
    print(describe(*export_head(request, lambda text: print(text, file=sys.stderr))))


@app.command()
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
    """Serve heads over HTTP, with a page that listens to the browser's microphone: docs/serve.md.

    Examples: `ser serve`; `ser serve --head gru --port 9000`; curl --form file=@speech.wav http://127.0.0.1:8800/predict
    """
    from app.serve.command import Options, run_server

    limits = {"max_megabytes": max_megabytes, "max_seconds": max_seconds, "timeout": timeout}
    limits |= {"most_requests": max_requests, "most_sessions": max_live}
    run_server(head or [], device, checkpoint, Options(host, port, token, certificate, key, **limits))


@corpus.command("check")
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
) -> None:
    """Print what is in a corpus, and what is missing, duplicated or suspicious; exit status 1 if it cannot be used."""
    from app.corpus_check import check_corpus, entry_of
    from app.corpus_draft import draft

    drafted = any(option is not None for option in (reader, table, column, pattern, files))
    entry = draft(name, reader, table, column or [], pattern, files) if drafted else entry_of(name, read_yaml())
    if not check_corpus(name, entry, drafted, headers, write):
        raise typer.Exit(1)


@store.callback(invoke_without_command=True)
def store_itself(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        store_ls()


@store.command("ls")
def store_ls(
    name: Annotated[str | None, typer.Argument(metavar="[SET/CORPUS]", help="Its shards, and what made them.")] = None,
) -> None:
    """List the feature sets of each corpus, or the shards of one."""
    from app.store_listing import describe_features, list_store

    print(describe_features(_FEATURES, name) if name else list_store(_FEATURES))


@store.command("verify")
def store_verify() -> None:
    """Read every byte: sizes, SHA-256, the checksum of each utterance, values that are not finite."""
    from app.store_listing import verify_store

    verify_store(_FEATURES)


@store.command("repair")
def store_repair() -> None:
    """Remove damaged shards, also from DVC's cache; `dvc pull` or `dvc repro` brings them back."""
    from app.store_repair import repair_store

    repair_store(ARTIFACTS)


@store.command("discard")
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
    with readable_errors(debug):
        if not Path("dvc.yaml").exists() and not _WITHOUT_PROJECT.intersection(sys.argv[1:2]):
            raise UserError("run this in the project's folder, the one that contains dvc.yaml")
        app()


if __name__ == "__main__":
    main()
