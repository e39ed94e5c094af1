"""What a model card says, as types: the evaluation of a head, without the name of any speaker, file or folder."""

from collections.abc import Sequence

from data.cautions import Caution, Kind
from data.corpora import known_emotions
from evaluation.results import (
    ClassScores,
    CorpusScores,
    Details,
    GroupScores,
    Interval,
    MetricSummary,
    RegressionDetails,
    RegressionGroup,
    Result,
    SpeakerProbe,
)
from inference.corpus_facts import CorpusFacts, facts_of
from inference.temperature import TemperatureScaling
from report.wording import folds_sentence, validation_sentence

_SHOWN_GROUPS = ("corpus", "gender", "style", "duration")
_MOST_SPEAKERS, _FEW_SPEAKERS = 30, 11  # in a table; of more, as few are shown
_PRIVATE_COLUMNS = ("id", "path", "speaker", "dialog", "text", "session")  # of a manifest


class CardCorpus(Result):
    """A corpus: its name here, how many utterances and speakers it has, and what is known of it."""

    name: str
    reader: str
    utterances: int
    speakers: int
    facts: CorpusFacts | None

    @property
    def title(self) -> str:
        """Its name, as papers write it."""
        return self.facts.title if self.facts else self.name


class CardClass(Result):
    """A class: the corpora's codes, with their meaning where it is another word, and how many utterances have one."""

    name: str
    codes: list[str]
    utterances: int


class CardGroup(Result):
    """The score of a group of test utterances; a speaker is ``speaker 1`` and so on, by their score.

    Attributes:
        grouping, group: such as ``gender`` and ``female``.
        utterances, speakers: how many.
        score: UA, or of ratings the CCC.
        resampled: what the interval is drawn over.
        has_interval: whether there are enough utterances for one.
    """

    grouping: str
    group: str
    utterances: int
    speakers: int
    score: Interval
    resampled: str
    has_interval: bool


class CardFold(Result):
    """One fold: its number, how many utterances were trained on and tested, and UA, or of ratings CCC."""

    fold: int
    trained_on: int
    utterances: int
    score: float


class CardTarget(Result):
    """A rating: the range that the corpus has, and how well it is predicted."""

    name: str
    least: float
    most: float
    ccc: MetricSummary
    mae: MetricSummary


class CardCopy(Result):
    """A disturbed copy of the test utterances: UA, and its difference from the clean ones."""

    name: str
    ua: Interval
    difference: Interval


class CardLeakage(SpeakerProbe):
    """How well speakers can be told apart by a head's embedding; ``within`` the same session and gender."""

    within: bool


