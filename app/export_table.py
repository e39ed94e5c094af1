"""The variants of an exported head side by side, in a terminal and in sentences."""

from rich.console import Console
from rich.table import Table

from inference.export.comparison import Comparison, Row

_WORTH_IT = 1.25  # times as fast


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print a table of all variants, and what follows from it."""
    columns = ("MB", "ms a\nclip", "real-time\nfactor", f"{comparison.metric}{score_unit(comparison)}")
    for part in parts(comparison):
        table = Table(box=None, header_style="bold", title=f"\n{part}", title_justify="left", pad_edge=False)
        table.add_column("")
        for name in (*columns, "difference\n[95 %]", "equal\nin %"):
            table.add_column(name, justify="right", no_wrap=True, vertical="bottom")
        for row in rows_of(comparison, part):
            table.add_row(
                row.variant,
                "" if row.megabytes is None else megabytes(row.megabytes),
                three_digits(row.milliseconds),
                three_digits(row.real_time_factor),
                score(comparison, row),
                "" if row.difference is None else difference(comparison, row),
                "" if row.equal is None else f"{100 * row.equal:.1f}",
            )
        console.print(table)
    console.print()
    for sentence in [*verdicts(comparison), *remarks(comparison)]:
        console.print(sentence, soft_wrap=True, highlight=False)


def parts(comparison: Comparison) -> list[str]:
    """The parts that were compared."""
    return list(dict.fromkeys(row.part for row in comparison.rows))


def rows_of(comparison: Comparison, part: str) -> list[Row]:
    """The variants of a part."""
    return [row for row in comparison.rows if row.part == part]


def remarks(comparison: Comparison) -> list[str]:
    """How the figures were taken, and what they leave out."""
    runs = f"{len(comparison.runs)} {'runs' if len(comparison.runs) > 1 else 'run'}"
    speakers = f"{comparison.speakers} {'speakers' if comparison.speakers != 1 else 'speaker'}"
    threads = f"{comparison.threads} {'thread' if comparison.threads == 1 else 'threads'}"
    alone = "" if comparison.speakers > 1 else " Intervals are drawn over speakers, so there is none of one."
    return [
        f"{comparison.metric} and equal predictions: {comparison.utterances:,} test utterances of "
        f"{speakers}, each predicted by a run that does not know it ({runs}); static "
        f"int8 was calibrated on utterances that this run was trained or chosen on.{alone}",
        "The head alone is given the stored frames, encoder and head the clips, in float32, so that their scores may "
        "differ a little.",
        f"Time: the median for a clip of {comparison.clip_seconds:.1f} s on {threads}, all variants in turn. The "
        "real-time factor is that by the clip's seconds.",
        *comparison.notes,
    ]


def verdicts(comparison: Comparison) -> list[str]:
    """What the figures say, a sentence a part."""
    return [_verdict(comparison, part) for part in parts(comparison)]


def _verdict(comparison: Comparison, part: str) -> str:
    torch, exact, *quantised = rows_of(comparison, part)
    fastest = min([exact, *quantised], key=lambda row: row.milliseconds)
    times = exact.milliseconds / fastest.milliseconds
    begin = f"{part.capitalize()}: float32 takes {_share(exact.milliseconds, torch.milliseconds)} of torch's time. "
    if fastest is exact or times < _WORTH_IT:
        return f"{begin}No int8 file is {_WORTH_IT:g} times as fast as float32: int8 does not pay here."
    equal = "" if fastest.equal is None else f", {100 * fastest.equal:.1f} % of predictions as torch's"
    return (
        f"{begin}The fastest is {fastest.variant}: {times:.1f} times as fast as float32, "
        f"{_share(fastest.megabytes, exact.megabytes)} of its size; {comparison.metric} "
        f"{difference(comparison, fastest)}{equal}."
    )


def score_unit(comparison: Comparison) -> str:
    """What stands behind the name of the score."""
    return " in %" if comparison.metric == "UA" else ""


def score(comparison: Comparison, row: Row) -> str:
    """UA in percent, or CCC."""
    return f"{100 * row.score:.1f}" if comparison.metric == "UA" else f"{row.score:.3f}"


def difference(comparison: Comparison, row: Row) -> str:
    """The score's difference from torch's and its interval, UA in percentage points."""
    scale, form = (100, "+.1f") if comparison.metric == "UA" else (1, "+.3f")
    around = "" if row.low is None else f" [{_signed(scale * row.low, form)}, {_signed(scale * row.high, form)}]"
    return _signed(scale * row.difference, form) + around


def megabytes(value: float) -> str:
    """A file's size."""
    return f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def three_digits(value: float) -> str:
    """As many digits as a time is good for."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else f"{value:.5f}"


def _signed(value: float, form: str) -> str:
    text = format(value, form)
    return text if float(text) else text.lstrip("+-")


def _share(one: float, other: float) -> str:
    return f"{100 * one / other:.0f} %"
