"""How work is run, whatever it is. Knows nothing of features or heads.

- `work`: what can be run: a `Work`, given tasks one after the other
- `local`: on this machine, in one process or several
"""
