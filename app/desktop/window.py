"""What is where in the window, and what it does when it is told something."""

from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, Qt, QTimer, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.desktop.actions import Actions
from app.desktop.banner import Banner
from app.desktop.bars import Bars
from app.desktop.controller import Controller
from app.desktop.heads import rating_scales
from app.desktop.meter import LevelMeter
from app.desktop.theme import current_theme
from app.desktop.timeline import Timeline
from app.desktop.waveform import Waveform
from data.errors import UserError
from inference import Predictor
from inference.live import LiveSession, State, Update
from inference.live.microphone import Microphone

_FRAME = 40  # milliseconds between two steps of the level meter and the bars
_GOOD = frozenset([State.SPEECH])
_WARNING = frozenset([State.SILENCE, State.CLIPPING, State.TOO_SLOW, State.WAITING])
_BAD = frozenset([State.LOST, State.ERROR])
_INSTEAD = {State.SILENCE: "Silence", State.ERROR: "Error"}
_OVER = {State.ENDED, State.LOST}
_PACKS = "Packed models (*.zip pack.json)"


class MainWindow(QMainWindow):
    """Bars per class, the waveform with the attention, the last minute, and a line that says how things stand.

    Args:
        controller: what listens and loads.
        heads: the names of the heads that can be picked.
        file: a recording to play first; None to listen to the microphone.
        microphone: to listen to first; None for the default one.
    """

    def __init__(
        self,
        controller: Controller,
        heads: list[str],
        file: Path | None = None,
        microphone: Microphone | None = None,
    ):
        super().__init__()
        self.controller = controller
        self._session: LiveSession | None = None  # the one whose outputs are shown
        self._source_name = ""
        self._running = False
        self._build(heads)
        self._connect()
        self.setAcceptDrops(True)
        self.setWindowTitle("emocache live")
        self.resize(1040, 680)
        self._timer = QTimer(self, interval=_FRAME)
        self._timer.timeout.connect(self._step)
        self._timer.start()
        self._say_verdict(None, "Loading the head…")
        self._refresh()
        controller.find_microphones()
        if file is not None:
            controller.play(file)
        else:
            controller.listen(microphone)

    def _build(self, heads: list[str]) -> None:
        self.microphones = QComboBox(accessibleName="Microphone", toolTip="The microphone to listen to")
        self.microphones.setMinimumContentsLength(18)
        self.microphones.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.meter = LevelMeter()
        self.heads = QComboBox(accessibleName="Head", toolTip="The trained head that predicts")
        self.heads.setMinimumContentsLength(14)
        self.heads.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for name in heads:
            self.heads.addItem(name, Path(name))
        self.heads.setCurrentIndex(-1)
        self.spinner = QProgressBar(minimum=0, maximum=0, textVisible=False, accessibleName="Loading a head")
        self.spinner.setFixedSize(64, 10)
        policy = self.spinner.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.spinner.setSizePolicy(policy)
        self.spinner.hide()

        self.verdict = QLabel(accessibleName="Predicted")
        font = self.verdict.font()
        font.setPointSizeF(font.pointSizeF() * 2.2)
        font.setBold(True)
        self.verdict.setFont(font)
        self.verdict.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.bars, self.waveform, self.timeline = Bars(), Waveform(), Timeline()
        self.banner = Banner()
        self.state = QLabel(accessibleName="State")
        self.details = QLabel(accessibleName="Details")
        self.statusBar().addWidget(self.state, 1)
        self.statusBar().addPermanentWidget(self.details)
        self.actions_ = Actions(self)

        picks = QHBoxLayout()
        for widget, stretch in (
            (_buddy("&Microphone", self.microphones), 0),
            (self.microphones, 2),
            (self.meter, 2),
            (_buddy("&Head", self.heads), 0),
            (self.heads, 1),
            (self.spinner, 0),
        ):
            picks.addWidget(widget, stretch)
        buttons = QHBoxLayout()
        for action in (self.actions_.listen, self.actions_.pause, self.actions_.now):
            buttons.addWidget(_button(action))
        buttons.addStretch()
        for action in (self.actions_.open, self.actions_.save):
            buttons.addWidget(_button(action))
        cards = QGridLayout()
        cards.setSpacing(10)
        cards.addWidget(self.verdict, 0, 0, 1, 2)
        cards.addWidget(self.bars, 1, 0)
        cards.addWidget(self.waveform, 1, 1)
        cards.addWidget(self.timeline, 2, 0, 1, 2)
        cards.setColumnStretch(0, 2)
        cards.setColumnStretch(1, 3)
        cards.setRowStretch(1, 3)
        cards.setRowStretch(2, 2)
        central = QWidget()
        layout = QVBoxLayout(central)
        layout.setContentsMargins(14, 12, 14, 8)
        layout.setSpacing(10)
        layout.addLayout(picks)
        layout.addLayout(buttons)
        layout.addWidget(self.banner)
        layout.addLayout(cards, 1)
        self.setCentralWidget(central)

    def _connect(self) -> None:
        controller = self.controller
        controller.session_began.connect(self._begin)
        controller.updated.connect(self._show)
        controller.microphones_found.connect(self._list_microphones)
        controller.head_loading.connect(self._loading)
        controller.head_loaded.connect(self._loaded)
        controller.head_failed.connect(self._failed)
        controller.problem.connect(self._complain)
        self.microphones.activated.connect(self.listen)
        self.heads.activated.connect(self._pick_head)

    @Slot()
    def listen(self) -> None:
        """Listen to the chosen microphone."""
        self.banner.hide()
        self.controller.listen(self.microphones.currentData())

    @Slot()
    def listen_or_stop(self) -> None:
        """Stop what runs, or listen."""
        if self._running:
            self.controller.stop()
        else:
            self.listen()

    @Slot()
    def open_file(self) -> None:
        """Ask for a recording, and play it."""
        chosen, _ = QFileDialog.getOpenFileName(self, "Play a recording")
        if chosen:
            self.play(Path(chosen))

    @Slot()
    def open_pack(self) -> None:
        """Ask for a packed model, and load it."""
        chosen, _ = QFileDialog.getOpenFileName(self, "Open a packed model", filter=_PACKS)
        if chosen:
            path = Path(chosen)
            self.controller.load_head(path if path.suffix == ".zip" else path.parent)

    @Slot()
    def save_history(self) -> None:
        """Ask for a file, and write the history to it."""
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the history", "history.csv", "CSV (*.csv)")
        if not chosen:
            return
        try:
            written = self.controller.save_history(Path(chosen))
        except UserError as error:
            self._complain(str(error))
        else:
            self.statusBar().showMessage(f"Saved {', '.join(path.name for path in written)}", 5000)

    def play(self, path: Path) -> None:
        """Play a recording."""
        self.banner.hide()
        self.controller.play(path)

    @Slot(object, str)
    def _begin(self, session: LiveSession, name: str) -> None:
        self._session, self._source_name, self._running = session, name, True
        predictor = session.predictor
        scales = rating_scales(predictor)
        self.bars.set_outputs(predictor.names, scales)
        self.timeline.set_outputs(predictor.names, scales, session.hop)
        self.waveform.show_window(None, session.source_rate, 0.0, None)
        self._say_verdict(None, "Listening…")
        self._refresh()

    @Slot(object, object)
    def _show(self, session: LiveSession, update: Update) -> None:
        if session is not self._session:
            return  # what an old session still had to say
        self._running = update.state not in _OVER
        values = None if update.answer is None else update.answer.outputs
        if update.is_window:
            self.bars.show_values(values)
            self.waveform.show_window(update.waveform, session.source_rate, update.time, update.attention)
            self.timeline.add(update.time, values)
            self._say_verdict(values, _INSTEAD.get(update.state, ""))
        self._say_state(update)
        self._refresh()

    def _say_verdict(self, values: np.ndarray | None, instead: str = "") -> None:
        """In large letters: what is predicted, or a word instead."""
        theme, predictor = current_theme(), None if self._session is None else self._session.predictor
        text, colour = instead, theme.faint
        if values is not None and predictor.of_ratings:
            text, colour = "   ".join(f"{n} {v:.1f}" for n, v in zip(predictor.names, values, strict=True)), theme.ink
        elif values is not None:
            best = int(values.argmax())
            text, colour = f"{predictor.names[best]}  {values[best]:.0%}", theme.of_class(best)
        self.verdict.setText(text)
        self.verdict.setStyleSheet(f"color: {colour.name()}")

    def _say_state(self, update: Update) -> None:
        theme = current_theme()
        colour = next(
            (
                c
                for states, c in ((_GOOD, theme.good), (_WARNING, theme.warning), (_BAD, theme.bad))
                if update.state in states
            ),
            theme.faint,
        )
        self.state.setText(f'<span style="color: {colour.name()}">●</span>  {update.message}')
        self.state.setAccessibleDescription(update.message)
        if update.state is State.LOST:
            self._complain(update.message)
        parts = [self._source_name, f"{int(update.time) // 60}:{update.time % 60:04.1f}"]
        if update.is_window:
            parts.append(f"{update.seconds_behind:.2f} s behind")
        parts.append(f"{update.dropped} dropped")
        self.details.setText("  ·  ".join(parts))

    @Slot(list)
    def _list_microphones(self, found: list[Microphone]) -> None:
        before = self.microphones.currentText()
        self.microphones.clear()
        for microphone in found:
            self.microphones.addItem(microphone.name, microphone)
        self.microphones.setEnabled(bool(found))
        if not found:
            self.microphones.setPlaceholderText("No microphone found")
        default = next((number for number, microphone in enumerate(found) if microphone.is_default), 0)
        self.microphones.setCurrentIndex(max(self.microphones.findText(before), default) if found else -1)

    @Slot(str)
    def _loading(self, name: str) -> None:
        self.spinner.show()
        self.statusBar().showMessage(f"Loading {name}…")

    @Slot(object)
    def _loaded(self, predictor: Predictor) -> None:
        self.spinner.hide()
        self.statusBar().clearMessage()
        if self.heads.findText(predictor.name) < 0:
            self.heads.addItem(predictor.name, Path(predictor.name))
        self.heads.setCurrentText(predictor.name)
        self.heads.setToolTip("\n".join([f"{predictor.name}: {len(predictor.runs)} runs", *predictor.cautions]))

    @Slot(str)
    def _failed(self, message: str) -> None:
        self.spinner.hide()
        self.statusBar().clearMessage()
        if self.controller.predictor is None:
            self.heads.setCurrentIndex(-1)
            self._say_verdict(None, "Choose a head")
        else:
            self.heads.setCurrentText(self.controller.predictor.name)
        self._complain(message)

    @Slot(str)
    def _complain(self, message: str) -> None:
        self.banner.say(message)
        self._refresh()

    @Slot(int)
    def _pick_head(self, index: int) -> None:
        self.banner.hide()
        self.controller.load_head(self.heads.itemData(index))

    def _refresh(self) -> None:
        """What can be done now."""
        self.actions_.refresh(self._running, self.controller.paused, any(map(len, self.controller.histories)))

    @Slot()
    def _step(self) -> None:
        self.meter.show_level(self.controller.level())
        self.bars.glide()

    def dragEnterEvent(self, event) -> None:  # noqa: N802
        if event.mimeData().hasUrls() and any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()
            self.statusBar().showMessage("Drop it to play it")

    def dragLeaveEvent(self, event) -> None:  # noqa: N802
        self.statusBar().clearMessage()

    def dropEvent(self, event) -> None:  # noqa: N802
        self.statusBar().clearMessage()
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        event.acceptProposedAction()
        self.play(paths[0])
        if len(paths) > 1:
            self._complain(f"Playing {paths[0].name}, the first of {len(paths)} files. Drop them one at a time.")

    def changeEvent(self, event) -> None:  # noqa: N802
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "banner"):
            self.banner.restyle()
            self._say_verdict(self.bars.values, self.verdict.text())
            for card in (self.bars, self.waveform, self.timeline, self.meter):
                card.update()
        super().changeEvent(event)

    def closeEvent(self, event) -> None:  # noqa: N802
        self._timer.stop()
        self.hide()
        self.controller.close()
        super().closeEvent(event)


def _buddy(text: str, widget: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(widget)
    return label


def _button(action) -> QPushButton:
    """A button of an action: its text, its tooltip with the shortcut, and whether it can be used."""
    button = QPushButton(focusPolicy=Qt.FocusPolicy.TabFocus)
    button.clicked.connect(action.trigger)

    def follow() -> None:
        button.setText(action.text().replace("&", "").rstrip("…"))
        button.setEnabled(action.isEnabled())
        button.setToolTip(f"{action.toolTip()} ({action.shortcut().toString()})")

    action.changed.connect(follow)
    follow()
    return button