class CardFigures(Result):
    """Everything that the card of a head says but its name, its encoder and its runs.

    Attributes:
        license: of the weights.
        model, num_parameters: of the head.
        task: its name.
        corpora, classes, targets: what it was trained on.
        labels: ``majority`` or ``votes``.
        chosen: the manifest's columns by which utterances were chosen, and the values.
        utterances, speakers: how many take part in the task.
        genders: gender -> speakers, where the corpus says.
        share_cut: of the speech, the share that clips leave out.
        trained_on_copies: whether disturbed copies of the utterances were trained on, too.
        folds_sentence, validation_sentence: the protocol.
        num_folds, num_seeds: of the runs that the figures are of.
        headline: ``ua`` or ``ccc``.
        metrics: name -> value with interval over speakers.
        chance: UA of a constant answer; None of ratings.
        seeds_mean: the headline metric of the mean over the seeds of each fold; None with one seed.
        per_class, per_target, per_fold, groups, across_corpora, robustness: scores of parts.
        leakage: None where it was not measured.
        cautions: what the evaluation warns of.
        temperature: None of ratings, and without validation utterances.
    """

    license: str
    model: str
    num_parameters: int
    task: str
    corpora: list[CardCorpus]
    classes: list[CardClass]
    targets: list[str]
    labels: str
    chosen: dict[str, list[str]]
    utterances: int
    speakers: int
    genders: dict[str, int]
    share_cut: float
    trained_on_copies: bool
    folds_sentence: str
    validation_sentence: str
    num_folds: int
    num_seeds: int
    headline: str
    metrics: dict[str, MetricSummary]
    chance: float | None
    seeds_mean: Interval | None
    per_class: list[ClassScores]
    per_target: list[CardTarget]
    per_fold: list[CardFold]
    groups: list[CardGroup]
    across_corpora: list[CorpusScores]
    robustness: list[CardCopy]
    leakage: CardLeakage | None
    cautions: list[Caution]
    temperature: TemperatureScaling | None

    @property
    def speaker_groups(self) -> list[CardGroup]:
        """One per speaker, the best first."""
        return [group for group in self.groups if group.grouping == "speaker"]

    @property
    def shown_speakers(self) -> list[CardGroup]:
        """All of them, or some from the best to the worst."""
        speakers = self.speaker_groups
        if len(speakers) <= _MOST_SPEAKERS:
            return speakers
        steps = range(_FEW_SPEAKERS)
        return [speakers[round(step * (len(speakers) - 1) / (_FEW_SPEAKERS - 1))] for step in steps]

    @property
    def other_groups(self) -> list[CardGroup]:
        return [group for group in self.groups if group.grouping != "speaker"]

    @property
    def languages(self) -> list[str]:
        """ISO 639-1 codes of the corpora; none if that of any corpus is not known."""
        if not all(corpus.facts for corpus in self.corpora):
            return []
        return sorted({code for corpus in self.corpora for code in corpus.facts.languages})

    @property
    def unseen_speakers(self) -> bool:
        """Whether no test speaker was trained on, as far as the corpus says who is speaking."""
        known = {Kind.SPEAKER_LEAKAGE, Kind.UNKNOWN_SPEAKERS}
        return not any(caution.kind in known for caution in self.cautions)

    @property
    def warnings(self) -> list[Caution]:
        """The cautions that belong to the head of the card: grave ones, and those that make figures mean little."""
        first = (Kind.UNTRAINED_ENCODER, Kind.SYNTHETIC_CORPUS)
        return [caution for caution in self.cautions if caution.kind in first or caution.severity == "grave"]

    @property
    def notes(self) -> list[Caution]:
        """The other cautions."""
        return [caution for caution in self.cautions if caution not in self.warnings]


def card_figures(
    details: Details | RegressionDetails, *, license: str, num_parameters: int, temperature: TemperatureScaling | None
) -> CardFigures:
    """What a card says of an evaluated head.

    Args:
        details: of the evaluation.
        license: of the weights, an identifier such as ``cc-by-nc-4.0``.
        num_parameters: of the head, without a speaker classifier.
        temperature: of its runs.
    """
    data, training = details.data, details.training
    classes = isinstance(details, Details)
    return CardFigures(
        license=license,
        model=training.model,
        num_parameters=num_parameters,
        task=details.task,
        corpora=[
            CardCorpus(
                name=name,
                reader=corpus.reader,
                utterances=corpus.utterances,
                speakers=corpus.speakers,
                facts=facts_of(corpus.reader, name),
            )
            for name, corpus in data.description.corpora.items()
        ],
        classes=_classes(details) if classes else [],
        targets=[] if classes else details.targets,
        labels=data.description.labels,
        chosen=_chosen(details),
        utterances=data.utterances,
        speakers=data.speakers,
        genders={row.group: row.speakers for row in details.groups if row.grouping == "gender"},
        share_cut=training.features.share_cut,
        trained_on_copies=training.parameters.get("copies") == "all",
        folds_sentence=folds_sentence(data),
        validation_sentence=validation_sentence(data, [details]),
        num_folds=details.num_folds,
        num_seeds=details.num_seeds,
        headline="ua" if classes else "ccc",
        metrics=details.metrics,
        chance=details.chance_ua if classes else None,
        seeds_mean=_seeds_mean(details),
        per_class=details.per_class if classes else [],
        per_target=[] if classes else _targets(details),
        per_fold=[
            CardFold(
                fold=fold.fold,
                trained_on=data.fold_sizes[fold.fold].train,
                utterances=data.fold_sizes[fold.fold].test,
                score=fold.ua if classes else fold.metrics["ccc"],
            )
            for fold in details.per_fold
        ],
        groups=[*_speakers(details.groups), *_other_groups(details.groups)],
        across_corpora=details.across_corpora if classes and len(details.corpora) > 1 else [],
        robustness=[
            CardCopy(name=copy.name, ua=copy.metrics["ua"], difference=copy.differences["ua"])
            for copy in (details.robustness if classes else [])
        ],
        leakage=training.leakage and CardLeakage(within=training.leakage.within, **dict(training.leakage.mean)),
        cautions=[_without_values(caution) for caution in details.cautions],
        temperature=temperature,
    )


