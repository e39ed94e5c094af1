"""Features in the formats of others: out by ``ser store export``, in by ``kind: imported``.

- `export`: the registry ``FORMATS``, and ``export_features``, which writes a folder in one of them
- `npy`, `hdf5`, `datasets`, `webdataset`, `kaldi`: one format each
- `selection`: what is exported: which clips in which order, which layers, as which type
- `file_names`: what clips are called in files, safely and never two alike
- `clip_table`: ``clips.csv``, the table that leads from those names back to ids
- `description`: ``export.json``, and which layers are in an export by it

Nothing of the libraries that read these formats is needed to write them.
"""
