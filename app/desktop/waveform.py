"""The window that was analysed, and where the head attended."""

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from app.desktop.canvas import Canvas
from app.desktop.theme import Theme

_FOOT = 18  # pixels, of the time axis


class Waveform(Canvas):
    """The last window's waveform; the shading behind it is the attention, darkest where the head attended most."""

    def __init__(self, parent=None):
        super().__init__("Waveform of the analysed window", parent)
        self.waveform: np.ndarray | None = None
        self.attention: np.ndarray | None = None
        self._seconds = 0.0
        self._end = 0.0

    def show_window(self, waveform: np.ndarray | None, sample_rate: int, end: float, attention) -> None:
        """Show a window.

        Args:
            waveform: float32 [num_samples]; None for an empty card.
            sample_rate: Hz.
            end: of the window, in seconds.
            attention: [T]; None without.
        """
        self.waveform, self.attention, self._end = waveform, attention, end
        self._seconds = 0.0 if waveform is None else len(waveform) / sample_rate
        self.describe("" if waveform is None else f"{self._seconds:.1f} seconds, until {end:.1f} s")
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(460, 200)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(240, 110)

    def draw(self, painter: QPainter, area: QRectF, theme: Theme) -> None:
        if self.waveform is None or not len(self.waveform):
            self.hint(painter, area, theme, "Speak, or drop a recording here.")
            return
        plot = area.adjusted(0, 0, 0, -_FOOT)
        if self.attention is not None:
            self._shade(painter, plot, theme)
        self._wave(painter, plot, theme)
        painter.setPen(theme.faint)
        foot = QRectF(area.left(), plot.bottom() + 2, area.width(), _FOOT)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft | middle, f"{max(0.0, self._end - self._seconds):.1f} s")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight | middle, f"{self._end:.1f} s")
        if self.attention is not None:
            painter.setPen(theme.accent)
            painter.drawText(foot, Qt.AlignmentFlag.AlignHCenter | middle, "shaded: attention")

    def _shade(self, painter: QPainter, plot: QRectF, theme: Theme) -> None:
        """One column per frame; the strongest attention is darkest, the mean of an even one is pale."""
        attention = np.asarray(self.attention, dtype=float)
        strength = np.clip(attention / max(attention.max(), 3 / len(attention)), 0, 1)
        edges = np.round(np.linspace(plot.left(), plot.right(), len(strength) + 1))  # columns that do not overlap
        colour = QColor(theme.accent)
        for left, right, value in zip(edges[:-1], edges[1:], strength, strict=True):
            colour.setAlphaF(float(0.55 * value))
            painter.fillRect(QRectF(left, plot.top(), right - left, plot.height()), colour)

    def _wave(self, painter: QPainter, plot: QRectF, theme: Theme) -> None:
        """The lowest and the highest sample of every pixel column, as one filled outline."""
        columns = max(2, min(int(plot.width()), len(self.waveform)))
        edges = np.linspace(0, len(self.waveform), columns, endpoint=False).astype(int)
        lowest, highest = np.minimum.reduceat(self.waveform, edges), np.maximum.reduceat(self.waveform, edges)
        scale = plot.height() / 2 / max(0.1, min(1.0, float(np.abs(self.waveform).max())))
        middle, step = plot.center().y(), plot.width() / (columns - 1)
        above = [
            QPointF(plot.left() + n * step, middle - float(np.clip(v * scale, -1e4, 1e4)))
            for n, v in enumerate(highest)
        ]
        below = [
            QPointF(plot.left() + n * step, middle - float(np.clip(v * scale, -1e4, 1e4))) for n, v in enumerate(lowest)
        ]
        painter.save()
        painter.setClipRect(plot)
        painter.setPen(QPen(theme.ink, 1))
        painter.setBrush(theme.ink)
        painter.drawPolygon(QPolygonF(above + below[::-1]))
        painter.restore()
