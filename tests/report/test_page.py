"""The report carries eight heads and 24 speakers, claims nothing untested, and works on a screen and on paper."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import UserError
from evaluation.assessment import assess, learning_curve
from evaluation.runs import HeadRuns
from evaluation.settings import EvaluateSettings
from report.cost import costs
from report.examples import attention_over_time, choose_examples, envelope
from report.page import choose_reference, write_report
from report.settings import ReportSettings
from tests.builders import trained_run
from tests.evaluation.test_analysis import CLASSES, predictions, with_people
from training.settings import TrainingSettings

TRAINING = TrainingSettings(epochs=5, adversarial_weight=0.05).model_dump()

STATISTICS = EvaluateSettings(bootstrap=100)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


def evaluation(head: str, skill: float, speakers: int = 24, waveforms: bool = False, seed: int = 0) -> dict:
    """What `read_evaluations` gives of a head, from made-up predictions."""
    test = predictions(lambda s: skill + 0.01 * (s % 5), speakers=speakers, seed=seed)
    right = (test["label"] == test["predicted"]).to_numpy()
    for name in CLASSES:
        test[f"p_{name}"] = np.where(test["predicted"] == name, np.where(right, 0.8, 0.6), 0.2)
    test["confidence"] = np.where(right, 0.8, 0.6)
    test["role"] = "test"
    history = [
        {"epoch": epoch, "fold": 0, "seed": run, "train_loss": 1 / epoch, "learning_rate": 1e-3 / epoch, "alpha": 0.1}
        | {"validation_loss": 1.0, "validation_ua": 0.5, "validation_wa": 0.6, "validation_macro_f1": 0.4}
        | {"train_ua": 0.9, "train_wa": 0.9, "train_macro_f1": 0.9, "gradient_norm": 1.0}
        for epoch in range(1, 6)
        for run in (1, 2)
    ]
    table = pd.DataFrame([trained_run(seed=number, alpha=0.1) for number in (1, 2)])
    weights = [{"0": 0.4, "12": 0.6}] * 2 if head == "head-0" else []
    runs = HeadRuns(Path(), {"classes": CLASSES, "training": TRAINING}, table, test, pd.DataFrame(history), weights)
    people = with_people(test)[["id", "speaker", "gender", "session", "style", "dialog"]].drop_duplicates()
    people["session"] = "Ses0" + (people["speaker"].str[1:].astype(int) // 2).astype(str)
    examples = choose_examples(test[test["seed"] == 1], [])
    noise = np.random.default_rng(1).normal(0, 3000, 16000).astype(np.int16)
    probed = {"embedding": 0.4, "raw": 0.6, "session_gender": 0.25, "chance": 0.25}
    fold = {"fold": 0, "within": True, **probed, "speakers": 4, "dimension": 64}
    points = np.random.default_rng(2).normal(0, 1, (60, 2))
    return {
        "head": head,
        "run": {
            "corpus": {"name": "made-up", "root": "corpora/x", "utterances": 9, "speakers": speakers, "labelled": 9}
            | {"where": {}},
            "codes": {name: [name] for name in CLASSES},
            "counts": dict.fromkeys(CLASSES, 3),
            "split": {"scheme": "speaker", "validation": "group", "folds": 1, "seed": 1, "file": None},
            "fold_sizes": [{"train": 5, "validation": 2, "test": 2}],
            "seconds": 60.0,
            "share_cut": 0.1,
            "skipped": 0,
            "features": {"set": "hubert", "weights": "0" * 64}
            | {"layers": [0, 12], "dimension": 768, "storage": "float16", "pad": "after"}
            | {"clips": {"sample_rate": 16000, "seconds": 3.0, "crop": "start"}},
            "encoders": [{"checkpoint": "untrained", "revision": None}],
            "clips": 40,
            "provenance": [{"compute_dtype": "f", "device": "cpu", "versions": {"torch": "2", "python": "3"}}],
            "settings": {"model": "gru", "features": "hubert", "layers": None},
            "training": TRAINING,
            "num_parameters": 1000,
            "layers": [12],
            "seeds": [1, 2],
        },
        **assess(runs, people, STATISTICS),
        "leakage": {"within": True, "per_fold": [fold], "mean": probed},
        "waveforms": {identifier: envelope(noise, 16000) for identifier in examples["id"]} if waveforms else None,
        "fingerprints": {"features": ["f"], "head": [f"{head}-1", f"{head}-2"]},
        "warnings": [],
        "learning_curve": learning_curve(runs.histories),
        "embedding": pd.DataFrame(points, columns=["x", "y"]).assign(
            emotion=np.resize(CLASSES, 60), speaker=np.resize(["s1", "s2"], 60), role="test", id="u"
        ),
        "attention": attention_over_time(examples, [np.full(50, 0.02)] * len(examples), 50),
        "predictions": test,
    }


def write(folder: Path, evaluations: list[dict], **settings) -> str:
    measured = folder.parent / "measured"
    run = {"device": "cuda: NVIDIA H100 80GB HBM3", "utterances": 9, "seconds_per_epoch": [61.5], "predicted": 2}
    run |= {"predict_seconds": 0.5, "peak_megabytes": 1234.0, "peak_gpu_megabytes": 61234.0}
    for each in evaluations[1:]:
        path = measured / "heads" / each["head"] / "seed-1.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"fingerprint": f"{each['head']}-1", **run}))
    found = costs(evaluations, measured)
    return write_report(evaluations, found, ReportSettings(**settings), STATISTICS, folder).read_text()


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """Eight heads, 24 speakers; all as good as another but the last, which is better."""
    folder = tmp_path_factory.mktemp("report")
    skills = [0.5] * 7 + [0.85]
    write(folder, [evaluation(f"head-{place}", skill, seed=place) for place, skill in enumerate(skills)])
    return folder


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
    for each in evaluations:
        each["predictions"] = each["predictions"][each["predictions"]["seed"] == 1]
    page = write(tmp_path, evaluations)
    assert "train with several, e.g. <code>training.seeds: [1, 2, 3]</code>" in page
    assert 'class="significant"' not in page
    assert "train with several" not in (large / "index.html").read_text()


def test_what_cannot_be_compared_is_not_said_to_be_equal(tmp_path):
    other = evaluation("two", 0.9)
    other["predictions"] = other["predictions"].iloc[2:]
    page = write(tmp_path, [evaluation("one", 0.2), other])
    assert "not comparable: other test utterances" in page
    assert "sign-flip" not in page


def test_one_speaker_alone_is_reported_without_a_spread_or_a_test(tmp_path):
    alone = {**evaluation("one", 0.5, speakers=1), "leakage": None}
    assert alone["spread"] is None
    assert [row["grouping"] for row in alone["groups"]] == ["style", "style"]
    page = write(tmp_path, [alone, {**evaluation("two", 0.6, speakers=1), "leakage": None}])
    assert "too few speakers to test" in page


def test_a_report_with_waveforms_says_that_it_is_licensed_material(tmp_path):
    without = write(tmp_path / "without", [evaluation("one", 0.5, speakers=8)])
    assert "Licensed material" not in without
    page = write(tmp_path / "with", [evaluation("one", 0.5, speakers=8, waveforms=True)])
    assert '<li class="grave">Licensed material: this page holds waveforms' in page


def test_the_reference_is_the_one_that_is_named(tmp_path):
    evaluations = [evaluation(name, 0.5, speakers=8) for name in ("one", "two")]
    assert "Compared with one" in write(tmp_path / "first", evaluations)
    assert "Compared with two" in write(tmp_path / "second", evaluations, reference="two")
    with pytest.raises(UserError, match=r"report\.reference: there is no head 'too'; did you mean 'two'"):
        choose_reference(evaluations, ReportSettings(reference="too"))


def test_a_probe_that_says_nothing_of_voices_is_not_shown_as_one(tmp_path):
    one, two = evaluation("one", 0.5, speakers=8), evaluation("two", 0.5, speakers=8)
    for row in (one["leakage"]["mean"], *one["leakage"]["per_fold"]):
        row["session_gender"] = 1.0
    one["leakage"]["within"] = False
    assert "says nothing about voices" in write(tmp_path / "rooms", [one])
    leaking = {
        **two,
        "leakage": None,
        "warnings": ["Speaker leakage: in 1 of 1 folds the same speakers are in two roles."],
    }
    assert "Not measured: test speakers are also in training" in write(tmp_path / "leaking", [leaking])


def test_what_was_not_measured_here_has_no_cost(tmp_path):
    page = write(tmp_path / "report", [evaluation("one", 0.5, speakers=8), evaluation("two", 0.5, speakers=8)])
    section = page[page.index('<h2 id="cost">') :].split("</section>")[0]
    rows = re.findall(r'<tr><th scope="row">.*?</tr>', section, re.S)
    shown = [" ".join(re.sub("<[^>]*>", " ", row).split()) for row in rows]
    assert shown[0] == "hubert not measured here"
    assert shown[1] == "one not measured here"
    assert shown[2] == "two 6,833 62 s 62 s 250 1,234 GPU: 61,234 cuda: NVIDIA H100 80GB HBM3 1 of 2"


def test_encoders_are_named_with_pad_or_context(tmp_path):
    alone = evaluation("one", 0.5, speakers=8)
    alone["run"]["encoders"] = [{"checkpoint": "a/b", "revision": "c1"}, {"checkpoint": "models/b", "revision": None}]
    padded = write(tmp_path / "padded", [alone])
    assert "<code>a/b</code> at <code>c1</code>, the same as <code>models/b</code>, weights" in padded
    assert "encoded at their own length" in padded
    del alone["run"]["features"]["pad"]
    assert "encoded at their own length" not in write(tmp_path / "neither", [alone])
    alone["run"]["features"]["context"] = "full"
    assert "full context" in write(tmp_path / "full", [alone])


def test_without_a_validation_set_it_says_which_epoch_is_used(tmp_path):
    alone = evaluation("one", 0.5, speakers=8)
    assert "the epoch was chosen on the next fold&#39;s test group." in write(tmp_path, [alone])
    alone["run"]["fold_sizes"][0]["validation"] = 0
    page = write(tmp_path, [alone])
    assert "no validation set: the last epoch is used." in page
    assert "There are no validation scores" in page


def test_published_folds_and_random_validation_are_named(tmp_path):
    alone = evaluation("one", 0.5, speakers=8)
    published = {"scheme": "emobox", "file": "data/folds/emobox/mini", "validation": "random", "validation_share": 0.2}
    alone["run"]["split"] |= published
    page = write(tmp_path, [alone])
    assert "in 1 fold\npublished by EmoBox;\nthe epoch was chosen on a random 20 % of the training utterances." in page
    assert "1 from <code>data/folds/emobox/mini</code>, validation: random; train / validation / test:" in page


def test_every_figure_is_a_table_with_rows(large, tmp_path):
    names = {path.stem for path in large.glob("*.csv")}
    assert names == {
        *("results", "differences", "per_class", "per_fold", "groups", "leakage", "layer_weights"),
        *("reliability", "learning_curves", "attention", "embedding"),
    }
    assert all(len(pd.read_csv(large / f"{name}.csv")) for name in names)
    alone = evaluation("one", 0.5, speakers=8)
    write(tmp_path, [{**alone, "leakage": None, "attention": alone["attention"].head(0)}])
    assert all(len((tmp_path / f"{name}.csv").read_text().splitlines()) > 1 for name in names)
    assert "Not measured" in (tmp_path / "index.html").read_text()


def test_everything_has_a_name_for_a_screen_reader(large):
    page = (large / "index.html").read_text()
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
  const contrast = [...document.querySelectorAll("p, td, th, h1, h2, figcaption, caption, summary")].map(each => {
    const ink = luminance(getComputedStyle(each).color);
    return (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05); });
  const narrow = [...document.querySelectorAll(".scroll")].filter(each => each.scrollWidth > each.clientWidth + 1);
  document.title = JSON.stringify({
    overflow: document.documentElement.scrollWidth - innerWidth,
    contrast: Math.min(...contrast),
    unreachable: narrow.filter(each => each.tabIndex !== 0).length,
    paper, width: innerWidth });
});</script>
"""


@in_a_browser
@pytest.mark.parametrize("width", [1200, 500])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read_in_a_browser(large, tmp_path, width, scheme):
    page = tmp_path / "index.html"
    content = (large / "index.html").read_text().replace("</body>", f"{MEASURE}</body>")
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
