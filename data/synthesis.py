"""Synthetic speech in an IEMOCAP-shaped tree: the demo corpus, so that everything runs without a licence.

Five sessions of two speakers. Sound comes from a source-filter model (Fant 1960): glottal pulses or noise through
three formants. Every speaker has a pitch, a vocal-tract length and a level of their own; every emotion moves pitch,
pitch range, rate, energy, spectral tilt and jitter the way that is known of acted speech (Scherer 2003), by an amount
that varies so much from one utterance to the next that no classifier reaches 100 %. Most annotators name the emotion
that is meant, and rate it around its own valence, activation and dominance. It says nothing about real speech.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter
from tqdm import tqdm

from data.corpora.iemocap import NAMES
from data.errors import UserError

SAMPLE_RATE = 16000

_DIALOGS = ("impro01", "impro02", "script01_1", "script02_2b")
_CODES = {"neu": 0.24, "hap": 0.12, "exc": 0.12, "sad": 0.22, "ang": 0.22, "fru": 0.05, "xxx": 0.03}
_VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (390, 1990, 2550), (570, 840, 2410), (440, 1020, 2240))  # Hz
_BANDWIDTHS = (80, 110, 160)  # Hz
_WORDS = (
    *("well", "I", "never", "said", "that", "we", "should", "leave", "the", "old", "house"),
    *("before", "it", "rains", "but", "you", "know", "how", "late", "it", "gets"),
)
_SCRIPT = (
    "You did not even call me back.",
    "I have been waiting here for an hour.",
    "That is the best news of the year.",
    "Where did you put my brother's letter?",
    "They told us nothing at all about it.",
    "We could still go home before dark.",
    "It has always been like that with you.",
)


@dataclass(frozen=True)
class _Manner:
    """How an emotion changes the voice, at full strength."""

    pitch: float = 1.0  # factor on the mean pitch
    pitch_range: float = 1.0  # factor on its excursions
    rate: float = 1.0  # factor on syllables per second
    level: float = 0.0  # dB
    tilt: float = 0.0  # change of the source's low-pass coefficient: negative is brighter
    jitter: float = 0.0  # added pitch jitter, as a fraction


_MANNERS = {
    "neu": _Manner(),
    "xxx": _Manner(pitch=1.05, level=1.0),
    "hap": _Manner(pitch=1.32, pitch_range=2.2, rate=1.08, level=2.0, tilt=-0.06),
    "exc": _Manner(pitch=1.48, pitch_range=2.8, rate=1.20, level=4.0, tilt=-0.10),
    "ang": _Manner(pitch=1.06, pitch_range=1.2, rate=1.15, level=8.0, tilt=-0.25, jitter=0.04),
    "fru": _Manner(pitch=1.08, pitch_range=1.2, level=4.0, tilt=-0.10, jitter=0.02),
    "sad": _Manner(pitch=0.90, pitch_range=0.4, rate=0.75, level=-6.0, tilt=0.12, jitter=0.01),
}


_CONFUSED = {  # what annotators hear instead, now and then
    **{"neu": ("sad", "fru", "oth"), "hap": ("exc", "neu"), "exc": ("hap", "sur"), "ang": ("fru", "dis")},
    **{"sad": ("neu", "fea"), "fru": ("ang", "neu"), "xxx": ("neu", "fru", "sad")},
}
_RATINGS = {  # of an emotion: valence, activation, dominance, from 1 to 5
    **{"neu": (3.0, 2.4, 3.0), "hap": (4.1, 3.2, 3.2), "exc": (4.3, 4.0, 3.6), "ang": (1.8, 4.1, 4.2)},
    **{"sad": (2.1, 1.9, 2.3), "fru": (2.3, 3.3, 3.5), "xxx": (2.9, 3.0, 3.1)},
}
_AGREEMENT = 0.6  # how often the third annotator names what the first two do
_SPREAD = 0.7  # of annotators' ratings


@dataclass(frozen=True)
class _Voice:
    pitch: float  # Hz
    tract: float  # factor on all formants
    level: float  # dB
    rate: float  # syllables per second


def write_demo_corpus(root: Path, utterances: int = 280, seed: int = 1) -> int:
    """Write an IEMOCAP-shaped tree of synthetic speech. The same seed gives the same bytes.

    Args:
        root: a folder that does not exist yet or is empty.
        utterances: about how many; they spread evenly over 5 sessions of 4 dialogs.
        seed: of voices, words and emotions.

    Returns:
        How many utterances were written.

    Raises:
        UserError: the folder holds something already.
    """
    if root.exists() and any(root.iterdir()):
        raise UserError(f"{root} is not empty; the demo corpus goes into a folder of its own.")
    partial = root.with_name(f".{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    random, annotators = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    per_dialog = max(2, round(utterances / (5 * len(_DIALOGS))))
    plan = [(session, name) for session in range(1, 6) for name in _DIALOGS]
    voices = {(session, sex): _draw_voice(sex, random) for session in range(1, 6) for sex in "FM"}
    for session, name in tqdm(plan, desc="demo corpus", unit="dialog"):
        pair = {sex: voices[session, sex] for sex in "FM"}
        folder = partial / f"Session{session}"
        _write_dialog(folder, f"Ses{session:02d}F_{name}", per_dialog, pair, random, annotators)
    if root.exists():
        root.rmdir()  # it is empty
    partial.rename(root)
    return per_dialog * len(plan)


def _draw_voice(sex: str, random: np.random.Generator) -> _Voice:
    pitch, tract = (205, 1.15) if sex == "F" else (115, 1.0)
    return _Voice(
        pitch=pitch * random.normal(1, 0.10),
        tract=tract * random.normal(1, 0.04),
        level=random.normal(-26, 3.0),
        rate=random.normal(4.4, 0.4),
    )


def _write_dialog(
    session: Path,
    dialog: str,
    count: int,
    voices: dict[str, _Voice],
    random: np.random.Generator,
    annotators: np.random.Generator,
):
    audio = session / "sentences/wav" / dialog
    annotations = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    transcript = []
    clock, turns = 1.0, {"F": 0, "M": 0}
    audio.mkdir(parents=True)
    for number in range(count):
        sex = "FM"[number % 2]
        identifier = f"{dialog}_{sex}{turns[sex]:03d}"
        turns[sex] += 1
        code = str(random.choice(list(_CODES), p=list(_CODES.values())))
        words = random.choice(_WORDS, size=int(random.integers(4, 9)))
        text = _SCRIPT[number % len(_SCRIPT)] if "script" in dialog else " ".join(words).capitalize() + "."
        waveform = _speak(text, voices[sex], _MANNERS[code], random)
        soundfile.write(audio / f"{identifier}.wav", waveform, SAMPLE_RATE, subtype="PCM_16")
        end = clock + len(waveform) / SAMPLE_RATE
        for _ in range(3):
            random.integers(2, 10)  # without use; the sounds that follow were drawn after it
        annotations += _annotate(f"[{clock:.4f} - {end:.4f}]\t{identifier}", code, annotators)
        transcript.append(f"{identifier} [{clock:08.4f}-{end:08.4f}]: {text}")
        clock = end + 0.3
    _write_lines(session / "dialog/EmoEvaluation" / f"{dialog}.txt", annotations)
    _write_lines(session / "dialog/transcriptions" / f"{dialog}.txt", transcript)


def _annotate(utterance: str, code: str, random: np.random.Generator) -> list[str]:
    """The lines of an utterance's annotation: three annotators name an emotion, and two of them rate it."""
    others = list(_CONFUSED[code])
    if code == "xxx":
        names = [str(name) for name in random.permutation(others)]
    else:
        names = [code, code, code if random.random() < _AGREEMENT else str(random.choice(others))]
        names = [names[position] for position in random.permutation(3)]
    ratings = np.clip(np.round(random.normal(_RATINGS[code], _SPREAD, (2, 3))), 1, 5)
    means = ", ".join(f"{value:.4f}" for value in ratings.mean(axis=0))
    lines = [f"{utterance}\t{code}\t[{means}]"]
    lines += [f"C-E{number}:\t{NAMES[name]};\t()" for number, name in enumerate(names, start=1)]
    lines += [
        f"A-E{number}:\tval {valence:.0f}; act {activation:.0f}; dom  {dominance:.0f};\t()"
        for number, (valence, activation, dominance) in enumerate(ratings, start=1)
    ]
    return [*lines, ""]


