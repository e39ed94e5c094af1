"""How loud the microphone is right now."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QLinearGradient, QPainter
from PySide6.QtWidgets import QSizePolicy

from app.desktop.canvas import Canvas
from app.desktop.theme import Theme
from inference.live.loudness import FULL_SCALE, QUIETEST, Level

_FLOOR = -60.0  # dB: the left end
_LOUD = -12.0  # dB from which it is yellow
_TOO_LOUD = -3.0  # dB from which it is red
_FALL = 1.5  # dB at each step, so that the eye can follow


class LevelMeter(Canvas):
    """A bar from -60 dB to full scale; its end stays red for a while after a sample was clipped."""

    margin = 0

    def __init__(self, parent=None):
        super().__init__("Level of the microphone", parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._db = QUIETEST
        self._clipped_for = 0  # steps that the end still stays red
        self.setToolTip("Level: it should reach the middle when you speak, and never the right end")

    @property
    def db(self) -> float:
        """What is shown."""
        return self._db

    def show_level(self, level: Level) -> None:
        """Rise at once, and fall slowly; called many times a second."""
        before = self._db, self._clipped_for
        self._db = max(level.db, max(self._db, _FLOOR - 1) - _FALL)
        self._clipped_for = 20 if level.peak >= FULL_SCALE else max(0, self._clipped_for - 1)
        if (self._db, self._clipped_for) != before:
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(140, 14)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(80, 14)

    def draw(self, painter: QPainter, area: QRectF, theme: Theme) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        bar = QRectF(area.left(), area.center().y() - 4, area.width(), 8)
        painter.setBrush(theme.track)
        painter.drawRoundedRect(bar, 4, 4)
        colours = QLinearGradient(bar.topLeft(), bar.topRight())
        for db, colour in (
            (_FLOOR, theme.good),
            (_LOUD - 3, theme.good),
            (_LOUD, theme.warning),
            (_TOO_LOUD, theme.bad),
        ):
            colours.setColorAt(_place(db), colour)
        painter.setBrush(colours)
        if (share := _place(self._db)) > 0:
            painter.drawRoundedRect(QRectF(bar.left(), bar.top(), bar.width() * share, bar.height()), 4, 4)
        if self._clipped_for:
            painter.setBrush(theme.bad)
            painter.drawRoundedRect(QRectF(bar.right() - 8, bar.top() - 2, 8, bar.height() + 4), 3, 3)


def _place(db: float) -> float:
    """Decibels on the bar, from 0 to 1."""
    return min(1.0, max(0.0, (db - _FLOOR) / -_FLOOR))
