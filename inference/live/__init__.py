"""Prediction while someone speaks. Knows no window and no web page.

- `session`: sound in, at any time and from any thread; updates out, one per hop
- `update`: what a listener is told
- `ring`: the last seconds of sound; `schedule`: which windows of it come due; `loudness`: how loud it is
- `history`: one row per window, and the CSV of them
- `sources`: a file that is played; `microphone`: a microphone
"""

from inference.live.history import History
from inference.live.session import LiveSession, warm_up
from inference.live.update import State, Update

__all__ = ["History", "LiveSession", "State", "Update", "warm_up"]
