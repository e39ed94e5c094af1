"""The report's robustness section: heads on disturbed copies, clean-trained beside disturbed-trained."""

import re

import pandas as pd

from evaluation.evaluation import Evaluation
from evaluation.robustness import assess_copies
from report.robustness import robustness
from tests.evaluation.test_analysis import predictions
from tests.report.test_page import CLASSES, STATISTICS, changed, evaluation, write

COPIES = {
    "noise_white_snr5": 0.3,
    "noise_white_snr20": 0.1,
    "room_small": 0.1,
    "codec_phone": 0.2,
    "speed_0.9": 0.1,
    "speed_1.1": 0.1,
    "gain_-20": 0.0,
}


def on_copies(head: str, skill: float, trained_on: str | None = None, drops: dict[str, float] = COPIES) -> Evaluation:
    """A head with a certain UA on clean utterances, and so much less on copies."""
    before = evaluation(head, skill, speakers=8)
    copies = [predictions(lambda s, d=drop: skill - d, speakers=8).assign(copy=name) for name, drop in drops.items()]
    scores = assess_copies(pd.concat(copies), before.predictions, sorted(CLASSES), STATISTICS)
    parameters = before.details.training.parameters | ({"copies": trained_on} if trained_on else {})
    return changed(before, training={"parameters": parameters}, robustness=scores)


def test_heads_stand_side_by_side_by_what_they_were_trained_on(tmp_path):
    page = write(tmp_path, [on_copies("clean-head", 0.9), on_copies("both-head", 0.9, "all")])
    section = re.search(r'<section aria-labelledby="robustness".*?</section>', page, re.S)[0]
    table = section[section.index("<table") :]
    assert re.findall(r"</span>([\w-]+)<br><small>trained on (.*?)</small>", table) == [
        ("clean-head", "clean only"),
        ("both-head", "clean and disturbed"),
    ]
    assert re.findall(r'<tr>(?:<th scope="rowgroup" rowspan="(\d)">(.*?)</th>)?<td>(.*?)</td>', table)[1:] == [
        *(("2", "white noise", "20 dB"), ("", "", "5 dB"), ("1", "room", "small"), ("1", "codec", "phone")),
        *(("2", "speed", "0.9"), ("", "", "1.1"), ("1", "gain", "-20 dB")),
    ]
    assert '<a href="#robustness">' in page
    written = pd.read_csv(tmp_path / "robustness.csv")
    assert len(written) == 2 * 3 * len(COPIES)
    assert set(written["trained_on"]) == {"clean", "all"}


def test_a_head_without_copies_has_no_column():
    with_copies, without = on_copies("with", 0.9).details, evaluation("without", 0.5, speakers=8).details
    assert robustness([with_copies, without]).heads == [with_copies]
    assert robustness([without]) is None


def test_clean_utterances_stand_in_their_place_among_the_strengths():
    heads = [on_copies("head", 0.9, drops={"gain_10": 0.1, "gain_-20": 0.1, "speed_1.1": 0, "noise_pink_snr5": 0.1})]
    shown = {
        group.title: [level.label if level else "clean" for level in group.levels]
        for group in robustness([head.details for head in heads]).groups
    }
    assert shown == {
        "gain": ["-20 dB", "clean", "+10 dB"],
        "speed": ["clean", "1.1"],
        "pink noise": ["clean", "5 dB"],
    }
