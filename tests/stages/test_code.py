"""What a corpus's features depend on as code."""

import numpy as np

from data.clips import ClipsSettings
from features.imported import ImportedSettings
from features.mfcc import MfccSettings
from stages.code import extraction_code


def test_a_changed_file_concerns_the_imported_features_of_its_set_and_corpus_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    imported, clips = ImportedSettings(clips=ClipsSettings(), frame_rate=50.0), ClipsSettings()
    which = [(imported, "mine", "emodb"), (imported, "mine", "demo"), (imported, "other", "emodb")]
    which.append((MfccSettings(clips=clips), "mine", "emodb"))

    def codes() -> list[str]:
        return [extraction_code(*one) for one in which]

    folder = tmp_path / "data/imported/mine/emodb"
    folder.mkdir(parents=True)
    before = codes()
    np.save(folder / "03a01Fa.npy", np.zeros((50, 4)))
    assert [new != old for new, old in zip(codes(), before, strict=True)] == [True, False, False, False]
