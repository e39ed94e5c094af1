"""A model card says what the evaluation found, in Hugging Face's form, and names nobody."""

import json
import re

import pytest
from huggingface_hub import ModelCard

from data.cautions import Caution, Kind
from data.corpora import CORPORA
from evaluation.results import Details, RegressionDetails
from inference.card import render_card, split_card
from inference.card_figures import CardFigures, card_figures
from inference.corpus_facts import FACTS
from inference.opening import run_folders
from inference.pack_format import PackDescription
from inference.packing import describe_runs
from inference.temperature import TemperatureScaling
from tests.trained_heads import TrainedHead, evaluate, train_on_recordings

SECTIONS = [
    "How to use it",
    "What it was trained on",
    "How well it does",
    "What to keep in mind",
    "What it is for, and what it is not for",
    "Licences",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> TrainedHead:
    return train_on_recordings(tmp_path_factory.mktemp("classes"), folds=4)


@pytest.fixture(scope="module")
def details(trained) -> Details:
    """Its evaluation; the head is made to look worse, so that no figure is another's by chance."""
    details = evaluate(trained)
    metrics = {
        name: metric.model_copy(update={"mean": 0.6 + place / 50, "low": 0.5 + place / 50, "high": 0.7 + place / 50})
        for place, (name, metric) in enumerate(details.metrics.items())
    }
    return details.model_copy(update={"metrics": metrics})


def describe(
    trained: TrainedHead,
    details: Details | RegressionDetails,
    temperature: TemperatureScaling | None = None,
    runs: int | None = None,
    license: str = "other",
) -> PackDescription:
    figures = card_figures(details, license=license, num_parameters=99, temperature=temperature)
    folders = run_folders(trained.folder)[:runs]
    return describe_runs("small", folders, trained.settings, card=figures.model_dump(mode="json"))


def test_the_hub_reads_the_card_and_its_results(trained, details):
    card = ModelCard(render_card(describe(trained, details, license="cc-by-nc-4.0")))
    assert card.data.license == "cc-by-nc-4.0"
    assert card.data.pipeline_tag == "audio-classification"
    results = {result.metric_type: result for result in card.data.eval_results}
    ua = details.metrics["ua"]
    assert results["recall"].metric_value == round(ua.mean, 4)
    assert results["recall"].metric_args["interval"] == [round(ua.low, 4), round(ua.high, 4)]
    assert "24 utterances of 4 speakers in 4 folds of whole speakers" in results["recall"].dataset_args["protocol"]
    assert re.findall("^## (.+)$", card.text, flags=re.MULTILINE) == SECTIONS


def test_every_figure_is_that_of_the_evaluation(trained, details):
    card = render_card(describe(trained, details))
    for metric in details.metrics.values():
        assert f"{100 * metric.mean:.1f} % | {100 * metric.low:.1f} % to {100 * metric.high:.1f} %" in card
    for row in details.per_class:
        assert f"| {row.name} | {100 * row.recall:.1f} % | {100 * row.precision:.1f} %" in card
    women = next(row for row in details.groups if row.group == "female")
    assert f"| gender: female | {100 * women.metrics['ua'].value:.1f} % |" in card
    assert f"chance is {100 * details.chance_ua:.1f} %" in card
    assert all(caution.text in card for caution in details.cautions)


def test_nobody_is_named(trained, details):
    shards = "Mixed compute types in the features set/ours (bfloat16: speaker-s0; float32: speaker-s1): rounding."
    mixed = Caution(kind=Kind.MIXED_COMPUTE_TYPES, text=shards)
    description = describe(trained, details.model_copy(update={"cautions": [*details.cautions, mixed]}))
    said = render_card(description) + json.dumps(description.card)
    assert not re.search(r"\bs[0-3]\b", said)
    assert not [name for name in trained.audio if name in said]
    assert "secret sentence" not in said
    scores = sorted((row.metrics["ua"].value for row in details.groups if row.grouping == "speaker"), reverse=True)
    shown = CardFigures.model_validate_json(json.dumps(description.card)).speaker_groups
    assert [(row.group, row.score.value) for row in shown] == [(f"speaker {n + 1}", ua) for n, ua in enumerate(scores)]
    assert "speaker 4 of them" in said  # what the task's `where` chooses by


def test_of_many_speakers_some_are_shown(trained, details):
    speaker = next(row for row in details.groups if row.grouping == "speaker")
    many = [speaker.model_copy(update={"group": f"p{number}"}) for number in range(1201)]
    card = render_card(describe(trained, details.model_copy(update={"groups": many})))
    assert re.findall(r"^\| (speaker \d+) \|", card, re.MULTILINE)[::5] == ["speaker 1", "speaker 601", "speaker 1201"]
    assert "of 1201, some are shown" in card


def test_a_mean_over_folds_is_not_given_the_figures_of_its_runs(trained, details):
    several = render_card(describe(trained, details))
    assert "not of this pack's mean over runs of 4 folds" in several
    assert "one of its runs, alone, recognises" in several
    assert ", it recognises" not in several
    single = render_card(describe(trained, details, runs=1))
    assert "not of this pack's mean" not in single
    assert "On speakers that it was not trained on, it recognises" in single
    assert "This pack holds only 1 of them, of fold 0" in single
    assert f"runs reach UA {100 * details.per_fold[0].ua:.1f} %" in single


def test_what_makes_figures_mean_little_comes_first(trained, details):
    leaking = Caution(kind=Kind.SPEAKER_LEAKAGE, text="Speaker leakage: in 4 of 4 folds.")
    card = render_card(describe(trained, details.model_copy(update={"cautions": [*details.cautions, leaking]})))
    _, body = split_card(card)
    head = body[: body.index("This model predicts")]
    assert "> **The encoder is untrained" in head
    assert "> **Speaker leakage" in head
    assert "On speakers that it was not trained on" not in body
    assert "on speakers that it may have been trained on" in body


def test_ratings_are_judged_by_their_ccc(tmp_path):
    trained = train_on_recordings(tmp_path, ratings=True, folds=4)
    details = evaluate(trained)
    card = render_card(describe(trained, details))
    ccc = details.metrics["ccc"]
    assert f"| CCC | {ccc.mean:.3f} | {ccc.low:.3f} to {ccc.high:.3f} |" in card
    assert f"| valence | {details.per_target[0].metrics['ccc'].mean:.3f} |" in card
    assert "Ratings have no confidence" in card
    assert {result.metric_type for result in ModelCard(card).data.eval_results} == {"ccc", "pearson", "mae"}


def test_terms_are_stated_as_far_as_they_are_known_and_never_made_up(trained):
    unknown = render_card(describe(trained, evaluate(trained)))
    assert "| ours | Not known. Ask whoever packed this. |" in unknown
    assert "language:" not in split_card(unknown)[0]
    known = render_card(describe(trained, evaluate(trained, reader="turevdb", corpus="turkish")))
    assert "| TurEV-DB | CC BY-NC-ND 4.0. |" in known
    assert "language:\n  - tr" in known
    unchecked = render_card(describe(trained, evaluate(trained, reader="iemocap", corpus="iemocap")))
    assert "must not be passed on. (As usually stated; not checked.)" in unchecked
    assert "It was trained on Turkish only." in known
    assert "It was trained on" not in unknown
    assert FACTS.keys() <= CORPORA.keys()


def test_it_says_what_it_is_not_for_and_what_the_law_says(trained, details):
    card = render_card(describe(trained, details))
    for phrase in ("hiring", "schools", "policing", "Article 5(1)(f)", "Annex III, point 1(c)", "Article 50(3)"):
        assert phrase in card
