"""Pictures for the report: SVG that is legible on a light and on a dark background."""

import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.comparison import Comparison
from evaluation.ranking import Ranking
from evaluation.regression_comparison import RegressionComparison
from evaluation.results import Details, Interval, LayerWeight, RegressionDetails

_INK = "#7d8590"  # legible on white and on near-black
_COLOURS = ("#2f81f7", "#d4622a", "#2f9e63", "#a259d9", "#c9a227", "#d6409f", "#1f9fb4", "#8b6f4e")
_MARKERS = "os^Dv<>p*Xhd"
_WIDTH = 7.2  # inches, of a figure across the page
_PANELS = ("loss", "scores", "CCC", "gradient norm", "learning rate", "alpha")
_LINES = {
    **{"training": "--", "training UA": "--", "training CCC": "--", "speakers": ":"},
    **{"validation": "-", "validation UA": "-", "validation WA": ":", "validation F1": "-."},
}


def colour(position: int) -> str:
    """The colour of the head at some position."""
    return _COLOURS[position % len(_COLOURS)]


def intervals(heads: Sequence[Details], colours: Mapping[str, str], chance: float) -> str:
    """Each head's UA with its interval, one below the other, and chance as a line: SVG."""
    figure, axes = _new_figure(_WIDTH, 0.7 + 0.42 * len(heads))
    for row, head in enumerate(heads):
        ua = head.metrics["ua"]
        _interval(axes, row, ua.mean, ua.low, ua.high, colours[head.head])
    _line_across(axes, 100 * chance, "chance")
    _rows(axes, [head.head for head in heads])
    axes.set_xlabel("UA in %, pooled over folds, with 95 % interval over speakers")
    return _svg(figure, f"UA of {_named(heads)} with intervals; the table below has the numbers")


def differences(comparisons: Sequence[Comparison], colours: Mapping[str, str], reference: str) -> str:
    """Each head's UA minus the reference's, with its interval: SVG."""
    figure, axes = _new_figure(_WIDTH, 0.7 + 0.42 * len(comparisons))
    for row, comparison in enumerate(comparisons):
        ua = comparison.metrics["ua"]
        _interval(axes, row, ua.value, ua.low, ua.high, colours[comparison.head], "+.1f")
    _line_across(axes, 0, reference)
    _rows(axes, [comparison.head for comparison in comparisons])
    axes.set_xlabel(f"UA minus that of {reference}, percentage points, with 95 % interval over speakers")
    return _svg(figure, f"Difference between each head and {reference}; the table below has the numbers")


def concordances(heads: Sequence[RegressionDetails], colours: Mapping[str, str]) -> str:
    """Each head's CCC with its interval, and hollow the CCC of each target, one head below the other: SVG."""
    figure, axes = _new_figure(_WIDTH, 1.0 + 0.42 * len(heads))
    for row, head in enumerate(heads):
        ccc = head.metrics["ccc"]
        _interval(axes, row, ccc.mean, ccc.low, ccc.high, colours[head.head], ".2f", unit=1)
        for position, target in enumerate(head.per_target if len(head.targets) > 1 else []):
            label = None if row else target.name
            marker, value = _MARKERS[position + 1], target.metrics["ccc"].mean
            axes.plot(value, row, marker, markerfacecolor="none", color=_INK, label=label, linestyle="none")
    _line_across(axes, 0, "constant", above=1.35)
    _rows(axes, [head.head for head in heads], above=1.5)
    axes.set_xlabel("CCC, pooled over folds: mean over targets, with 95 % interval over speakers")
    if len(heads[0].targets) > 1:
        _legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(heads[0].targets))
    return _svg(figure, f"CCC of {_named(heads)} with intervals; the table below has the numbers")


def concordance_differences(
    comparisons: Sequence[RegressionComparison], colours: Mapping[str, str], reference: str
) -> str:
    """Each head's CCC minus the reference's, with its interval: SVG."""
    figure, axes = _new_figure(_WIDTH, 0.7 + 0.42 * len(comparisons))
    for row, comparison in enumerate(comparisons):
        ccc = comparison.metrics["ccc"]
        _interval(axes, row, ccc.value, ccc.low, ccc.high, colours[comparison.head], "+.2f", unit=1)
    _line_across(axes, 0, reference)
    _rows(axes, [comparison.head for comparison in comparisons])
    axes.set_xlabel(f"CCC minus that of {reference}, mean over targets, with 95 % interval over speakers")
    return _svg(figure, f"CCC of each head minus that of {reference}; the table below has the numbers")


