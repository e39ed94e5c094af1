"""Figures show what is there, and nothing where nothing is."""

import re

import pandas as pd

from report.figures import learning_curves


def curve(*series: tuple[str, str]) -> pd.DataFrame:
    rows = [(epoch, panel, name, 0.1 * epoch) for panel, name in series for epoch in (1, 2, 3)]
    return pd.DataFrame(rows, columns=["epoch", "panel", "series", "value"])


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def test_scores_of_training_and_validation_share_a_panel_beside_the_gradient_norm():
    series = [("loss", "training"), ("loss", "validation"), ("scores", "validation UA"), ("scores", "training UA")]
    shown = texts(learning_curves("gru", curve(*series, ("gradient norm", "gradient norm")), "#2f81f7"))
    for text in ("loss", "score, %", "gradient norm", "validation UA", "training UA"):
        assert text in shown


def test_a_panel_without_values_is_left_out():
    svg = learning_curves("gru", curve(("loss", "training"), ("learning rate", "learning rate")), "#2f81f7")
    assert texts(svg).count("epoch") == 2
    assert not {"score, %", "alpha", "gradient norm"} & set(texts(svg))
    assert 'aria-label="Learning curves of gru: loss, learning rate"' in svg
