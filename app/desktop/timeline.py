"""The last minute: the probabilities of every window, one on top of the other; of ratings, lines."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from app.desktop.canvas import Canvas
from app.desktop.theme import Theme

_FOOT, _HEAD = 18, 20  # pixels, of the time axis and of the key


class Timeline(Canvas):
    """What was predicted over the last minute.

    Args:
        seconds: that it goes back.
    """

    def __init__(self, seconds: float = 60.0, parent=None):
        super().__init__("Timeline of the last minute", parent)
        self._seconds = seconds
        self._names: list[str] = []
        self._scales: list[tuple[float, float]] | None = None
        self._hop = 0.5
        self.points: list[tuple[float, np.ndarray | None]] = []

    def set_outputs(self, names: Sequence[str], scales, hop: float) -> None:
        """Begin again with the outputs of a head; see `Bars.set_outputs`."""
        self._names, self._scales, self._hop = list(names), scales, hop
        self.points = []
        self.update()

    def add(self, time: float, values: np.ndarray | None) -> None:
        """Append a window that ends at some second; without values it was silent, or could not be analysed."""
        self.points.append((time, values))
        while self.points[0][0] < time - self._seconds:
            del self.points[0]
        self.describe(f"{len(self.points)} windows until {time:.1f} s")
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(800, 170)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(320, 110)

    def draw(self, painter: QPainter, area: QRectF, theme: Theme) -> None:
        if not self.points:
            self.hint(painter, area, theme, "The last minute will be here.")
            return
        plot = area.adjusted(0, _HEAD, 0, -_FOOT)
        painter.fillRect(plot, theme.track)
        end = max(self.points[-1][0], self._seconds)
        painter.save()
        painter.setClipRect(plot)
        if self._scales is None:
            self._stacks(painter, plot, end, theme)
        else:
            self._lines(painter, plot, end, theme)
        painter.restore()
        self._axis(painter, area, plot, end, theme)
        self._key(painter, area, theme)

    def _stacks(self, painter: QPainter, plot: QRectF, end: float, theme: Theme) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for time, values in self.points:
            if values is None:
                continue
            right = self._across(plot, time, end)
            left = max(self._across(plot, time - self._hop, end), plot.left())
            bottom = plot.bottom()
            best = int(np.argmax(values))
            for number, value in enumerate(values):
                colour = QColor(theme.of_class(number))
                colour.setAlphaF(1.0 if number == best else 0.45)
                height = plot.height() * float(value)
                painter.fillRect(QRectF(left, bottom - height, right - left, height), colour)
                bottom -= height
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)

    def _lines(self, painter: QPainter, plot: QRectF, end: float, theme: Theme) -> None:
        for number, (lowest, highest) in enumerate(self._scales):
            painter.setPen(QPen(theme.of_class(number), 2))
            line = QPolygonF()
            for time, values in [*self.points, (0.0, None)]:
                if values is None:
                    painter.drawPolyline(line)
                    line = QPolygonF()
                    continue
                share = float(np.clip((values[number] - lowest) / max(highest - lowest, 1e-9), 0, 1))
                line.append(QPointF(self._across(plot, time, end), plot.bottom() - share * plot.height()))

    def _axis(self, painter: QPainter, area: QRectF, plot: QRectF, end: float, theme: Theme) -> None:
        painter.setPen(theme.faint)
        first = int(np.ceil((end - self._seconds) / 10) * 10)
        for time in range(first, int(end) + 1, 10):
            across = self._across(plot, time, end)
            painter.drawLine(QPointF(across, plot.bottom()), QPointF(across, plot.bottom() + 3))
            text = f"{time // 60}:{time % 60:02}"
            width = painter.fontMetrics().horizontalAdvance(text) + 4
            left = min(max(across - width / 2, area.left()), area.right() - width)
            painter.drawText(QRectF(left, plot.bottom() + 3, width, _FOOT - 3), Qt.AlignmentFlag.AlignCenter, text)

    def _key(self, painter: QPainter, area: QRectF, theme: Theme) -> None:
        left, metrics = area.left(), painter.fontMetrics()
        for number, name in enumerate(self._names):
            width = metrics.horizontalAdvance(name)
            if left + width + 14 > area.right():
                return
            painter.fillRect(QRectF(left, area.top() + 3, 9, 9), theme.of_class(number))
            painter.setPen(theme.ink)
            text = QRectF(left + 13, area.top() - 2, width + 2, _HEAD)
            painter.drawText(text, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, name)
            left += width + 30

    def _across(self, plot: QRectF, time: float, end: float) -> float:
        return plot.right() - (end - time) / self._seconds * plot.width()
