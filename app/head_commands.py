"""The commands of `ser` that put a trained head to work."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.options import AsJson, Checkpoint, Device, Head, examples
from data.errors import UserError

heads = typer.Typer()
_HEAD = "A trained head at work"


@heads.command(
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
    head: Head = None,
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
    checkpoint: Checkpoint = None,
    device: Device = "auto",
) -> None:
    """Predict recordings with a trained head; exit status 1 if one of them could not be predicted."""
    from app.predict import Timeline, run

    if hop is None and (smooth or speech):
        raise UserError(f"{'--smooth' if smooth else '--speech'} is about a timeline: add --hop, such as --hop 1")
    windowed = None if hop is None else Timeline(hop, smooth, speech)
    form = "json" if as_json else form
    ended = run(files, head=head, device=device, checkpoint=checkpoint, windowed=windowed, form=form, output=output)
    raise typer.Exit(ended)


@heads.command(
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
        typer.Option("--head", help="A head's name or folder; by default the head with the best validation UA."),
    ] = None,
    runs: Annotated[
        str,
        typer.Option("--runs", metavar="RUN,...", help="Such as fold-0/seed-1,fold-1/seed-1; all: all of them."),
    ] = "all",
    output: Annotated[Path | None, typer.Option("--output", help="A folder, or a .zip; packs/HEAD by default.")] = None,
    zipped: Annotated[bool, typer.Option("--zip", help="Write a zip.")] = False,
    license: Annotated[
        str, typer.Option("--license", metavar="ID", help="The licence of the weights, for the card: cc-by-nc-4.0.")
    ] = "other",
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", metavar="ID", help="The Hugging Face id of an encoder that is a local folder here."),
    ] = None,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace a pack that is there.")] = False,
) -> None:
    """Pack a trained head for others, as a folder or zip with a model card: docs/pack.md."""
    from app.pack import Asked, pack_head

    asked = Asked(head, runs, license, encoder)
    print(pack_head(asked, output, zipped=zipped, checkpoint=checkpoint, device=device, force=force))


@heads.command(rich_help_panel=_HEAD, epilog=examples("ser card packs/gru", "ser card packs/gru.zip > card.md"))
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


@heads.command(
    rich_help_panel=_HEAD,
    epilog=examples("ser live", "ser live --head gru --microphone USB", "ser live --file speech.wav --headless --fast"),
)
def live(
    head: Head = None,
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
    checkpoint: Checkpoint = None,
    device: Device = "auto",
) -> None:
    """Predict while someone speaks: a window with bars and a timeline, or one line per hop."""
    from app.live import LiveOptions, describe_microphones, run_live

    if list_devices:
        print(describe_microphones(as_json))
        return
    options = LiveOptions(file, microphone, hop, window, save, as_json, fast)
    run_live(options, headless, head, device, checkpoint)


@heads.command(
    rich_help_panel=_HEAD,
    epilog=examples(
        "ser export --head gru",
        "ser export --head gru --int8",
        "ser export --head gru --runs all --head-only --output exports/mean",
    ),
)
def export(
    head: Head = None,
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
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads that onnxruntime and torch may use.")] = 1,
    checkpoint: Checkpoint = None,
    as_json: AsJson = False,
) -> None:
    """Write a trained head, and its encoder with it, as ONNX files; exit status 1 if they differ from torch."""
    from app.export import Request, export_head, show

    request = Request(head, runs, output, not head_only, int8, most, threads, checkpoint)
    show(export_head(request, lambda text: print(text, file=sys.stderr)), as_json)


@heads.command(
    rich_help_panel=_HEAD,
    epilog=examples(
        "ser serve", "ser serve --head gru --port 9000", "curl --form file=@speech.wav http://127.0.0.1:8800/predict"
    ),
)
def serve(
    head: Annotated[
        list[Path] | None,
        typer.Option(
            "--head", help="A head's name or folder, or a packed model; may be repeated. By default all trained heads."
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
    max_megabytes: Annotated[float, typer.Option("--max-megabytes", min=0.001, help="Largest upload.")] = 25,
    max_seconds: Annotated[float, typer.Option("--max-seconds", min=0.1, help="Longest recording.")] = 600,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that one request may take.")] = 60,
    max_requests: Annotated[
        int, typer.Option("--max-requests", min=1, help="Most requests that are answered or wait at once.")
    ] = 64,
    max_live: Annotated[int, typer.Option("--max-live", min=1, help="Most microphones at once.")] = 4,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
) -> None:
    """Serve heads over HTTP, with a page that listens to the browser's microphone: docs/serve.md."""
    from app.serve.command import Options, run_server

    limits = {"max_megabytes": max_megabytes, "max_seconds": max_seconds, "timeout": timeout}
    limits |= {"most_requests": max_requests, "most_sessions": max_live}
    run_server(head or [], device, checkpoint, Options(host, port, token, certificate, key, **limits))
