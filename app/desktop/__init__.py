"""The window of `ser live`, by the extra package PySide6. The interface's thread only draws.

- `opening`: whether a window can be opened here, and the window
- `controller`: the session, its source and its head, and every thread
- `window`: what is where; `actions`: menus and shortcuts
- `bars`, `waveform`, `timeline`, `meter`: what is drawn; `theme`: its colours
"""
