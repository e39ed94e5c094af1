"""One bar per class, as long as it is probable; of ratings, a mark on a scale."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFont, QPainter

from app.desktop.canvas import Canvas
from app.desktop.theme import Theme

_GLIDE = 0.35  # of the way to the new value, at each step
_ROW = 34  # pixels at most
_BAR = 18


class Bars(Canvas):
    """What is predicted of the last window.

    Attributes:
        values: what is shown, or what the bars glide to; None before the first answer and in silence.
    """

    def __init__(self, parent=None):
        super().__init__("Prediction", parent)
        self.names: list[str] = []
        self.values: np.ndarray | None = None
        self._scales: list[tuple[float, float]] | None = None
        self._shown = np.zeros(0)

    def set_outputs(self, names: Sequence[str], scales: Sequence[tuple[float, float]] | None) -> None:
        """Begin again with the outputs of a head.

        Args:
            names: of the classes or ratings.
            scales: lowest and highest value of each rating; None of classes.
        """
        self.names, self._scales = list(names), None if scales is None else list(scales)
        self.values, self._shown = None, np.zeros(len(self.names))
        self.describe("")
        self.update()

    def show_values(self, values: np.ndarray | None) -> None:
        """Show an answer's outputs [C]; None: nothing is predicted."""
        self.values = values
        shown = [] if values is None else zip(self.names, values, strict=True)
        self.describe(", ".join(f"{name} {self._text(value)}" for name, value in shown))
        self.update()

    def glide(self) -> None:
        """Move the bars some way to what they are to show; called many times a second."""
        target = self._shares()
        if len(target) and not np.allclose(self._shown, target, atol=1e-3):
            self._shown += _GLIDE * (target - self._shown)
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(320, 2 * self.margin + _ROW * max(4, len(self.names)))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(240, 2 * self.margin + 22 * max(3, len(self.names)))

    def draw(self, painter: QPainter, area: QRectF, theme: Theme) -> None:
        if not self.names:
            self.hint(painter, area, theme, "What is predicted will be here.")
            return
        metrics = painter.fontMetrics()
        label_width = min(area.width() * 0.4, max(metrics.horizontalAdvance(name) for name in self.names) + 12)
        value_width = metrics.horizontalAdvance("-00.00 ")
        row = min(_ROW, area.height() / len(self.names))
        top = area.top() + (area.height() - row * len(self.names)) / 2
        best = None if self.values is None or self._scales else int(np.argmax(self.values))
        for number, name in enumerate(self.names):
            line = QRectF(area.left(), top + number * row, area.width(), row)
            self._bold(painter, number == best)
            painter.setPen(theme.ink if self.values is not None else theme.faint)
            label = QRectF(line.left(), line.top(), label_width - 8, row)
            elided = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, int(label.width()))
            painter.drawText(label, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, elided)
            if self.values is not None:
                value = QRectF(line.right() - value_width, line.top(), value_width, row)
                text = self._text(self.values[number])
                painter.drawText(value, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text)
            height = min(_BAR, row * 0.6)
            bar = QRectF(line.left() + label_width, line.center().y() - height / 2, 0, height)
            bar.setRight(line.right() - value_width - 4)
            self._bar(painter, bar, number, theme)
        self._bold(painter, False)

    def _bar(self, painter: QPainter, bar: QRectF, number: int, theme: Theme) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.track)
        radius = bar.height() / 2
        share, colour = float(np.clip(self._shown[number], 0, 1)), theme.of_class(number)
        if self._scales is None:
            painter.drawRoundedRect(bar, radius / 2, radius / 2)
            filled = QRectF(bar.left(), bar.top(), bar.width() * share, bar.height())
            painter.setBrush(colour)
            painter.drawRoundedRect(filled, min(radius / 2, filled.width() / 2), radius / 2)
            return
        line = QRectF(bar.left() + radius, bar.center().y() - 2, bar.width() - 2 * radius, 4)
        painter.drawRoundedRect(line, 2, 2)
        if self.values is None:
            return
        painter.setBrush(colour)
        painter.drawEllipse(QRectF(line.left() + line.width() * share - radius, bar.top(), 2 * radius, 2 * radius))

    def _shares(self) -> np.ndarray:
        """Where each value is between the two ends of its bar, from 0 to 1."""
        if self.values is None:
            return np.zeros(len(self.names))
        if self._scales is None:
            return np.asarray(self.values, dtype=float)
        lowest, highest = np.array(self._scales).T
        return np.clip((self.values - lowest) / np.maximum(highest - lowest, 1e-9), 0, 1)

    def _text(self, value: float) -> str:
        return f"{value:.0%}" if self._scales is None else f"{value:.2f}"

    @staticmethod
    def _bold(painter: QPainter, bold: bool) -> None:
        font = QFont(painter.font())
        font.setBold(bold)
        painter.setFont(font)