def _write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _speak(text: str, voice: _Voice, manner: _Manner, random: np.random.Generator) -> np.ndarray:
    """One utterance as int16: about one syllable per three letters."""
    strength = random.normal(0.8, 0.45)  # how much of the emotion is heard; sometimes none, sometimes its opposite

    def at_strength(factor: float) -> float:
        return factor**strength * random.normal(1, 0.05)

    rate = voice.rate * at_strength(manner.rate)
    pitch = voice.pitch * at_strength(manner.pitch)
    excursion = 0.10 * at_strength(manner.pitch_range)
    tilt = float(np.clip(0.90 + strength * manner.tilt + random.normal(0, 0.02), 0.5, 0.985))
    jitter = max(0.0, 0.008 + strength * manner.jitter)
    level = voice.level + strength * manner.level + random.normal(0, 2.5)

    count = max(3, len(text) // 3)
    voiced = [
        _syllable(pitch * (1.1 - 0.2 * index / count), excursion, rate, tilt, jitter, voice.tract, random)
        for index in range(count)
    ]
    pause = np.zeros(int(SAMPLE_RATE * abs(random.normal(0.08, 0.04))))
    waveform = np.concatenate([pause, *voiced, pause])
    waveform *= 10 ** (level / 20) / np.sqrt(np.mean(waveform**2))
    waveform += random.normal(0, 10 ** (-65 / 20), len(waveform))  # the room
    return np.clip(np.round(waveform * 32767), -32768, 32767).astype(np.int16)


def _syllable(pitch, excursion, rate, tilt, jitter, tract, random: np.random.Generator) -> np.ndarray:
    """A noisy consonant, then a vowel: pulses at the pitch through formants."""
    consonant_length = int(SAMPLE_RATE * random.uniform(0.03, 0.08))
    vowel_length = int(SAMPLE_RATE * max(0.06, random.normal(1, 0.15) / rate - consonant_length / SAMPLE_RATE))
    hiss = random.normal(0, 0.05, consonant_length) * np.hanning(consonant_length)
    consonant = lfilter([1, -0.9], [1], hiss)

    time = np.linspace(0, 1, vowel_length)
    accent = random.normal(0, 1) * excursion
    contour = pitch * (1 + accent * np.sin(np.pi * time))
    contour *= 1 + jitter * lfilter([0.1], [1, -0.9], random.normal(0, 3, vowel_length))
    phase = np.cumsum(np.maximum(contour, 40) / SAMPLE_RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    source = lfilter([1 - tilt], [1, -tilt], pulses) + random.normal(0, 0.002, vowel_length)
    formants = np.array(_VOWELS[random.integers(len(_VOWELS))]) * tract * random.normal(1, 0.03)
    for frequency, bandwidth in zip(formants, _BANDWIDTHS, strict=True):
        radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
        poles = [1, -2 * radius * np.cos(2 * np.pi * frequency / SAMPLE_RATE), radius**2]
        source = lfilter([sum(poles)], poles, source)
    vowel = source * np.hanning(vowel_length) ** 0.5
    return np.concatenate([consonant, vowel / (np.sqrt(np.mean(vowel**2)) + 1e-9) * 0.2 * random.uniform(0.6, 1.2)])