def ratings(
    heads: Sequence[RegressionDetails], predictions: Mapping[str, pd.DataFrame], colours: Mapping[str, str]
) -> str:
    """Predicted against true ratings, a row per head and a column per target, on common axes: SVG.

    Args:
        heads: all of the same targets.
        predictions: head -> ``<target>`` and ``predicted_<target>`` of each point.
        colours: head -> colour.
    """
    targets = heads[0].targets
    rows, columns = len(heads), len(targets)
    figure = Figure(figsize=(_WIDTH, 0.3 + rows * _WIDTH / max(columns, 3)), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for head, of_head in zip(heads, grid, strict=True):
        for target, axes in zip(head.per_target, of_head, strict=True):
            _style(figure, axes)
            own, margin = predictions[head.head], 0.06 * (target.most - target.least)
            lowest, highest = target.least - margin, target.most + margin
            points = own[target.name], own[f"predicted_{target.name}"].clip(lowest, highest)
            axes.plot([lowest, highest], [lowest, highest], ":", color=_INK, linewidth=1.2)
            axes.scatter(*points, 9, color=colours[head.head], alpha=0.3, linewidths=0, rasterized=True)
            axes.set_xlim(lowest, highest)
            axes.set_ylim(lowest, highest)
            axes.set_aspect("equal")
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.yaxis.set_major_locator(MaxNLocator(5))
            named = head.head if target is head.per_target[0] else ""
            ccc = target.metrics["ccc"].mean
            axes.set_title(f"{named}\n{target.name}, CCC {ccc:.2f}", fontsize=9, color=_INK)
    figure.supxlabel("true rating", color=_INK, fontsize=10)
    figure.supylabel("predicted", color=_INK, fontsize=10)
    return _svg(figure, f"Predicted against true ratings of {_named(heads)}; the tables have CCC, Pearson and MAE")


def leakage(heads: Sequence[Details], colours: Mapping[str, str]) -> str:
    """Speaker identification accuracy from each head's embedding, and from raw features: SVG."""
    figure, axes = _new_figure(_WIDTH, 0.9 + 0.42 * len(heads))
    for row, head in enumerate(heads):
        probe = head.training.leakage
        values = [fold.embedding for fold in probe.per_fold]
        _interval(axes, row, probe.mean.embedding, min(values), max(values), colours[head.head])
        label = None if row else "raw features, pooled"
        axes.plot(100 * probe.mean.raw, row, "D", markerfacecolor="none", color=_INK, label=label)
    mean = heads[0].training.leakage.mean
    _line_across(axes, 100 * mean.chance, "chance", above=1.35)
    if mean.session_gender > mean.chance:
        _line_across(axes, 100 * mean.session_gender, "session and gender alone", above=1.35)
    _rows(axes, [head.head for head in heads], above=1.5)
    axes.set_xlabel("balanced accuracy over speakers in %; bar: range over folds")
    _legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1))
    return _svg(figure, f"Speaker leakage of {_named(heads)}; the table below has the numbers")


