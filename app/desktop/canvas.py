"""What all drawn widgets have in common."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.desktop.theme import Theme, current_theme


class Canvas(QWidget):
    """A rounded card that paints itself; a subclass writes `draw`.

    Args:
        name: what screen readers call it.

    Attributes:
        margin: pixels around what is drawn; without a margin there is no card either.
    """

    margin = 12

    def __init__(self, name: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def draw(self, painter: QPainter, area: QRectF, theme: Theme) -> None:
        """Paint within an area, in logical pixels."""
        raise NotImplementedError

    def describe(self, text: str) -> None:
        """Say what is shown, for screen readers."""
        if text != self.accessibleDescription():
            self.setAccessibleDescription(text)
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.DescriptionChanged))

    def paintEvent(self, event) -> None:  # noqa: N802
        theme = current_theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.margin:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.surface)
            painter.drawRoundedRect(QRectF(self.rect()), 8, 8)
        inner = QRectF(self.rect()).adjusted(self.margin, self.margin, -self.margin, -self.margin)
        painter.setFont(self.font())
        self.draw(painter, inner, theme)
        painter.end()

    @staticmethod
    def hint(painter: QPainter, area: QRectF, theme: Theme, text: str) -> None:
        """Say in an empty card what will be here."""
        painter.setPen(theme.faint)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)
