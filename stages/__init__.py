"""One thin module per DVC stage: read parameters, call a room, write outputs. Run by `dvc repro`.

- `params`: params.yaml -> typed parameters, with errors a person can act on
- `schema`: the whole file's schema, composed of the rooms' own models
- `running`: what all stages share at their outer edge: the error line, the lock, the exit status
- `layout`: where everything is that the pipeline writes
- `inputs`: the utterances of a task that have features
- `fold_jobs`: what a head's folds and seeds are to be trained on
- `closure`: what code a stage runs
- `dvc_cache`: which finished pieces DVC's cache holds
- `elsewhere`: pieces that dvc.lock names and that are not here: a remote has them
- `pieces`: finished shards and folds, safe from crashes and from DVC's clearing away
"""

import os

PARENT_PROCESS = os.getppid()  # read before anything slow is imported, while whoever started the stage still runs
