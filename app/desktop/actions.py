"""Menus, and a shortcut for everything."""

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMessageBox

from app.desktop.theme import choose_scheme


class Actions:
    """What can be done.

    Args:
        window: the `MainWindow`.
    """

    def __init__(self, window: QMainWindow):
        self._window, controller = window, window.controller
        self.listen = self._action("&Stop", "Ctrl+R", window.listen_or_stop, "Start or stop listening")
        self.pause = self._action("&Pause", "Space", self._pause, "Leave out what is said until you go on")
        self.now = self._action(
            "Analyse &now", "Ctrl+Return", controller.analyse_now, "Analyse the last seconds at once"
        )
        self.open = self._action("&Open a recording…", "Ctrl+O", window.open_file, "Play a recording instead")
        self.pack = self._action("Open a packed &model…", "Ctrl+M", window.open_pack, "Use a head that ser pack wrote")
        self.save = self._action("&Save the history…", "Ctrl+S", window.save_history, "Write a CSV, one row per window")
        self.devices = self._action("Look for &microphones", "F5", controller.find_microphones, "After plugging one in")
        self.quit = self._action("&Quit", "Ctrl+Q", window.close, "Close the window")
        self.keys = self._action("&Keyboard shortcuts", "F1", self._list_keys, "List them")
        self._menu("&File", self.open, self.pack, self.save, None, self.quit)
        self._menu("&Listen", self.listen, self.pause, self.now, None, self.devices)
        self._menu("&View", *self._schemes())
        self._menu("&Help", self.keys)

    def refresh(self, running: bool, paused: bool, has_history: bool) -> None:
        """Offer what makes sense now."""
        self.listen.setText("&Stop" if running else "&Listen")
        self.pause.setText("&Go on" if paused else "&Pause")
        self.pause.setEnabled(running)
        self.now.setEnabled(running and not paused)
        self.save.setEnabled(has_history)

    def _action(self, text: str, keys: str, do, tip: str) -> QAction:
        action = QAction(text, self._window)
        action.setShortcut(QKeySequence(keys))
        action.setToolTip(tip)
        action.triggered.connect(do)
        return action

    def _menu(self, title: str, *actions: QAction | None) -> None:
        menu = self._window.menuBar().addMenu(title)
        for action in actions:
            if action is None:
                menu.addSeparator()
            else:
                menu.addAction(action)

    def _schemes(self) -> list[QAction]:
        group, actions = QActionGroup(self._window), []
        for text, dark in (("As the &system", None), ("&Light", False), ("&Dark", True)):
            action = QAction(text, group, checkable=True, checked=dark is None)
            action.triggered.connect(lambda checked, dark=dark: choose_scheme(dark))
            actions.append(action)
        return actions

    def _pause(self) -> None:
        self._window.controller.toggle_pause()

    def _list_keys(self) -> None:
        actions = (self.listen, self.pause, self.now, self.open, self.pack, self.save, self.devices, self.quit)
        rows = "".join(
            f"<tr><td><b>{action.shortcut().toString()}</b>&nbsp;&nbsp;</td><td>{action.toolTip()}</td></tr>"
            for action in actions
        )
        QMessageBox.information(self._window, "Keyboard shortcuts", f"<table>{rows}</table>")
