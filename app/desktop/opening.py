"""Whether a window can be opened here, and the window."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from data.errors import UserError
from inference import Predictor

_WITHOUT = "Without one: ser live --headless prints lines, and ser serve is a page for any browser."
_TRY = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"


def check_screen() -> None:
    """Refuse to open a window where there cannot be one; Qt itself would end the process.

    Raises:
        UserError: PySide6, a screen or a library of the system is missing.
    """
    if importlib.util.find_spec("PySide6") is None:
        raise UserError(f'The window needs the package PySide6: pip install -e ".[live]". {_WITHOUT}')
    if not sys.platform.startswith("linux"):
        return
    wanted = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if not any(os.environ.get(name) for name in wanted):
        raise UserError(f"There is no screen here to open a window on. {_WITHOUT}")
    tried = subprocess.run([sys.executable, "-c", _TRY], capture_output=True, text=True)
    if tried.returncode:
        raise UserError(f"No window can be opened here: {_first_reason(tried.stderr)} {_WITHOUT}")


def open_window(
    open_predictor: Callable[[Path | None], Predictor],
    head: Path | None,
    file: Path | None,
    microphone: str | None,
    hop: float,
    window: float | None,
    save: Path | None,
) -> int:
    """Open the window, and return when it is closed.

    Returns:
        Qt's exit status.
    """
    from PySide6.QtWidgets import QApplication

    from app.desktop.controller import Controller
    from app.desktop.heads import trained_heads
    from app.desktop.window import MainWindow
    from inference.live.microphone import find_microphone

    application = QApplication.instance() or QApplication(["emocache"])
    application.setStyle("Fusion")
    application.setApplicationName("emocache live")
    controller = Controller(open_predictor, hop, window, save)
    chosen = None if microphone is None else find_microphone(microphone)
    shown = MainWindow(controller, trained_heads(), file, chosen)
    shown.show()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: shown.close())  # Ctrl-C in the terminal
    controller.load_head(head)
    return application.exec()


def _first_reason(text: str) -> str:
    """What Qt complains of first, as a sentence."""
    lines = [line.split(": ", 1)[-1].strip() for line in text.splitlines() if line.strip()]
    first = next((line for line in lines if "display" in line or "library" in line or "needed" in line), "")
    return f"{(first or (lines or ['Qt does not say why'])[0]).rstrip('.')}."
