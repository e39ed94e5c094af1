"""Tables in plain text, as listings print them."""

from collections.abc import Collection, Iterator, Sequence


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str]) -> Iterator[str]:
    """A line for the columns' names and one for each row; the columns of ``numbers`` are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in [columns, *rows]:
        cells = [
            f"{cell:>{width}}" if column in numbers else f"{cell:<{width}}"
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        yield "  ".join(cells).rstrip()
