"""Pictures for the report: SVG that reads on light and on dark paper."""

import io
import re
from collections.abc import Sequence

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_INK = "#7d8590"  # legible on white and on near-black
_COLOURS = ("#2f81f7", "#d4622a", "#2f9e63", "#a259d9", "#c9a227", "#d6409f", "#1f9fb4", "#8b6f4e")


def colour(place: int) -> str:
    """The colour of the head at some place."""
    return _COLOURS[place % len(_COLOURS)]


def intervals(heads: Sequence[str], summaries: Sequence[dict], chance: float) -> str:
    """Each head's UA with its interval, one below the other, and chance as a line: SVG."""
    figure, axes = _new_figure(7.2, 0.7 + 0.42 * len(heads))
    for place, ua in enumerate(summaries):
        axes.plot([100 * ua["low"], 100 * ua["high"]], [place, place], color=colour(place), linewidth=3, alpha=0.45)
        axes.plot(100 * ua["mean"], place, "o", color=colour(place), markersize=8)
        at = (100 * ua["mean"], place)
        axes.annotate(f"{at[0]:.1f}", at, (0, 9), textcoords="offset points", ha="center", color=_INK)
    axes.axvline(100 * chance, color=_INK, linestyle=":", linewidth=1.2)
    axes.annotate("chance", (100 * chance, -0.55), (4, 0), textcoords="offset points", color=_INK, va="top")
    axes.set_yticks(range(len(heads)), heads)
    axes.set_ylim(len(heads) - 0.5, -0.75)
    axes.set_xlabel("UA in %, pooled over folds, with 95 % interval over speakers")
    return _svg(figure, "UA of each head with its interval")


def learning_curves(head: str, curve: pd.DataFrame, place: int) -> str:
    """Loss and UA by epoch, mean over folds and seeds, as long as half of the runs were still training: SVG."""
    curve = curve[curve["runs"] >= curve["runs"].max() / 2]
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    _style(figure, loss)
    _style(figure, accuracy)
    loss.plot(curve["epoch"], curve["train_loss"], color=_INK, linestyle="--", label="training")
    loss.set_ylabel("loss")
    if curve["validation_ua"].notna().any():
        loss.plot(curve["epoch"], curve["validation_loss"], color=colour(place), label="validation")
        accuracy.plot(curve["epoch"], 100 * curve["validation_ua"], color=colour(place), label="UA")
        accuracy.plot(curve["epoch"], 100 * curve["validation_wa"], color=colour(place), linestyle=":", label="WA")
        accuracy.set_ylabel("validation, %")
        _legend(accuracy)
    else:
        accuracy.annotate("no validation", (0.5, 0.5), xycoords="axes fraction", ha="center", color=_INK)
    _legend(loss)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    return _svg(figure, f"Learning curves of {head}")


def _new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    _style(figure, axes)
    return figure, axes


def _style(figure: Figure, axes: Axes) -> None:
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    axes.tick_params(colors=_INK, labelsize=9)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_INK)
    axes.grid(color=_INK, alpha=0.15)


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, labelcolor=_INK, fontsize=9)


def _svg(figure: Figure, label: str) -> str:
    """The figure as an SVG element: the same bytes each time, sized by the page, labelled for screen readers."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": label, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
