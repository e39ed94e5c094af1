"""The heads that a server offers: the first is there from the start, the others are loaded when somebody wants them."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from data.errors import UserError, nearest
from inference import Predictor
from inference.live import warm_up
from inference.timeline import window_length


class NoSuchHeadError(Exception):
    """There is no head of this name; the message names the nearest."""


class NotReadyError(Exception):
    """A head is being loaded."""


class BrokenHeadError(Exception):
    """A head cannot be loaded; the message says why."""


class Heads:
    """Loads heads by their names, each once.

    Heads of the same feature set share one encoder.

    Args:
        places: of the heads, see `app.trained.open_trained`; the first is loaded now.
        load: opens one.

    Raises:
        UserError: the first cannot be loaded, or two have the same name.
    """

    def __init__(self, places: Sequence[Path], load: Callable[[Path], Predictor]):
        self._load = load
        self._places = {_name(place): place for place in places}
        if len(self._places) < len(places):
            raise UserError("--head: two heads have the same name; rename one of them.")
        self._ready: dict[str, Predictor] = {}
        self._states = dict.fromkeys(self._places, "not loaded")
        self._lock = threading.Lock()  # of the states
        self._one_at_a_time = threading.Lock()
        self._open(self.first)

    @property
    def first(self) -> str:
        """The name of the head that answers who names none."""
        return next(iter(self._places))

    @property
    def states(self) -> dict[str, str]:
        """By name: ``ready``, ``loading``, ``not loaded``, or why it cannot be loaded."""
        with self._lock:
            return dict(self._states)

    def get(self, name: str | None = None) -> Predictor:
        """A head that is ready; one that is not begins to load.

        Raises:
            NoSuchHeadError: there is none of this name.
            NotReadyError: it is being loaded.
            BrokenHeadError: it cannot be loaded.
        """
        name = name or self.first
        with self._lock:
            if name not in self._places:
                raise NoSuchHeadError(
                    f"no head {name!r} here{nearest(name, self._places)} (there are {', '.join(self._places)})"
                )
            state = self._states[name]
            if state == "ready":
                return self._ready[name]
            if state == "not loaded":
                state = self._states[name] = "loading"
                threading.Thread(target=self._open_quietly, args=(name,), name=f"load {name}", daemon=True).start()
        if state == "loading":
            raise NotReadyError(f"The head {name} is being loaded. Try again in a few seconds.")
        raise BrokenHeadError(f"The head {name} cannot be loaded: {state}")

    def _open_quietly(self, name: str) -> None:
        try:
            self._open(name)
        except Exception as error:
            with self._lock:
                self._states[name] = str(error) or type(error).__name__

    def _open(self, name: str) -> None:
        with self._one_at_a_time:
            predictor = self._load(self._places[name])
            predictor.name = name  # a packed head may have another one
            warm_up(predictor, window_length(predictor))
            for other in self._ready.values():
                if other.settings == predictor.settings and other.encoder.recipe == predictor.encoder.recipe:
                    predictor.encoder = other.encoder
        with self._lock:
            self._ready[name] = predictor
            self._states[name] = "ready"


def _name(place: Path) -> str:
    """Of a head's folder or a packed model, its name; of a run's folder, also the head's."""
    if (place / "config.json").exists() or place.name.startswith("seed-"):
        return "/".join(place.resolve().parts[-3:])
    return place.resolve().name.removesuffix(".zip")