def _classes(details: Details) -> list[CardClass]:
    description = details.data.description
    return [
        CardClass(
            name=name,
            codes=[_explained(code, name, description.corpora) for code in codes],
            utterances=details.data.count(name),
        )
        for name, codes in description.classes.items()
    ]


def _explained(code: str, name: str, corpora: dict) -> str:
    """A code, and what the corpus means by it, if that is another word than the class."""
    corpus, _, own = code.rpartition(":")
    described = corpora.get(corpus) or next(iter(corpora.values()))
    meaning = (known_emotions(described.reader) or {}).get(own)
    return code if meaning is None or meaning in (own, name) else f"{code}: {meaning}"


def _chosen(details: Details | RegressionDetails) -> dict[str, list[str]]:
    """The columns by which utterances take part or are left out; of those that may name people, only how many."""
    description = details.data.description
    filters = dict(description.where)
    for corpus in description.corpora.values():
        filters |= {f"not {column}": values for column, values in corpus.exclude.items()}
    return {
        column: [f"{len(values)} of them"] if column.removeprefix("not ") in _PRIVATE_COLUMNS else values
        for column, values in filters.items()
    }


def _seeds_mean(details: Details | RegressionDetails) -> Interval | None:
    if details.ensemble is None:
        return None
    if isinstance(details, RegressionDetails):
        return details.ensemble["ccc"]
    return Interval(value=details.ensemble.ua, low=details.ensemble.ua_low, high=details.ensemble.ua_high)


def _targets(details: RegressionDetails) -> list[CardTarget]:
    return [
        CardTarget(
            name=target.name,
            least=target.least,
            most=target.most,
            ccc=target.metrics["ccc"],
            mae=target.metrics["mae"],
        )
        for target in details.per_target
    ]


def _speakers(groups: Sequence[GroupScores | RegressionGroup]) -> list[CardGroup]:
    """Speakers by their score, without their names."""
    rows = [_group(row, row.group) for row in groups if row.grouping == "speaker"]
    rows = sorted(rows, key=lambda row: -row.score.value)
    return [row.model_copy(update={"group": f"speaker {place}"}) for place, row in enumerate(rows, start=1)]


def _other_groups(groups: Sequence[GroupScores | RegressionGroup]) -> list[CardGroup]:
    return [_group(row, row.group) for row in groups if row.grouping in _SHOWN_GROUPS]


def _group(row: GroupScores | RegressionGroup, name: str) -> CardGroup:
    return CardGroup(
        grouping=row.grouping,
        group=name,
        utterances=row.utterances,
        speakers=row.speakers,
        score=row.metrics["ua" if isinstance(row, GroupScores) else "ccc"],
        resampled=row.resampled,
        has_interval=row.has_intervals,
    )


def _without_values(caution: Caution) -> Caution:
    """A caution without the manifest's values and the names of shards, which may be speakers."""
    text = caution.text
    if caution.kind == Kind.FILTERED_ROLES:
        role = text.partition("play the role ")[2].partition(":")[0]
        text = f"Only some utterances, by columns of the manifest, play the role {role}."
    if caution.kind == Kind.MIXED_COMPUTE_TYPES:
        text = "The features were not all computed in the same type, such as float32: rounding differs between folds."
    return caution.model_copy(update={"text": text})
