"""Colours, light and dark. Those of the classes are Okabe and Ito's, which colour-blind people can tell apart."""

from dataclasses import dataclass

from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

_CLASSES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800", "#7f7f7f")
_CLASSES_ON_DARK = ("#4aa3df", "#f2b134", "#2fc79a", "#e39cc4", "#f07f3c", "#86cdf5", "#e6d94a", "#a6a6a6")


@dataclass(frozen=True)
class Theme:
    """What widgets paint with.

    Attributes:
        surface: behind what is drawn.
        track: of bars, behind their filled part.
        ink: lines and text; `faint` for what matters less.
        accent: attention.
        good, warning, bad: how things stand.
        classes: one colour per class, over again if there are more.
    """

    surface: QColor
    track: QColor
    ink: QColor
    faint: QColor
    accent: QColor
    good: QColor
    warning: QColor
    bad: QColor
    classes: tuple[QColor, ...]

    def of_class(self, number: int) -> QColor:
        """The colour of a class by its place in the head."""
        return self.classes[number % len(self.classes)]


def _theme(surface, track, ink, faint, accent, good, warning, bad, classes) -> Theme:
    named = (QColor(value) for value in (surface, track, ink, faint, accent, good, warning, bad))
    return Theme(*named, tuple(map(QColor, classes)))


_LIGHT = _theme("#ffffff", "#e9ecef", "#212529", "#868e96", "#f08c00", "#2b8a3e", "#e67700", "#c92a2a", _CLASSES)
_DARK = _theme("#1f2226", "#343a40", "#e9ecef", "#8d959d", "#ffa94d", "#51cf66", "#ffc078", "#ff8787", _CLASSES_ON_DARK)


def current_theme() -> Theme:
    """The theme of the system, or the one chosen in the menu."""
    return _DARK if is_dark() else _LIGHT


def is_dark() -> bool:
    """Whether light is written on dark."""
    return QGuiApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128


def choose_scheme(dark: bool | None) -> None:
    """Dark or light, whatever the system's is; None: the system's."""
    QApplication.setPalette(QPalette() if dark is None else _palette(dark))


def _palette(dark: bool) -> QPalette:
    """What the widgets that we do not draw are painted with."""
    theme = _DARK if dark else _LIGHT
    button, window = ("#2b2f34", "#17191c") if dark else ("#e9ecef", "#f1f3f5")
    palette, role = QPalette(QColor(button), QColor(window)), QPalette.ColorRole
    for ink in (role.WindowText, role.Text, role.ButtonText, role.ToolTipText):
        palette.setColor(ink, theme.ink)
        palette.setColor(QPalette.ColorGroup.Disabled, ink, theme.faint)
    for surface in (role.Base, role.ToolTipBase):
        palette.setColor(surface, theme.surface)
    palette.setColor(role.PlaceholderText, theme.faint)
    palette.setColor(role.Highlight, theme.classes[0])
    palette.setColor(role.HighlightedText, theme.surface)
    return palette
