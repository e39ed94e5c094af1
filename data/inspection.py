"""What there is to know of a corpus before anything is computed: counts, what its audio is like, what is suspicious."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from data.audio import Excerpt, UnusableAudioError, read_waveform
from data.digest import bytes_digest
from data.errors import listed
from data.sentences import score_sentences

_FEW = 10  # utterances of a code
_FULL_SCALE = 0.999
_CLIPPED = 0.001  # share of the samples
_QUIET = 0.001  # -60 dB


@dataclass(frozen=True)
class Recording:
    """An utterance's audio.

    Attributes:
        seconds: of the utterance.
        sample_rate, channels, subtype: of its file, such as 16000, 1 and ``PCM_16``.
        peak: the largest sample, of 1; None where only headers were read.
        clipped: share of the samples at full scale.
        digest: of the samples.
        problem: why it cannot be used, or None.
    """

    seconds: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    subtype: str = ""
    peak: float | None = None
    clipped: float = 0.0
    digest: str = ""
    problem: str | None = None


@dataclass
class Findings:
    """What a person should look at.

    Attributes:
        errors: what stops the pipeline.
        suspicions: what does not, but may be wrong or limits what a result says.
    """

    errors: list[str] = field(default_factory=list)
    suspicions: list[str] = field(default_factory=list)


def survey(
    root: Path, rows: pd.DataFrame, headers_only: bool, workers: int, on_file: Callable[[], None]
) -> list[Recording]:
    """Read the audio of all utterances.

    Args:
        root: the corpus's folder.
        rows: of its manifest [N].
        headers_only: decode nothing.
        workers: threads.
        on_file: called after each utterance.

    Returns:
        A recording per row.
    """

    def read(row) -> Recording:
        times = (None if pd.isna(time) else time for time in (row.start, row.end))
        try:
            return _read(Excerpt(root / row.path, *times), headers_only)
        finally:
            on_file()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(read, rows.itertuples()))


def _read(excerpt: Excerpt, headers_only: bool) -> Recording:
    try:
        info = soundfile.info(excerpt.path)
    except (soundfile.SoundFileError, RuntimeError) as error:
        return Recording(problem=f"unreadable: {str(error).strip().splitlines()[0]}")
    first, last = excerpt.frames(info.frames, info.samplerate)
    header = {
        **{"seconds": (last - first) / info.samplerate, "sample_rate": info.samplerate},
        **{"channels": info.channels, "subtype": info.subtype},
    }
    if headers_only:
        return Recording(**header)
    try:
        waveform = read_waveform(excerpt, info.samplerate)
    except UnusableAudioError as error:
        return Recording(**header, problem=str(error))
    levels = np.abs(waveform)
    return Recording(
        **header,
        peak=float(levels.max()),
        clipped=float((levels >= _FULL_SCALE).mean()),
        digest=bytes_digest(waveform.tobytes()),
    )


def find_problems(rows: pd.DataFrame, recordings: list[Recording], unlisted: Iterable[str] = ()) -> Findings:
    """Everything about a corpus that is missing, duplicated or suspicious.

    Args:
        rows: of its manifest [N].
        recordings: their audio [N].
        unlisted: audio files that no utterance is in.
    """
    findings = Findings()
    unusable = [
        f"{row.path}: {one.problem}" for row, one in zip(rows.itertuples(), recordings, strict=True) if one.problem
    ]
    if unusable:
        findings.errors.append(
            f"{_files(len(unusable))} cannot be used. Fix or remove them, or set features.<set>.clips.on_error: skip:\n"
            f"{listed(unusable)}"
        )
    suspect = findings.suspicions.append
    for text in (*_speaker_suspicions(rows), *_label_suspicions(rows), *_audio_suspicions(rows, recordings)):
        suspect(text)
    unlisted = list(unlisted)
    if unlisted:
        suspect(f"{_files(len(unlisted))} in the folder but in no utterance:\n{listed(unlisted, most=5)}")
    return findings


def _speaker_suspicions(rows: pd.DataFrame) -> Iterable[str]:
    speakers = rows["speaker"][rows["speaker"] != ""]
    if speakers.empty:
        yield "No speaker is known, so no split can keep test speakers out of training (scheme: random or official)."
    elif speakers.nunique() == 1:
        yield f"There is only one speaker ({speakers.iloc[0]}): no result can be about other speakers."
    elif len(speakers) < len(rows):
        yield f"{len(rows) - len(speakers):,} of {len(rows):,} utterances name no speaker."


def _label_suspicions(rows: pd.DataFrame) -> Iterable[str]:
    counts = rows["emotion"][rows["emotion"] != ""].value_counts()
    if few := [f"{code} {count}" for code, count in counts.items() if count < _FEW]:
        yield f"Fewer than {_FEW} utterances of some codes: {', '.join(few)}."
    speakers = rows[rows["speaker"] != ""].groupby("emotion")["speaker"].nunique()
    if rows["speaker"].nunique() > 1 and (alone := sorted(speakers.index[speakers == 1])):
        yield f"Only one speaker has the codes {', '.join(alone)}, so the voice gives them away."
    score = score_sentences(rows["text"], rows["emotion"], rows["speaker"])
    if score and score.predicts:
        yield (
            f"The sentence alone predicts the code: {score.ua:.0%} UA, where chance is {score.chance:.0%}, by what "
            f"other speakers say with the same sentence ({score.share:.0%} of the utterances). A model may read the "
            "words."
        )


def _audio_suspicions(rows: pd.DataFrame, recordings: list[Recording]) -> Iterable[str]:
    usable = [(row, one) for row, one in zip(rows.itertuples(), recordings, strict=True) if not one.problem]
    clipped = [f"{row.id}: {one.clipped:.1%} of the samples" for row, one in usable if one.clipped > _CLIPPED]
    if clipped:
        yield f"{_files(len(clipped))} clipped (samples at full scale):\n{listed(clipped, most=5)}"
    quiet = [f"{row.id}: peak {one.peak:.5f}" for row, one in usable if one.peak is not None and one.peak < _QUIET]
    if quiet:
        yield f"{_files(len(quiet))} nearly silent:\n{listed(quiet, most=5)}"
    by_digest: dict[str, list] = {}
    for row, one in usable:
        if one.digest:
            by_digest.setdefault(one.digest, []).append(row)
    same = [group for group in by_digest.values() if len(group) > 1]
    if same:
        named = [" = ".join(f"{row.id} ({row.emotion})" for row in group) for group in same]
        contradicted = sum(len({row.emotion for row in group}) > 1 for group in same)
        and_codes = f", {contradicted} of them with different codes" if contradicted else ""
        yield f"Identical audio {len(same)} times{and_codes}:\n{listed(named, most=5)}"
    rates = Counter(one.sample_rate for _, one in usable)
    if len(rates) > 1:
        by_rate = ", ".join(f"{rate} Hz {count:,}" for rate, count in rates.most_common())
        yield f"Several sample rates ({by_rate}). If they go with the emotions, a model may hear the rate."


def _files(count: int) -> str:
    return "1 audio file" if count == 1 else f"{count:,} audio files"
