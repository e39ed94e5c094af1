"""Corpus -> manifest -> splits -> clips. Imports no other room.

- `errors`: the one exception meant for users, and the phrases its messages share
- `cautions`: what a reader of a result has to know, as one type
- `metrics`: WA, UA and F1 from confusion matrices, for training and evaluation
- `json_files`: JSON of which equal content has equal bytes
- `digest`: what names a file's content
- `measured`: what a piece of work cost
- `settings`: the base of every typed parameter model
- `corpora`: one reader per corpus
- `utterance`: what is known of one utterance
- `manifest`: all utterances of a corpus, one row each
- `joined`: the manifests of several corpora as one
- `manifest_folder`: a manifest as the output of a stage, with its index
- `labels`: corpus codes -> classes; the only place that maps labels
- `roles`: the table of who plays which role in which fold
- `split_settings`: the parameters of a split
- `splits`: which utterance plays which role in which fold
- `official_folds`: published folds, from a CSV or EmoBox's metadata
- `split_cautions`: what a reader has to know of the folds
- `task_description`: what a task is, written beside its splits
- `audio`: one audio file -> one waveform
- `synthesis`: the demo corpus
- `clips`: waveforms of a shard -> one HDF5 file
- `skipped`: audio files that cannot be used
- `not_wanted`: a note in place of what a corpus does not get
- `processes`: cores, and processes that end with their parent
- `shards`: the HDF5 layout that clips and features share
"""
