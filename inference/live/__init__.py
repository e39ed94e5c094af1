"""Prediction while someone speaks. No window, web page or microphone in here but `sources.MicrophoneSource`.

- `session`: sound in, at any time and from any thread; updates out, one per hop
- `update`: what a listener is told
- `ring`: the last seconds of sound; `schedule`: which windows of it come due; `loudness`: how loud it is
- `history`: one row per window, and the CSV of them
- `sources`: where sound comes from: a file or a microphone
"""

from inference.live.history import History
from inference.live.session import LiveSession
from inference.live.update import State, Update

__all__ = ["History", "LiveSession", "State", "Update"]