def learning_curves(head: str, curve: pd.DataFrame, shade: str) -> str:
    """What training measured by epoch, mean over folds and seeds, a panel per quantity that was measured: SVG."""
    curve = curve[~curve["series"].isin(["training WA", "training F1"])]  # they would hide the others
    panels = [name for name in _PANELS if name in set(curve["panel"])]
    figure = Figure(figsize=(_WIDTH, 2.2 * -(-len(panels) // 2)), layout="constrained")
    grid = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).flat
    for name, axes in zip_longest(panels, grid):
        _style(figure, axes)
        if name is None:
            axes.set_axis_off()
            continue
        rows = curve[curve["panel"] == name]
        for series, values in rows.groupby("series", sort=False):
            axes.plot(
                values["epoch"],
                (100 if name == "scores" else 1) * values["value"],
                _LINES.get(series, "-"),
                color=_INK if series.startswith(("training", "speakers")) else shade,
                marker="." if len(values) == 1 else None,
                label=series,
            )
        if name in ("loss", "scores", "CCC"):
            columns = {"loss": 3}.get(name, 2)
            above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "ncols": columns}  # free of the curves
            _legend(axes, **above, handlelength=1.8, labelspacing=0.2, columnspacing=1)
        axes.set_ylabel("score, %" if name == "scores" else name)
        axes.set_xlabel("epoch")
        axes.set_xlim(curve["epoch"].min() - 0.5, curve["epoch"].max() + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return _svg(figure, f"Learning curves of {head}: {', '.join(panels)}")


def reliability(heads: Sequence[Details], colours: Mapping[str, str]) -> str:
    """Accuracy by confidence, a small diagram per head: SVG."""
    columns = min(4, len(heads))
    rows = -(-len(heads) // columns)
    figure = Figure(figsize=(_WIDTH, 2.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for head, axes in zip_longest(heads, grid):
        _style(figure, axes)
        if head is None:
            axes.set_axis_off()
            continue
        bins, shade = head.calibration.bins, colours[head.head]
        axes.plot([0, 100], [0, 100], ":", color=_INK)
        confidence = [100 * bin.confidence for bin in bins]
        accuracy = [100 * bin.accuracy for bin in bins]
        axes.plot(confidence, accuracy, color=shade, linewidth=1.2)
        axes.scatter(confidence, accuracy, [8 + 150 * bin.share for bin in bins], color=shade, alpha=0.8)
        axes.set_title(head.head, fontsize=9, color=_INK)
    figure.supxlabel("confidence, %", color=_INK, fontsize=10)
    figure.supylabel("accuracy, %", color=_INK, fontsize=10)
    return _svg(figure, f"Accuracy by confidence of {_named(heads)}; the table below has the calibration errors")


def embedding(head: str, points: pd.DataFrame, classes: Sequence[str]) -> str:
    """t-SNE of one run, by emotion, by speaker, and by corpus where there are several: SVG.

    Test speakers are filled, validation speakers hollow.
    """
    names = {"emotion": list(classes), "speaker": sorted(points["speaker"].unique())}
    if points["corpus"].nunique() > 1:
        names["corpus"] = sorted(points["corpus"].unique())
    figure = Figure(figsize=(_WIDTH, 3.9 if len(names) == 2 else 3.2), layout="constrained")
    for axes, (by, groups) in zip(figure.subplots(1, len(names)), names.items(), strict=True):
        _style(figure, axes)
        axes.grid(False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        for position, name in enumerate(groups):
            rows = points[points[by] == name]
            shade, marker = colour(position), _MARKERS[position % len(_MARKERS)]
            for role, face in (("test", shade), ("validation", "none")):
                some = rows[rows["role"] == role]
                how = {"facecolors": face, "edgecolors": shade, "linewidths": 0.8, "rasterized": True}
                axes.scatter(some["x"], some["y"], 16, marker=marker, **how)
            axes.scatter([], [], 24, color=shade, marker=marker, label=name)
        axes.set_title(f"by {by}", fontsize=10, color=_INK)
        columns = min(4 if len(names) == 2 else 2, len(groups))
        _legend(axes, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=columns, handletextpad=0.1, columnspacing=0.8)
    return _svg(figure, f"Embedding of {head} in two dimensions, by {', '.join(names)}")


def attention(head: str, table: pd.DataFrame, waveforms: Mapping[str, dict], shade: str) -> str:
    """Attention over time in some utterances, under the waveform where there is one: SVG."""
    examples = list(table.groupby("example"))
    figure = Figure(figsize=(_WIDTH, 1.75 * len(examples)), layout="constrained")
    longest = table["second"].max()
    for axes, (_, rows) in zip(figure.subplots(len(examples), 1, squeeze=False).flat, examples, strict=True):
        _style(figure, axes)
        first = rows.iloc[0]
        if waveforms:
            wave = waveforms[first["id"]]
            top = axes.twinx()
            _style(figure, top)
            top.fill_between(wave["second"], wave["low"], wave["high"], color=_INK, alpha=0.45, linewidth=0)
            largest = max(map(abs, wave["low"] + wave["high"])) or 1
            top.set_ylim(-5 * largest, 1.2 * largest)  # the upper part of the picture
            top.set_axis_off()
        axes.fill_between(rows["second"], rows["attention"], color=shade, alpha=0.35, linewidth=0)
        axes.plot(rows["second"], rows["attention"], color=shade, linewidth=1.2)
        axes.axhline(1, color=_INK, linestyle=":", linewidth=1)
        axes.set_ylim(0, rows["attention"].max() * (1.9 if waveforms else 1.1))
        axes.set_xlim(0, longest)
        correct = first["label"] == first["predicted"]
        verdict = (
            f"correct: {first['label']}" if correct else f"wrong: {first['predicted']} instead of {first['label']}"
        )
        title = f"{first['id']}, {verdict} (confidence {100 * first['confidence']:.0f} %)"
        axes.set_title(title, fontsize=9, color=_INK, loc="left")
        axes.set_ylabel("attention", fontsize=9)
    axes.set_xlabel("time, s")
    return _svg(figure, f"Attention of {head} over time in {len(examples)} utterances")


def layer_weights(head: str, weights: Sequence[LayerWeight], shade: str) -> str:
    """The weight of each layer, with its range over folds and seeds, and equal weights as a line: SVG."""
    figure, axes = _new_figure(_WIDTH, 2.2)
    layers = [row.layer for row in weights]
    values = [row.weight for row in weights]
    below = [row.weight - row.least for row in weights]
    above = [row.most - row.weight for row in weights]
    axes.bar(layers, values, color=shade, alpha=0.8)
    axes.errorbar(layers, values, [below, above], fmt="none", ecolor=_INK, elinewidth=1)
    axes.axhline(1 / len(weights), color=_INK, linestyle=":", linewidth=1.2)
    axes.set_xticks(layers)
    axes.set_xlabel("layer")
    axes.set_ylabel("weight")
    named = "; ".join(f"layer {layer} {value:.3f}" for layer, value in zip(layers, values, strict=True))
    return _svg(figure, f"Layer weights of {head}: {named}")


def critical_difference(methods: Sequence[str], ranking: Ranking) -> str:
    """Mean ranks on a line, each named to its left or right, and bars that join those that do not differ: SVG.

    Args:
        methods: in the order of the ranking.
        ranking: from `evaluation.ranking.rank_methods`.

    Source: Demšar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets", Figure 1.
    """
    ordered = sorted(zip(ranking.mean_ranks, methods, strict=True))
    left = -(-len(ordered) // 2)
    bars = ranking.groups
    first, last, top = 1, len(ordered), 1.3 + 0.45 * len(bars)
    figure, axes = _new_figure(_WIDTH, 0.6 + 0.24 * (top + left))
    margin = 0.62 * (last - first)
    axes.set_axis_off()
    axes.set_xlim(first - margin, last + margin)
    axes.set_ylim(top + left, -2.4)
    axes.plot([first, last], [0, 0], color=_INK, linewidth=1)
    for rank in range(first, last + 1):
        axes.plot([rank, rank], [0, -0.25], color=_INK, linewidth=1)
        axes.text(rank, -0.4, str(rank), ha="center", va="bottom", color=_INK, fontsize=9)
    axes.plot([first, first + ranking.critical_difference], [-1.7, -1.7], color=_INK, linewidth=2.5)
    axes.text(first, -1.85, f"critical difference {ranking.critical_difference:.2f}", color=_INK, fontsize=9)
    for row, (start, end) in enumerate(bars):
        axes.plot([start - 0.05, end + 0.05], [0.55 + 0.45 * row] * 2, color=_COLOURS[0], linewidth=4, alpha=0.8)
    for position, (rank, name) in enumerate(ordered):
        is_left = position < left
        row = top + (position if is_left else len(ordered) - 1 - position)
        side, align = (first - 0.05, "right") if is_left else (last + 0.05, "left")
        axes.plot([rank, rank, side], [0, row, row], color=_INK, linewidth=1)
        name = f"{name} {rank:.2f}" if is_left else f"{rank:.2f} {name}"
        axes.annotate(
            name,
            (side, row),
            (-4 if is_left else 4, 0),
            textcoords="offset points",
            ha=align,
            va="center",
            color=_INK,
            fontsize=9,
        )
    return _svg(figure, f"Mean ranks over corpora: {', '.join(f'{name} {rank:.2f}' for rank, name in ordered)}")


@dataclass(frozen=True)
class Panel:
    """One panel of a figure: a value with its interval for each head at some places.

    Attributes:
        title: above it.
        labels: of the places.
        is_scale: whether the places are in an order that a line may follow.
        by_head: head -> its values, None where there is none.
    """

    title: str
    labels: list[str]
    is_scale: bool
    by_head: dict[str, list[Interval | None]]


def robustness(panels: Sequence[Panel], filled: Mapping[str, bool], colours: Mapping[str, str]) -> str:
    """UA with its interval by strength, a panel per disturbance: SVG.

    Args:
        panels: of the heads' UA.
        filled: head -> whether its markers are filled and its lines solid.
        colours: head -> colour.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(_WIDTH, 0.5 + 2.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).flat
    looks = {
        head: {"color": colours[head], "markerfacecolor": colours[head] if solid else "none", "markersize": 5}
        for head, solid in filled.items()
    }
    lines = {head: "-" if solid else "--" for head, solid in filled.items()}
    for panel, axes in zip_longest(panels, grid):
        _style(figure, axes)
        if panel is None:
            axes.set_axis_off()
            continue
        for number, head in enumerate(filled):
            shift = 0.1 * (number - (len(filled) - 1) / 2)
            known = [(place + shift, ua) for place, ua in enumerate(panel.by_head[head]) if ua]
            for place, ua in known:
                axes.plot([place, place], [100 * ua.low, 100 * ua.high], color=colours[head], linewidth=2, alpha=0.35)
            places, values = [place for place, _ in known], [100 * ua.value for _, ua in known]
            axes.plot(places, values, f"o{lines[head] if panel.is_scale else ''}", **looks[head])
        axes.set_xticks(range(len(panel.labels)), panel.labels)
        axes.set_xlim(-0.5, len(panel.labels) - 0.5)
        axes.set_title(panel.title, fontsize=9, color=_INK)
    for head, look in looks.items():
        figure.axes[0].plot([], [], f"o{lines[head]}", label=head, **look)
    figure.legend(loc="outside upper center", frameon=False, labelcolor=_INK, fontsize=9, ncols=min(4, len(filled)))
    figure.supylabel("UA, %", color=_INK, fontsize=10)
    return _svg(figure, f"UA of {', '.join(filled)} on disturbed copies; the table below has the numbers")


def _named(heads: Sequence[Details]) -> str:
    return ", ".join(head.head for head in heads)


def _interval(
    axes: Axes, row: int, value: float, low: float, high: float, shade: str, number: str = ".1f", unit: float = 100
) -> None:
    """A point with its interval and its number: shares that are shown in %, unless the unit is another."""
    axes.plot([unit * low, unit * high], [row, row], color=shade, linewidth=3, alpha=0.45)
    axes.plot(unit * value, row, "o", color=shade, markersize=8)
    text = format(unit * value, number)
    axes.annotate(text, (unit * value, row), (0, 9), textcoords="offset points", ha="center", color=_INK)


def _line_across(axes: Axes, value: float, name: str, above: float = 0.55) -> None:
    axes.axvline(value, color=_INK, linestyle=":", linewidth=1.2)
    axes.annotate(name, (value, -above), (4, 0), textcoords="offset points", color=_INK, va="top")


def _rows(axes: Axes, names: Sequence[str], above: float = 0.75) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -above)


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


def _legend(axes: Axes, **how) -> None:
    axes.legend(frameon=False, labelcolor=_INK, fontsize=9, **how)


def _svg(figure: Figure, label: str) -> str:
    """The figure as an SVG element: the same bytes each time, sized by the page, labelled for screen readers.

    The label also makes the ids within it, so no two figures of a page may share one.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": label, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=170)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<image[^>]*?) id="[^"]*"', r"\1", svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # nothing refers to them, and other figures have the same
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
