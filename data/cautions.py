"""What a reader of a result has to know: one type for everything that stages and the report warn of.

Whoever shows cautions decides by their kind, never by their words.
"""

from enum import StrEnum

from data.settings import Settings


class Kind(StrEnum):
    """What a caution is about."""

    # of the split
    SPEAKER_LEAKAGE = "speaker_leakage"
    KNOWN_VALIDATION_SPEAKERS = "known_validation_speakers"
    UNUSED_UTTERANCES = "unused_utterances"
    SPEAKERS_LEFT_OUT = "speakers_left_out"
    SHARED_DIALOGUES = "shared_dialogues"
    SHARED_SENTENCES = "shared_sentences"
    SENTENCES_PREDICT_CLASS = "sentences_predict_class"
    UNKNOWN_SPEAKERS = "unknown_speakers"
    NO_TRANSCRIPTS = "no_transcripts"
    ABSENT_CLASS = "absent_class"
    CLASSES_DIFFER_BETWEEN_CORPORA = "classes_differ_between_corpora"
    UNLABELLED_UTTERANCES = "unlabelled_utterances"
    FILTERED_ROLES = "filtered_roles"
    RATINGS_DIFFER_BETWEEN_CORPORA = "ratings_differ_between_corpora"
    # of the corpus, its clips and its features
    SYNTHETIC_CORPUS = "synthetic_corpus"
    SKIPPED_UTTERANCES = "skipped_utterances"
    TRUNCATED_SPEECH = "truncated_speech"
    UNTRAINED_ENCODER = "untrained_encoder"
    PADDED_INPUT = "padded_input"
    MIXED_COMPUTE_TYPES = "mixed_compute_types"
    MIXED_PROVENANCE = "mixed_provenance"
    FEATURES = "features"
    # of training
    UNFINISHED_TRAINING = "unfinished_training"
    PENALTY_AT_LIMIT = "penalty_at_limit"
    UNUSED_PENALTY = "unused_penalty"
    HIGH_LEARNING_RATE = "high_learning_rate"
    WEAK_ADVERSARY = "weak_adversary"
    # of the result
    FEW_SPEAKERS = "few_speakers"
    LICENSED_MATERIAL = "licensed_material"


class Severity(StrEnum):
    """How much weight a caution has: a grave one forbids the usual reading of the result, or passing it on."""

    NOTE = "note"
    GRAVE = "grave"


_GRAVE = {Kind.SPEAKER_LEAKAGE, Kind.UNKNOWN_SPEAKERS, Kind.LICENSED_MATERIAL}


class Caution(Settings):
    """One thing to know.

    Attributes:
        kind: what it is about.
        text: one or two sentences, complete on their own.
    """

    kind: Kind
    text: str

    @property
    def severity(self) -> Severity:
        """Grave or a note; the kind decides."""
        return Severity.GRAVE if self.kind in _GRAVE else Severity.NOTE

    def __str__(self) -> str:
        return self.text
