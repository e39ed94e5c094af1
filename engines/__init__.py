"""How work is run, whatever it is. Knows nothing of features or heads.

- `work`: what can be run: a `Work`, given tasks one after the other
- `local`: on this machine, in one process or several
- `on_ray`: on all nodes of a Ray cluster
- `attempts`: a folder for every attempt at a task
- `ray_cluster`: joining one; `ray_node`: what runs on its nodes; `same_project`: whether a node has the same project
"""
