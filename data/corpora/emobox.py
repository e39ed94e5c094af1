"""Any of the 32 corpora that EmoBox has metadata for: utterances, emotions and official folds, but no speakers.

Ma et al. 2024, "EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark".
https://github.com/emo-box/EmoBox, MIT licence; the corpora themselves have their own.

::

    emodb.jsonl                                all utterances; some corpora have none
    fold_1/emodb_train_fold_1.jsonl            {"key": "emodb-03a01Wa", "wav": "downloads/emodb/wav/03a01Wa.wav",
                                                "emo": "anger"}; some lists have audio and label instead
    fold_1/emodb_test_fold_1.jsonl             some corpora have valid lists, too

EmoBox's ``data/<corpus>`` goes to ``data/tables/<corpus>`` or into the corpus's folder.
"""

from pathlib import Path

import pandas as pd

from data.corpora.paths import Pattern, audio_files, locate_files, match_paths
from data.corpora.reading import Corpus, Source
from data.corpora.rows import corpus_of_rows
from data.corpus_settings import CorpusSettings
from data.errors import UserError, listed
from data.official_folds import emobox_lists, emobox_rows, read_emobox


class Parameters(CorpusSettings):
    """``corpora.<name>`` with ``reader: emobox``.

    Attributes:
        pattern: a regular expression that is searched in each path; its named groups say what the metadata lacks, such
            as ``(?P<speaker>\\d\\d)[ab]\\d\\d[A-Z]``.
    """

    pattern: Pattern | None = None


def read_corpus(source: Source) -> Corpus:
    """Read the utterances that EmoBox lists, and its folds.

    Raises:
        UserError: no metadata here, files that the corpus lacks, or an utterance with two emotions.
    """
    where = f"corpora.{source.name}"
    folder = _find_metadata(source)
    listing = [path for path in folder.glob("*.jsonl") if not path.name.startswith(".")]
    rows = pd.DataFrame(emobox_rows([*listing, *emobox_lists(folder).values()]), columns=["id", "path", "emotion"])
    rows = rows.drop_duplicates(["path", "emotion"]).reset_index(drop=True)
    if (twice := rows["path"].duplicated(keep=False)).any():
        raise UserError(f"{folder}: some files have two emotions:\n{listed(sorted(set(rows['path'][twice])))}")
    found = locate_files(rows["path"], audio_files(source.root))
    missing = sorted(path for path, file in found.items() if file is None)
    if missing:
        raise UserError(
            f"{folder}: {len(missing)} of {len(rows)} files are not in {source.root}; complete your copy:\n"
            f"{listed(missing)}"
        )
    rows = rows.assign(path=rows["path"].map(found))
    if source.settings.pattern is not None:
        rows = rows.assign(**match_paths(rows["path"], source.settings.pattern, f"{where}.pattern"))
    if rows["id"].duplicated().any():
        rows = rows.drop(columns="id")
    corpus = corpus_of_rows(source, rows)
    known = [(one.id, one.path, one.emotion) for one in corpus.utterances]
    manifest = pd.DataFrame(known, columns=["id", "path", "emotion"])
    folds = read_emobox(folder, manifest, manifest)
    return Corpus(corpus.utterances, folds.assign(id=manifest["id"])[["id", *folds]], corpus.notes)


def _find_metadata(source: Source) -> Path:
    """The folder that holds ``fold_1``: in data/tables/<corpus> or in the corpus's folder, there or one below."""
    places = (source.tables, source.root)
    for place in places:
        below = sorted(path for path in place.glob("*") if path.is_dir())
        for folder in (place, *below):
            if emobox_lists(folder):
                return folder
    raise UserError(
        f"corpora.{source.name}: no fold_<k>/<corpus>_train_fold_<k>.jsonl in {' or '.join(map(str, places))}. "
        f"Copy EmoBox's data/<corpus> to {source.tables}."
    )
