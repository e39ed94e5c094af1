"""`ser predict`: recordings -> what a trained head says of them, as a whole or window by window."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console
from tqdm import tqdm

from app.prediction_formats import (
    CsvWriter,
    FileEachWriter,
    JsonLinesWriter,
    JsonWriter,
    Outputs,
    Predicted,
    PredictionWriter,
    Row,
    audacity,
    open_output,
    textgrid,
)
from app.prediction_inputs import find_recordings
from app.prediction_table import TableWriter, printable
from app.trained import describe_default, open_trained
from data.audio import UnusableAudioError
from data.errors import UserError, listed, nearest
from data.processes import available_cores
from inference.predictor import Clips, Predictor
from inference.recordings import open_recording
from inference.timeline import timeline, window_length, windows

FORMATS = {"table": "", "csv": ".csv", "json": ".json", "jsonl": ".jsonl", "textgrid": ".TextGrid", "audacity": ".txt"}
_FILE_EACH = {"textgrid": textgrid, "audacity": audacity}
_LONGEST_WHOLE = 3600.0  # seconds of a recording that are decoded at once
_MARGIN = 1.0  # seconds after a clip, of which resampling sees a few milliseconds
_MOST_READERS = 4


@dataclass(frozen=True)
class Timeline:
    """How recordings are cut into windows.

    Attributes:
        hop: seconds from the start of a window to that of the next.
        smooth: seconds over which predictions are averaged.
        speech: whether only windows with speech are predicted.
    """

    hop: float
    smooth: float = 0.0
    speech: bool = False


def run(given: Sequence[str], **how) -> int:
    """`predict`, as a program: its exit status."""
    try:
        return 0 if predict(given, **how) else 1
    except BrokenPipeError:  # the reader of standard output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains as it ends
        return 0
    except KeyboardInterrupt:
        print("interrupted; what is written so far is complete up to there", file=sys.stderr)
        return 130


def predict(
    given: Sequence[str],
    *,
    head: Path | None = None,
    device: str = "auto",
    checkpoint: str | None = None,
    windowed: Timeline | None = None,
    form: str | None = None,
    output: Path | None = None,
) -> bool:
    """Predict recordings, and print or write what is predicted; notes and complaints go to standard error.

    Args:
        given: files, folders, or ``-`` for names on standard input.
        head, device, checkpoint: see `open_trained`.
        windowed: None: each recording once, as the pipeline cuts it.
        form: one of `FORMATS`; None: by the output's ending, a table on a terminal, CSV elsewhere.
        output: the file to write, or the folder, for formats with a file for each recording.

    Returns:
        Whether all of them could be predicted.

    Raises:
        UserError: there is nothing to predict, or no head, or the output cannot be written.
    """
    inputs = find_recordings(given)
    unusable = list(inputs.unusable)
    if not inputs.recordings:
        raise UserError("\n".join(f"{printable(name)}: {why}" for name, why in unusable) or "no file names were given")
    form = _choose_format(form, output)
    _check_output(output, form, inputs.recordings)
    repeated = f"{inputs.repeated} given more than once: predicted once" if inputs.repeated else ""
    _note(describe_default() if head is None else "", repeated)
    predictor = open_trained(head, device, checkpoint)
    _note(*describe(predictor))
    with _writer(form, output, len(inputs.recordings) > 1, predictor) as writer:
        cut_short = []

        def refuse(path: Path, why: str) -> None:
            unusable.append((str(path), why))

        for predicted in (
            predict_windows(inputs.recordings, predictor, windowed, refuse)
            if windowed
            else predict_wholes(inputs.recordings, predictor, refuse)
        ):
            writer.write(predicted)
            covered = predicted.rows[-1].end - predicted.rows[0].start
            if not windowed and covered < predicted.seconds - 0.05:
                cut_short.append(predicted)
        writer.close(unusable)
    _note(_say_cut_short(cut_short, predictor))
    if unusable:
        count = len(inputs.recordings) + len(inputs.unusable)
        reasons = listed([f"{printable(name)}: {why}" for name, why in unusable], most=50)
        print(f"{len(unusable)} of {count} could not be predicted:\n{reasons}", file=sys.stderr)
    return not unusable


def describe(predictor: Predictor) -> list[str]:
    """Which head answers, with how many models, on which encoder, and what must be known of it; a line each."""
    count = len(predictor.runs)
    what = "ratings" if predictor.of_ratings else "probabilities"
    runs = f"the mean {what} of {count} models" if count > 1 else f"one model, {predictor.runs[0].name}"
    names = ", ".join(predictor.names)
    encoder = f"encoder {predictor.encoder.name}, {predictor.encoder.compute_type} on {predictor.encoder.device.type}"
    return [f"{predictor.name} ({names}): {runs}; {encoder}", *(f"caution: {text}" for text in predictor.cautions)]


def _choose_format(form: str | None, output: Path | None) -> str:
    """The name of a format."""
    if form is not None:
        if form not in FORMATS:
            raise UserError(f"--format {form}: no such format{nearest(form, FORMATS)} (there are {', '.join(FORMATS)})")
        return form
    if output is None:
        return "table" if sys.stdout.isatty() else "csv"
    by_ending = {ending.lower(): name for name, ending in FORMATS.items() if name not in ("table", "audacity")}
    return by_ending.get(output.suffix.lower(), "csv")


def _check_output(output: Path | None, form: str, recordings: Sequence[Path]) -> None:
    """Find what would go wrong with the output before anything is predicted."""
    if output is None:
        if form in _FILE_EACH and len(recordings) > 1:
            raise UserError(f"--format {form} writes a file for each recording: say where with --output FOLDER")
        return
    if form not in _FILE_EACH and output.is_dir():
        raise UserError(f"--output {output}: a folder; name a file, such as {output / 'predictions.csv'}")
    named_as_file = output.is_file() or (output.suffix.lower() == FORMATS[form].lower() and not output.is_dir())
    if form in _FILE_EACH and len(recordings) > 1 and named_as_file:
        raise UserError(f"--output {output}: a file, but --format {form} writes one for each recording: name a folder")
    if form not in _FILE_EACH and not output.parent.is_dir():
        raise UserError(f"--output {output}: there is no folder {output.parent}; make it first")
    if output.is_file() and any(output.samefile(path) for path in recordings if path.exists()):
        raise UserError(f"--output {output}: this is one of the recordings")


@contextmanager
def _writer(form: str, output: Path | None, several: bool, predictor: Predictor) -> Iterator[PredictionWriter]:
    """The writer of a format, to a file or to standard output."""
    outputs = Outputs(predictor.names, predictor.of_ratings)
    with ExitStack() as stack:
        in_folder = form in _FILE_EACH and output is not None and (several or output.is_dir() or not output.suffix)
        stream = None if in_folder else stack.enter_context(_stream(output, form))
        if form == "table":
            yield TableWriter(Console(file=stream, highlight=False), outputs)
        elif form == "csv":
            yield CsvWriter(stream, outputs)
        elif form == "jsonl":
            yield JsonLinesWriter(stream, outputs)
        elif form == "json":
            yield JsonWriter(stream, outputs, _about(predictor))
        else:
            yield FileEachWriter(lambda one: _FILE_EACH[form](one, outputs), FORMATS[form], stream or output)


def _stream(output: Path | None, form: str) -> AbstractContextManager[TextIO]:
    if output is not None:
        return open_output(output)
    how = {"errors": "replace"} if form == "table" else {"errors": "surrogateescape", "encoding": "utf-8"}
    sys.stdout.reconfigure(**how)  # file names may be no text
    return nullcontext(sys.stdout)


def _about(predictor: Predictor) -> dict:
    """What a JSON file says of the head."""
    return {
        "head": predictor.name,
        ("targets" if predictor.of_ratings else "classes"): predictor.names,
        "models": [run.name for run in predictor.runs],
        "encoder": predictor.encoder.name,
        "cautions": predictor.cautions,
    }


def predict_wholes(
    recordings: Sequence[Path], predictor: Predictor, refuse: Callable[[Path, str], None]
) -> Iterator[Predicted]:
    """Predict recordings as the pipeline cuts them, several at once, while the next ones are decoded.

    Args:
        recordings: any number; a few of them are in memory at a time.
        predictor: the head.
        refuse: called with a recording that cannot be predicted, and why.
    """
    with tqdm(total=len(recordings), desc="predict", unit="file", disable=None) as bar:
        group: list[tuple[Path, Clips]] = []
        seconds = 0.0
        for path, clips in _read_ahead(recordings, lambda path: _read(path, predictor)):
            if isinstance(clips, UnusableAudioError):
                refuse(path, str(clips))
                bar.update(1)
                continue
            group.append((path, clips))
            seconds += sum(len(piece) for piece in clips.pieces) / predictor.sample_rate
            if seconds >= predictor.seconds_at_once:
                yield from _predict_group(group, predictor, refuse)
                bar.update(len(group))
                group, seconds = [], 0.0
        yield from _predict_group(group, predictor, refuse)
        bar.update(len(group))


def _predict_group(
    group: list[tuple[Path, Clips]], predictor: Predictor, refuse: Callable[[Path, str], None]
) -> Iterator[Predicted]:
    try:
        answers = predictor.predict_clips([clips for _, clips in group])
    except UserError as error:
        if len(group) == 1:
            refuse(group[0][0], str(error))
            return
        for one in group:  # to find whose fault it is
            yield from _predict_group([one], predictor, refuse)
        return
    for (path, clips), answer in zip(group, answers, strict=True):
        yield Predicted(str(path), clips.seconds, [Row(clips.start, clips.end, answer.outputs)])


def _read(path: Path, predictor: Predictor) -> Clips:
    """Decode and cut a recording; of a long one of which the start is predicted, the start alone."""
    with open_recording(path) as recording:
        longest, whole = predictor.seconds, recording.seconds
        if longest is not None and predictor.settings.clips.crop == "start" and whole > longest + 10 * _MARGIN:
            clips = predictor.cut(recording.read(predictor.sample_rate, 0.0, longest + _MARGIN))
            return predictor.check(Clips(clips.pieces, clips.start, clips.end, whole))
        if whole > _LONGEST_WHOLE:
            raise UnusableAudioError(f"too long: {whole / 3600:.1f} hours; predict it window by window (--hop)")
        return predictor.check(predictor.cut(recording.read(predictor.sample_rate)))


def _read_ahead(
    recordings: Iterable[Path], read: Callable[[Path], Clips]
) -> Iterator[tuple[Path, Clips | UnusableAudioError]]:
    """Decode recordings in threads, a few ahead of the one that is wanted; errors come out where recordings do."""

    def attempt(path: Path) -> Clips | UnusableAudioError:
        try:
            return read(path)
        except UnusableAudioError as error:
            return error
        except OSError as error:
            return UnusableAudioError(f"unreadable: {error.strerror or error}")

    workers = min(_MOST_READERS, available_cores())
    pool = ThreadPoolExecutor(workers)
    waiting: deque = deque()
    try:
        for path in recordings:
            waiting.append((path, pool.submit(attempt, path)))
            if len(waiting) > 4 * workers:
                path, read_one = waiting.popleft()
                yield path, read_one.result()
        while waiting:
            path, read_one = waiting.popleft()
            yield path, read_one.result()
    finally:
        pool.shutdown(cancel_futures=True)


def predict_windows(
    recordings: Sequence[Path], predictor: Predictor, how: Timeline, refuse: Callable[[Path, str], None]
) -> Iterator[Predicted]:
    """Predict recordings window by window, one recording after the other; see `predict_wholes`."""
    for number, path in enumerate(recordings, start=1):
        try:
            with open_recording(path) as recording:
                count = len(windows(recording.seconds, window_length(predictor), how.hop))
                title = f"{number}/{len(recordings)}" if len(recordings) > 1 else "predict"
                with tqdm(total=count, desc=title, unit="window", disable=None, leave=False) as bar:
                    spans = timeline(recording, predictor, how.hop, how.smooth, how.speech, bar.update)
                    rows = [Row(span.start, span.end, span.answer and span.answer.outputs) for span in spans]
                yield Predicted(str(path), recording.seconds, rows)
        except UnusableAudioError as error:
            refuse(path, str(error))


def _say_cut_short(recordings: Sequence[Predicted], predictor: Predictor) -> str:
    """Which part of recordings was predicted, where that is not all of them."""
    if not recordings:
        return ""
    part = {"start": "the first", "centre": "the middle", "loudest": "the loudest"}
    which = part.get(predictor.settings.clips.crop, "a part of")
    first = recordings[0]
    what = (
        f"{printable(first.file)}: only {which} {predictor.seconds:g} s of {first.seconds:.1f} s are predicted"
        if len(recordings) == 1
        else f"of {len(recordings)} recordings only {which} {predictor.seconds:g} s are predicted"
    )
    return f"{what}, as in training; --hop 1 predicts all, window by window"


def _note(*lines: str) -> None:
    for line in filter(None, lines):
        print(line, file=sys.stderr)
