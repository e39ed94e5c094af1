"""The report carries eight heads and 24 speakers, claims nothing untested, and works on a screen and on paper."""

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.cautions import Caution, Kind
from data.split_settings import SplitSettings
from data.task_description import CorpusDescription, TaskDescription
from evaluation.assessment import assess_predictions
from evaluation.description import describe_task
from evaluation.evaluation import Evaluation, predictions_table
from evaluation.progress import learning_curve
from evaluation.results import (
    Details,
    Distribution,
    Epochs,
    FeatureData,
    Fingerprints,
    FoldProbe,
    LayerWeight,
    Leakage,
    RoleSizes,
    SpeakerProbe,
    Training,
)
from evaluation.settings import EvaluateSettings
from report.examples import Examples, attention_of_examples, envelope
from report.page import write_report
from report.settings import ReportSettings
from tests.builders import task_description
from tests.evaluation.test_analysis import CLASSES, predictions
from tests.evaluation.test_assessment import in_two_corpora, splits_of
from training.settings import TrainingSettings

TRAINING = TrainingSettings(epochs=5, adversarial_weight=0.05).model_dump()

STATISTICS = EvaluateSettings(bootstrap=100)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


def evaluation(head: str, skill: float, speakers: int = 24, seed: int = 0, task: str = "emotions") -> Evaluation:
    """What `read_evaluation` gives of a head, from made-up predictions."""
    test = predictions(lambda s: skill + 0.01 * (s % 5), speakers=speakers, seed=seed)
    correct = (test["label"] == test["predicted"]).to_numpy()
    for name in CLASSES:
        test[f"p_{name}"] = np.where(test["predicted"] == name, np.where(correct, 0.8, 0.6), 0.2)
    splits = splits_of(test)
    splits["session"] = "Ses0" + (splits["speaker"].str[1:].astype(int) // 2).astype(str)
    return evaluation_of(head, test, splits, task_description(task=task))


def evaluation_of(head: str, test: pd.DataFrame, splits: pd.DataFrame, task: TaskDescription) -> Evaluation:
    """The same, from these predictions and splits."""
    history = [
        {"epoch": epoch, "fold": 0, "seed": run, "train_loss": 1 / epoch, "learning_rate": 1e-3 / epoch, "alpha": 0.1}
        | {"validation_loss": 1.0, "validation_ua": 0.5, "validation_wa": 0.6, "validation_macro_f1": 0.4}
        | {"train_ua": 0.9, "train_wa": 0.9, "train_macro_f1": 0.9, "gradient_norm": 1.0}
        for epoch in range(1, 6)
        for run in (1, 2)
    ]
    points = pd.DataFrame(np.random.default_rng(2).normal(0, 1, (60, 2)), columns=["x", "y"])
    description = {"emotion": np.resize(CLASSES, 60), "corpus": np.resize(sorted(task.corpora), 60)}
    first = predictions_table(test, splits, CLASSES)
    data = describe_task(task, splits)
    sizes = [RoleSizes(train=5, validation=2, test=2) for _ in data.fold_sizes]
    details = Details(
        **dict(assess_predictions(test, splits, sorted(CLASSES), STATISTICS)),
        head=head,
        task=task.task,
        corpora=sorted(task.corpora),
        features=f"hubert/{task.corpus}",
        seeds=[1, 2],
        data=data.model_copy(update={"fold_sizes": sizes}),
        training=made_up_training(head, f"hubert/{task.corpus}"),
        source=None,
        cautions=[],
    )
    return Evaluation(
        details,
        first,
        learning_curve(pd.DataFrame(history)),
        points.assign(**description, speaker=np.resize(["s1", "s2"], 60), role="test", id="u"),
        [np.full(50, 0.02)] * int((first["seed"] == 1).sum()),
    )


def made_up_training(head: str, features: str) -> Training:
    recipe = {"weights": "0" * 64, "layers": [0, 12], "dimension": 768, "storage": "float16", "pad": "after"}
    recipe["clips"] = {"sample_rate": 16000, "seconds": 3.0, "crop": "start"}
    probed = {"embedding": 0.4, "raw": 0.6, "session_gender": 0.25, "chance": 0.25}
    one = Distribution(median=2, least=1, most=3)
    return Training(
        features=FeatureData(
            name=features,
            clips=40,
            seconds=60.0,
            share_cut=0.1,
            frame_rate=50.0,
            recipe=recipe,
            encoders=[{"checkpoint": "untrained", "revision": None}],
            provenance=[{"compute_dtype": "f", "device": "cpu", "versions": {"torch": "2", "python": "3"}}],
        ),
        settings={"model": "gru", "layers": None},
        parameters=TRAINING,
        num_parameters=1000,
        layers=[12],
        layer_weights=layer_weights_of(0.4, 0.6) if head == "head-0" else None,
        epochs=Epochs(best=one, run=one, budget="5 epochs", unit="epoch", learning_rate=one, alpha=one),
        l2=None,
        leakage=Leakage(
            within=True,
            mean=SpeakerProbe(**probed),
            per_fold=[FoldProbe(fold=0, within=True, **probed, speakers=4, dimension=64)],
        ),
        fingerprints=Fingerprints(features=["f"], head=[f"{head}-1", f"{head}-2"]),
    )


def layer_weights_of(*weights: float) -> list[LayerWeight]:
    return [LayerWeight(layer=layer, weight=w, least=w, most=w) for layer, w in enumerate(weights)]


def changed(evaluation: Evaluation, training: dict | None = None, features: dict | None = None, **details):
    """An evaluation with other details, of its training and its features, too."""
    before = evaluation.details.training
    data = before.features.model_copy(update=features or {})
    details["training"] = before.model_copy(update={"features": data, **(training or {})})
    return dataclasses.replace(evaluation, details=evaluation.details.model_copy(update=details))


def with_task(evaluation: Evaluation, fold_sizes: list[RoleSizes] | None = None, **split) -> Evaluation:
    """An evaluation whose task has another split."""
    data = evaluation.details.data
    task = data.description.model_copy(update={"split": data.description.split.model_copy(update=split)})
    return changed(
        evaluation,
        data=data.model_copy(update={"description": task, "fold_sizes": fold_sizes or data.fold_sizes}),
    )


def examples_of(evaluation: Evaluation, waveforms: bool = False) -> Examples:
    attention = attention_of_examples(evaluation, [])
    noise = np.random.default_rng(1).normal(0, 3000, 16000).astype(np.int16)
    return Examples(attention, {name: envelope(noise, 16000) for name in attention["id"]} if waveforms else {})


def write(folder: Path, evaluations: list[Evaluation], waveforms: bool = False, **settings) -> str:
    measured = folder.parent / "measured"
    run = {"device": "cuda: NVIDIA H100 80GB HBM3", "utterances": 9, "seconds_per_epoch": [61.5], "predicted": 2}
    run |= {"predict_seconds": 0.5, "peak_megabytes": 1234.0, "peak_gpu_megabytes": 61234.0}
    for evaluation in evaluations[1:]:
        path = measured / "heads" / evaluation.details.head / "seed-1.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"fingerprint": f"{evaluation.details.head}-1", **run}))
    return write_report(
        evaluations,
        examples={evaluation.details.head: examples_of(evaluation, waveforms) for evaluation in evaluations},
        settings=ReportSettings(**settings),
        statistics=STATISTICS,
        measured=measured,
        folder=folder,
    ).read_text()


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """Eight heads, 24 speakers; all equally good except the last, which is better."""
    folder = tmp_path_factory.mktemp("report")
    skills = [0.5] * 7 + [0.85]
    write(folder, [evaluation(f"head-{number}", skill, seed=number) for number, skill in enumerate(skills)])
    return folder


def of_corpora(head: str, task: str, *corpora: str, scheme: str = "corpus", seed: int = 0) -> Evaluation:
    """A head of a task over one corpus, or of one over both, with six speakers each; one corpus lacks a gender."""
    test = predictions(lambda s: 0.7 - 0.3 * (s % 2), speakers=12, folds=2, seed=seed)
    test = test.sort_values(["seed", "id"], ignore_index=True)
    splits = in_two_corpora(test)
    if scheme != "corpus":
        for fold in (0, 1):
            tested = (splits["speaker"].str[1:].astype(int) // 2 % 2 == fold).to_numpy()
            splits[f"fold_{fold}"] = np.where(tested, "test", "train")
        test["fold"] = test["speaker"].str[1:].astype(int) // 2 % 2
    splits = splits[splits["corpus"].isin(corpora)].reset_index(drop=True)
    test = test[test["id"].isin(splits["id"])].reset_index(drop=True)
    description = TaskDescription(
        task=task,
        corpus="both" if len(corpora) > 1 else corpora[0],
        corpora={name: CorpusDescription(reader=name, utterances=120, speakers=6) for name in corpora},
        classes={
            name: [f"{corpus}:{name}" for corpus in corpora] if len(corpora) > 1 else [name] for name in sorted(CLASSES)
        },
        split=SplitSettings(scheme="speaker").model_copy(update={"scheme": scheme}),
    )
    return evaluation_of(head, test, splits, description)


def two_corpora_evaluations() -> list[Evaluation]:
    return [
        of_corpora("gru-emodb", "german", "emodb", scheme="speaker", seed=1),
        of_corpora("gru-emodb-2", "german", "emodb", scheme="speaker", seed=2),
        of_corpora("gru-across", "across", "emodb", "turevdb", seed=3),
        of_corpora("gru-joint", "joint", "emodb", "turevdb", scheme="speaker", seed=4),
    ]


@pytest.fixture(scope="module")
def joint(tmp_path_factory) -> Path:
    """Three tasks: one corpus alone, from either corpus to the other, and both together."""
    folder = tmp_path_factory.mktemp("report")
    write(folder, two_corpora_evaluations(), reference=["gru-emodb-2"])
    return folder


def test_every_task_has_its_section_and_compares_its_own_heads_only(joint):
    page = (joint / "index.html").read_text()
    assert re.findall(r'<section class="task" id="task-(\w+)"', page) == ["german", "across", "joint"]
    assert re.findall(r'<li><a href="#task-(\w+)">', page) == ["german", "across", "joint"]
    assert re.findall(r"Compared with ([\w-]+)</h3>", page) == ["gru-emodb-2"]
    assert "emodb and turevdb: 3 emotions, test corpora not seen in training; 240 utterances of 12 speakers" in page
    assert set(pd.read_csv(joint / "results.csv")["panel"].str.split(":").str[0]) == {"german", "across", "joint"}


def test_a_single_task_has_no_section_of_its_own(large):
    page = (large / "index.html").read_text()
    assert "task-" not in page[page.index("<body") :]
    assert '<h2 id="results">' in page
    assert "across-corpora" not in page


def test_within_corpus_figures_stand_beside_cross_corpus_and_joint_ones(joint):
    page = (joint / "index.html").read_text()
    section = page[page.index('<h2 id="across-corpora">') :].split("</section>")[0]
    rows = [re.findall("<td>(.*?)</td>", row, re.S) for row in re.findall("<tr><th scope.*?</tr>", section, re.S)]
    heads = [[re.findall('href="#([^"]*)"', cell) for cell in row] for row in rows if row]
    assert heads == [
        [["gru-emodb", "gru-emodb-2"], ["gru-across"], ["gru-joint"]],  # tested on emodb
        [[], ["gru-across"], ["gru-joint"]],  # tested on turevdb
    ]
    table = pd.read_csv(joint / "across_corpora.csv").set_index(["head", "tested"])
    assert table.loc[("gru-across", "emodb"), "trained_on"] == "turevdb"
    assert table.loc[("gru-joint", "emodb"), "trained_on"] == "emodb + turevdb"
    shown = two_corpora_evaluations()[2].details.across_corpora[0]
    assert shown.tested == "emodb"
    assert f"{100 * shown.ua.value:.1f} <small>[{100 * shown.ua.low:.1f}, {100 * shown.ua.high:.1f}]" in section
    assert table.loc[("gru-across", "emodb"), "value"] == pytest.approx(shown.ua.value, abs=1e-4)


def test_figures_over_other_classes_are_not_in_one_table(tmp_path):
    alone, across = two_corpora_evaluations()[0], two_corpora_evaluations()[2]
    (scores,) = alone.details.across_corpora
    alone = changed(alone, across_corpora=[scores.model_copy(update={"classes": ["angry", "sad"]})])
    page = write(tmp_path, [alone, across])
    section = page[page.index('<h2 id="across-corpora">') :]
    assert section.count("<table") == 1
    assert 'href="#gru-emodb"' not in section
    assert "gru-emodb is tested on emodb with other classes (angry, sad), so its UA is not comparable" in section


def test_a_class_that_tasks_make_of_other_codes_is_named(tmp_path):
    alone, across = two_corpora_evaluations()[0], two_corpora_evaluations()[2]
    description = across.details.data.description
    codes = {name: [f"{corpus}:{name}" for corpus in ("emodb", "turevdb")] for name in CLASSES}
    joint = description.model_copy(update={"classes": {**codes, "sad": [*codes["sad"], "emodb:bored"]}})
    alike = description.model_copy(update={"classes": codes})
    own = alone.details.data.description.model_copy(update={"classes": {name: [name] for name in CLASSES}})
    alone = changed(alone, data=alone.details.data.model_copy(update={"description": own}))
    pages = [
        write(
            tmp_path / name, [alone, changed(across, data=across.details.data.model_copy(update={"description": one}))]
        )
        for name, one in (("joint", joint), ("alike", alike))
    ]
    said = "The class sad is not the same for all heads. In emodb it is sad for gru-emodb; bored, sad for gru-across."
    assert [said in page for page in pages] == [True, False]
    assert not any("The class angry is not the same" in page for page in pages)


def test_what_makes_a_figure_across_corpora_too_good_is_said_beside_it(tmp_path):
    """A leaking within-corpus figure, and an epoch chosen on the corpus that is said to be unseen."""
    alone, across = two_corpora_evaluations()[0], two_corpora_evaluations()[2]
    leaking = Caution(kind=Kind.SPEAKER_LEAKAGE, text="Speaker leakage: everywhere.")
    chosen = [scores.model_copy(update={"validated_on": ["emodb"]}) for scores in across.details.across_corpora]
    page = write(tmp_path, [changed(alone, cautions=[leaking]), changed(across, across_corpora=chosen)])
    section = page[page.index('<h2 id="across-corpora">') :]
    assert "gru-emodb: Speaker leakage: everywhere." in section
    assert (
        "gru-across trains on no utterance of emodb, but its epoch is chosen on validation utterances of it" in section
    )
    assert "trains on no utterance of turevdb" not in section


def test_only_a_tested_difference_is_bold(large):
    page = (large / "index.html").read_text()
    body = page[page.index("<body>") :]
    assert "<b>" not in body
    assert "<strong" not in body
    rows = re.findall(r'<tr><th scope="row">.*?</tr>', body[body.index('id="comparison"') :], re.S)
    bold = {re.search(r"</span>(head-\d)", row)[1] for row in rows if 'class="significant"' in row}
    assert bold == {"head-7"}
    assert body.count('class="significant"') == 2  # the difference of UA, and its adjusted p


def test_with_few_speakers_nothing_is_bold_and_it_says_why(tmp_path):
    page = write(tmp_path, [evaluation("one", 0.2, speakers=6), evaluation("two", 0.95, speakers=6)])
    assert "too few speakers to test" in page
    assert 'class="significant"' not in page


def test_with_one_seed_nothing_is_bold_and_it_says_what_would_be_needed(large, tmp_path):
    evaluations = [evaluation("one", 0.2, speakers=10), evaluation("two", 0.9, speakers=10)]
    evaluations = [
        dataclasses.replace(one, predictions=one.predictions[one.predictions["seed"] == 1]) for one in evaluations
    ]
    page = write(tmp_path, evaluations)
    assert "Train with several seeds, e.g. <code>training.seeds: [1, 2, 3]</code>" in page
    assert 'class="significant"' not in page
    assert "Train with several" not in (large / "index.html").read_text()


def test_what_cannot_be_compared_is_not_said_to_be_equal(tmp_path):
    other = evaluation("two", 0.9)
    other = dataclasses.replace(other, predictions=other.predictions.iloc[2:], attention=())
    page = write(tmp_path, [evaluation("one", 0.2), other])
    assert "not comparable: other test utterances" in page
    assert "sign-flip" not in page


def test_one_speaker_alone_is_reported_without_a_spread_or_a_test(tmp_path):
    alone = changed(evaluation("one", 0.5, speakers=1), training={"leakage": None})
    assert alone.details.spread is None
    assert [row.grouping for row in alone.details.groups] == ["style", "style"]
    page = write(tmp_path, [alone, changed(evaluation("two", 0.6, speakers=1), training={"leakage": None})])
    assert "too few speakers to test" in page


def test_a_report_with_waveforms_says_that_it_is_licensed_material(tmp_path):
    without = write(tmp_path / "without", [evaluation("one", 0.5, speakers=8)])
    assert "Licensed material" not in without
    page = write(tmp_path / "with", [evaluation("one", 0.5, speakers=8)], waveforms=True)
    assert '<li class="grave">Licensed material: this page contains waveforms' in page


def test_the_reference_is_the_one_that_is_named(tmp_path):
    evaluations = [evaluation(name, 0.5, speakers=8) for name in ("one", "two")]
    assert "Compared with one" in write(tmp_path / "first", evaluations)
    assert "Compared with two" in write(tmp_path / "second", evaluations, reference="two")


def test_a_probe_that_says_nothing_of_voices_is_not_shown_as_one(tmp_path):
    one, two = evaluation("one", 0.5, speakers=8), evaluation("two", 0.5, speakers=8)
    mean = one.details.training.leakage.mean.model_copy(update={"session_gender": 1.0})
    fold = one.details.training.leakage.per_fold[0].model_copy(update={"session_gender": 1.0, "within": False})
    rooms = changed(one, training={"leakage": Leakage(within=False, mean=mean, per_fold=[fold])})
    assert "says nothing about voices" in write(tmp_path / "rooms", [rooms])
    caution = Caution(kind=Kind.SPEAKER_LEAKAGE, text="The words do not matter.")
    page = write(tmp_path / "leaking", [changed(two, training={"leakage": None}, cautions=[caution])])
    assert "Not measured: test speakers are also in training" in page
    assert '<li class="grave">The words do not matter.</li>' in page
    assert "the same speakers in training and test" in page


def test_a_caution_names_the_heads_that_it_concerns_unless_these_are_all(tmp_path):
    shared = Caution(kind=Kind.FEW_SPEAKERS, text="Of all.")
    own = Caution(kind=Kind.UNFINISHED_TRAINING, text="Of one.")
    heads = [evaluation("one", 0.5, speakers=8), evaluation("two", 0.5, speakers=8)]
    page = write(tmp_path, [changed(heads[0], cautions=[shared, own]), changed(heads[1], cautions=[shared])])
    assert re.findall("<li>([^<]*)</li>", page) == ["Of all.", "one: Of one."]


def test_what_was_not_measured_here_has_no_cost(tmp_path):
    page = write(tmp_path / "report", [evaluation("one", 0.5, speakers=8), evaluation("two", 0.5, speakers=8)])
    assert page.count('id="cost"') == 1
    assert not re.findall(r"</p>\s*[^<\s][^<]*<", page)  # no text outside a paragraph
    section = page[page.index('<h2 id="cost">') :].split("</section>")[0]
    rows = re.findall(r'<tr><th scope="row">.*?</tr>', section, re.S)
    shown = [" ".join(re.sub("<[^>]*>", " ", row).split()) for row in rows]
    assert shown[0] == "hubert/emodb not measured here"
    assert shown[1] == "one not measured here"
    assert shown[2] == "two 6,833 62 s 62 s 250 1,234 GPU: 61,234 cuda: NVIDIA H100 80GB HBM3 1 of 2"


def test_encoders_are_named_with_pad_or_context(tmp_path):
    alone = evaluation("one", 0.5, speakers=8)
    encoders = [{"checkpoint": "a/b", "revision": "c1"}, {"checkpoint": "models/b", "revision": None}]
    recipe = alone.details.training.features.recipe
    padded = write(tmp_path / "padded", [changed(alone, features={"encoders": encoders})])
    assert "<code>a/b</code> at <code>c1</code>, the same as <code>models/b</code>, weights" in padded
    assert "encoded at their own length" in padded
    neither = {key: value for key, value in recipe.items() if key != "pad"}
    page = write(tmp_path / "neither", [changed(alone, features={"encoders": encoders, "recipe": neither})])
    assert "encoded at their own length" not in page
    full = {"encoders": encoders, "recipe": {**neither, "context": "full"}}
    assert "full context" in write(tmp_path / "full", [changed(alone, features=full)])


def test_features_without_an_encoder_are_named_by_what_determines_them(tmp_path):
    clips = {"sample_rate": 22050, "seconds": None, "crop": "start"}
    features = {"encoders": [], "recipe": {"n_mfcc": 13, "orders": [0, 1], "clips": clips}, "name": "mfcc/emodb"}
    features["provenance"] = [{"compute_dtype": "float32", "device": "cpu", "versions": {"scipy": "1.17"}}]
    page = write(tmp_path, [changed(evaluation("one", 0.5, speakers=8), features=features)])
    assert "n_mfcc: 13, orders: 0, 1" in page
    assert "in float32 on cpu, scipy 1.17" in page
    assert "on frames of\nmfcc." in page


def test_without_a_validation_set_it_says_which_epoch_is_used(tmp_path):
    alone = evaluation("one", 0.5, speakers=8)
    assert "the epoch was chosen on the next fold&#39;s test group." in write(tmp_path, [alone])
    unvalidated = [RoleSizes(train=5, validation=0, test=2)] * 5
    page = write(tmp_path, [with_task(alone, fold_sizes=unvalidated)])
    assert "no validation set: the last epoch is used." in page
    assert "There are no validation scores" in page


def test_published_folds_and_random_validation_are_named(tmp_path):
    published = {"scheme": "emobox", "file": "data/folds/emobox/mini", "validation": "random", "validation_share": 0.2}
    page = write(tmp_path, [with_task(evaluation("one", 0.5, speakers=8), **published)])
    assert "in 5 folds published by EmoBox; the epoch was chosen on a random 20 % of the training utterances." in page
    assert "5 from <code>data/folds/emobox/mini</code>, validation: random; train / validation / test:" in page


def test_every_figure_is_a_table_with_rows(large, tmp_path):
    names = {path.stem for path in large.glob("*.csv")}
    assert names == {
        *("results", "differences", "per_class", "per_fold", "groups", "leakage", "layer_weights"),
        *("reliability", "learning_curves", "attention", "embedding", "across_corpora", "leaderboard", "robustness"),
        "ratings",
    }
    assert all(len(pd.read_csv(large / f"{name}.csv")) for name in names)
    alone = changed(evaluation("one", 0.5, speakers=8), training={"leakage": None})
    write(tmp_path, [dataclasses.replace(alone, attention=())])
    assert all(len((tmp_path / f"{name}.csv").read_text().splitlines()) > 1 for name in names)
    page = (tmp_path / "index.html").read_text()
    assert "Not measured" in page
    assert "Robustness" not in page


@pytest.mark.parametrize("report", ["large", "joint"])
def test_everything_has_a_name_for_a_screen_reader(report, request):
    page = (request.getfixturevalue(report) / "index.html").read_text()
    assert all('aria-label="' in svg for svg in re.findall(r"<svg[^>]*>", page))
    assert all("<caption>" in table for table in re.findall(r'<table(?! class="facts").*?</table>', page, re.S))
    assert all('aria-label="' in region for region in re.findall(r'<[^>]*role="region"[^>]*>', page))
    identifiers = re.findall(r'\sid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    for target in re.findall(r'href="#([^"]+)"', re.sub(r"<svg.*?</svg>", "", page, flags=re.S)):
        assert target in identifiers
    assert "http" not in re.sub(
        r'(xmlns[:\w]*|xlink:href)="[^"]*"|<!DOCTYPE[^>]*>|<rdf:RDF.*?</rdf:RDF>', "", page, flags=re.S
    )


def chromium(page: Path, *flags: str) -> str:
    common = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [CHROMIUM, *common, profile, *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


MEASURE = """
<script>addEventListener("load", () => {
  const luminance = text => { const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255;
    return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  const contrast = [...document.querySelectorAll("p, td, th, h1, h2, figcaption, caption, summary")].map(element => {
    const ink = luminance(getComputedStyle(element).color);
    return (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05); });
  const narrow = [...document.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth + 1);
  document.title = JSON.stringify({
    overflow: document.documentElement.scrollWidth - innerWidth,
    contrast: Math.min(...contrast),
    unreachable: narrow.filter(box => box.tabIndex !== 0).length,
    paper, width: innerWidth });
});</script>
"""


@in_a_browser
@pytest.mark.parametrize("width", [1200, 500])
@pytest.mark.parametrize(("report", "scheme"), [("large", "light"), ("large", "dark"), ("joint", "light")])
def test_it_fits_and_can_be_read_in_a_browser(report, tmp_path, width, scheme, request):
    page = tmp_path / "index.html"
    content = (request.getfixturevalue(report) / "index.html").read_text().replace("</body>", f"{MEASURE}</body>")
    page.write_text(content.replace("<details>", "<details open>"))
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    dump = chromium(page, f"--window-size={width},900", "--dump-dom", *dark)
    measured = json.loads(re.search(r"<title>(\{.*?\})</title>", dump)[1])
    assert measured["width"] == width
    assert measured["overflow"] <= 0  # wide tables scroll within themselves
    assert measured["unreachable"] == 0  # and by keyboard
    assert measured["contrast"] >= 4.5
    assert (measured["paper"] < 0.1) == (scheme == "dark")


@in_a_browser
def test_what_is_folded_away_is_printed(large, tmp_path):
    pages = {}
    for name in ("closed", "open"):
        page = tmp_path / name / "index.html"
        page.parent.mkdir()
        content = (large / "index.html").read_text()
        page.write_text(content.replace("<details>", "<details open>") if name == "open" else content)
        printed = tmp_path / f"{name}.pdf"
        chromium(page, f"--print-to-pdf={printed}", "--no-pdf-header-footer")
        pages[name] = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    assert pages["closed"] == pages["open"] > 10
