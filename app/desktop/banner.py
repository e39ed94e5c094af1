"""One line across the window that says what went wrong, until it is closed or out of date."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from app.desktop.theme import current_theme


class Banner(QFrame):
    """Hidden unless there is something to say."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._label = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        close = QToolButton(text="✕", autoRaise=True, accessibleName="Close the message")
        close.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 6, 6, 6)
        layout.addWidget(self._label)
        layout.addWidget(close, alignment=Qt.AlignmentFlag.AlignTop)
        self.setObjectName("banner")
        self.hide()

    @property
    def text(self) -> str:
        """What is said; nothing while it is hidden."""
        return "" if self.isHidden() else self._label.text()

    def say(self, text: str) -> None:
        """Show a message."""
        self._label.setText(text)
        self._label.setAccessibleName(text)
        self.restyle()
        self.show()

    def restyle(self) -> None:
        """Take the colours of the theme."""
        colour = current_theme().bad
        tint = f"rgba({colour.red()}, {colour.green()}, {colour.blue()}, 32)"
        self.setStyleSheet(f"#banner {{ background: {tint}; border: 1px solid {colour.name()}; border-radius: 6px }}")
