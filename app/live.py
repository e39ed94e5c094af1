"""`ser live` without a window: one line per hop."""

import json
import queue
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.desktop.opening import check_screen, open_window
from app.trained import describe_default, open_trained
from data.audio import UnusableAudioError
from data.errors import UserError
from inference import Predictor
from inference.live import LiveSession, State, Update, warm_up
from inference.live.microphone import MicrophoneSource, find_microphone, microphones
from inference.live.sources import FileSource, Source

_BAR = 8  # characters
_WORTH_SAYING = {State.SILENCE, State.CLIPPING, State.TOO_SLOW, State.WAITING, State.ERROR}
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class LiveOptions:
    """What `ser live` is told beside the head.

    Attributes:
        file: to play instead of a microphone.
        microphone: a number or a part of a name; None for the default one.
        hop: seconds.
        window: seconds; None for the head's.
        save: the CSV of the history; None to keep none.
        as_json: print JSON objects, one a line.
        fast: analyse a file as fast as possible, every window of it.
    """

    file: Path | None = None
    microphone: str | None = None
    hop: float = 0.5
    window: float | None = None
    save: Path | None = None
    as_json: bool = False
    fast: bool = False


def describe_microphones(as_json: bool) -> str:
    """The microphones of this machine, for people or as JSON."""
    found = microphones()
    if as_json:
        return json.dumps([vars(microphone) for microphone in found], indent=2)
    if not found:
        return "No microphone: this machine has no audio input."
    return "\n".join(
        f"{microphone.index:3}  {microphone.name} ({microphone.system}, {microphone.sample_rate:,} Hz)"
        + ("  default" if microphone.is_default else "")
        for microphone in found
    )


def run_live(options: LiveOptions, headless: bool, head: Path | None, device: str, checkpoint: str | None) -> None:
    """`ser live`: without a window here, or with one.

    Raises:
        UserError: options that exclude each other, a head or source that cannot be opened, or no screen.
    """
    if options.fast and not (headless and options.file):
        raise UserError("--fast analyses a recording without a window: give --file and --headless too.")
    if options.as_json and not headless:
        raise UserError("--json prints lines, which a window does not: give --headless too.")
    if options.file is not None and options.microphone is not None:
        raise UserError("--file and --microphone: give one of them.")
    if not headless:
        _open_window(options, head, device, checkpoint)
        return
    source = open_source(options)
    if head is None:
        print(describe_default(), file=sys.stderr)
    predictor = open_trained(head, device, checkpoint)
    for caution in predictor.cautions:
        print(f"note: {caution}", file=sys.stderr)
    print_live(predictor, source, options)


def _open_window(options: LiveOptions, head: Path | None, device: str, checkpoint: str | None) -> None:
    check_screen()

    def open_predictor(where: Path | None) -> Predictor:
        return open_trained(where, device, checkpoint if where == head else None)

    open_window(open_predictor, head, options.file, options.microphone, options.hop, options.window, options.save)


def open_source(options: LiveOptions) -> Source:
    """The file or microphone that is asked for.

    Raises:
        UserError: it cannot be used.
    """
    if options.file is not None:
        try:
            return FileSource(options.file)
        except UnusableAudioError as error:
            raise UserError(f"{options.file}: {error}") from error
    return MicrophoneSource(find_microphone(options.microphone))


def print_live(predictor: Predictor, source: Source, options: LiveOptions) -> None:
    """Print one line per hop until the sound ends, or Ctrl-C.

    Raises:
        UserError: the source was lost.
    """
    session = LiveSession(predictor, source.sample_rate, options.hop, options.window)
    if options.save is not None:
        session.save_history(options.save)
    updates = _analyse_all(session, source) if options.fast else _listen(session, source)
    describe = _json_line if options.as_json else _line
    previous = ""
    try:
        for update in updates:
            if update.is_window:
                print(describe(session, update, options.fast), flush=True)
            elif update.state is State.LOST:
                raise UserError(update.message)
            heard_nothing = update.state is State.ENDED and not len(session.rows)
            not_yet = update.state is State.WAITING and options.file is not None
            if (update.state in _WORTH_SAYING and update.message != previous and not not_yet) or heard_nothing:
                print(update.message, file=sys.stderr)
            previous = update.message
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    finally:
        source.stop()
        session.stop()
    if options.save is not None:
        print(f"{options.save}: {len(session.rows)} windows", file=sys.stderr)


def _analyse_all(session: LiveSession, source: FileSource) -> Iterator[Update]:
    try:
        for block in source.blocks():
            session.feed(block)
            yield from session.analyse_due()
    except UnusableAudioError as error:
        raise UserError(f"{source.name}: {error}") from error
    session.end()
    yield from session.analyse_due()


def _listen(session: LiveSession, source: Source) -> Iterator[Update]:
    updates: queue.Queue[Update] = queue.Queue()
    session.on_update = updates.put
    warm_up(session.predictor, session.window)
    with session:
        source.start(session)
        while True:
            yield (update := updates.get())
            if update.state in (State.ENDED, State.LOST):
                return


def _json_line(session: LiveSession, update: Update, fast: bool) -> str:
    line = session.rows.row_of(update) | {"level_db": update.level_db, "dropped": update.dropped}
    if not fast:  # it differs from one run to the next
        line["seconds_behind"] = update.seconds_behind
    rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in line.items()}
    return json.dumps(rounded, ensure_ascii=False)


def _line(session: LiveSession, update: Update, fast: bool) -> str:
    """``  3.0 s  angry  82%   angry ██████▌   sad ▍``"""
    predictor, outputs = session.predictor, None if update.answer is None else update.answer.outputs
    dropped = f"  ({update.dropped} dropped)" if update.dropped else ""
    time = f"{update.time:7.1f} s  "
    if outputs is None:
        return f"{time}{update.state}{dropped}"
    if predictor.of_ratings:
        values = "   ".join(f"{name} {value:.2f}" for name, value in zip(predictor.names, outputs, strict=True))
        return f"{time}{values}{dropped}"
    best, width = outputs.argmax(), max(map(len, predictor.names))
    bars = "  ".join(f"{name} {_bar(value)}" for name, value in zip(predictor.names, outputs, strict=True))
    return f"{time}{predictor.names[best]:{width}} {outputs[best]:4.0%}   {bars}{dropped}".rstrip()


def _bar(share: float) -> str:
    """A share from 0 to 1 as a bar of eighths of a character, padded to its full length."""
    full, rest = divmod(round(share * _BAR * 8), 8)
    return ("█" * full + _EIGHTHS[rest] * (rest > 0)).ljust(_BAR)
