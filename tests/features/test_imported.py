"""Frames made elsewhere are stored as they are, and refused with the list of all that is wrong."""

import re

import h5py
import numpy as np
import pytest
import soundfile
import torch

from data.clips import ClipsSettings, open_clips, write_clips
from data.errors import UserError
from data.shards import Shard
from features.encoder import clips_in
from features.extraction import content_of, extract_shard, open_shards
from features.imported import ImportedEncoder, ImportedSettings
from features.index import digest_of_files, source_digest
from features.store import FeatureSet
from tests.builders import tone

IDS = ("a", "b/c", "d")
SECONDS = 1.0
FRAMES = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Shard:
    folder = tmp_path_factory.mktemp("clips")
    soundfile.write(folder / "one.wav", tone(SECONDS), 16000)
    write_clips(folder / "shard.h5", list(IDS), [folder / "one.wav"] * 3, ClipsSettings(seconds=None))
    return open_clips(folder / "shard.h5")


def settings_of(**changes) -> ImportedSettings:
    return ImportedSettings(clips=ClipsSettings(seconds=None), **{"frame_rate": 50.0, **changes})


def save_npy(path, frames):
    np.save(path.with_name(f"{path.name}.npy"), frames)


def save_pt(path, frames):
    torch.save(torch.from_numpy(frames), path.with_name(f"{path.name}.pt"))


def save_old_pt(path, frames):
    how = {"_use_new_zipfile_serialization": False}
    torch.save(torch.from_numpy(frames).bfloat16(), path.with_name(f"{path.name}.pt"), **how)


def save_hdf5(path, frames):
    with h5py.File(path.with_name(f"{path.name}.h5"), "w") as file:
        file["deep/frames"] = frames


def save_all(folder, save=save_npy, frames=FRAMES, ids=IDS):
    for name in ids:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save(folder / name, frames)
    return folder


def problems_of(folder, clips, **changes) -> str:
    encoder = ImportedEncoder(settings_of(**changes), folder)
    with pytest.raises(UserError) as error:
        encoder.check_clips(clips_in(clips))
    return str(error.value)


@pytest.mark.parametrize("save", [save_npy, save_pt, save_old_pt, save_hdf5])
@pytest.mark.parametrize(
    ("frames", "layers", "frame_rate"),
    [(FRAMES, [0], 50.0), (np.stack([FRAMES, -FRAMES]), [0, 1], 50.0), (FRAMES[0], [0], None)],
    ids=["T D", "L T D", "D"],
)
def test_files_of_every_format_and_shape_are_stored_as_they_are(save, frames, layers, frame_rate, clips, tmp_path):
    settings = settings_of(frame_rate=frame_rate, storage="float32", source="a colleague's wav2vec")
    encoder = ImportedEncoder(settings, save_all(tmp_path / "files", save, frames))
    (tmp_path / "out").mkdir()
    extract_shard(clips, tmp_path / "out/shard.h5", settings, encoder, fingerprint="f" * 64)
    features = FeatureSet(tmp_path / "out")
    assert (features.layers, features.dimension, features.frame_rate) == (layers, 4, frame_rate or 0)
    for layer, expected in zip(layers, frames.reshape(len(layers), -1, 4), strict=True):
        tolerance = {"rtol": 2**-8} if save is save_old_pt else {"rtol": 0}
        np.testing.assert_allclose(features.frames("b/c", layer), expected, **tolerance)
    assert "imported (a colleague's wav2vec): emocache has not computed them" in features.cautions["imported_features"]
    assert features.checkpoints == ["a colleague's wav2vec"]


def test_all_that_is_wrong_is_listed_at_once(clips, tmp_path):
    save_all(tmp_path, ids=IDS[:1])
    save_pt(tmp_path / "a", FRAMES)
    (tmp_path / "b").mkdir()
    save_npy(tmp_path / "b/c", FRAMES[:, :3])
    message = problems_of(tmp_path, clips)
    assert "3 of 3 utterances" in message
    assert "a: several files: a.npy, a.pt" in message
    assert "b/c: 1 layers of 3 dimensions instead of 1 layers of 4 dimensions" in message
    assert "d: no file" in message


class Code:
    def __reduce__(self):
        return print, ("this must not run",)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: np.save(path / "d.npy", np.array([{}], object)), "d.npy is no array of numbers"),
        (lambda path: np.save(path / "d.npy", np.full_like(FRAMES, np.nan)), "values that are not finite"),
        (lambda path: np.save(path / "d.npy", FRAMES * 1e6), "up to .*, beyond what float16 holds; use .* float32"),
        (lambda path: np.save(path / "d.npy", FRAMES[:20]), r"20 frames, but 1.00 s at 50 per second are 50"),
        (lambda path: np.save(path / "d.npy", FRAMES[0]), r"1 frames, but 1.00 s"),
        (lambda path: torch.save(Code(), path / "d.pt"), "needs unpickling, which can run any code"),
        (lambda path: torch.save({"x": torch.ones(2)}, path / "d.pt"), "d.pt holds a dict, not a tensor"),
        (lambda path: (path / "d.pt").write_bytes(b"PK"), "d.pt .*(damaged|unpickling)"),
        (lambda path: (path / "d.h5").write_bytes(b"no"), "d.h5 cannot be read"),
        (lambda path: h5py.File(path / "d.h5", "w").close(), r"d.h5 holds 0 datasets .*name one: dataset"),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused_with_the_reason(spoil, message, clips, tmp_path, capsys):
    save_all(tmp_path, ids=IDS[:2])
    spoil(tmp_path)
    found = problems_of(tmp_path, clips)
    assert "1 of 3 utterances" in found
    assert re.search(message, found)
    assert capsys.readouterr().out == ""


def test_one_changed_file_is_another_fingerprint_and_another_digest(clips, tmp_path):
    folder, settings = save_all(tmp_path / "files"), settings_of()

    def content() -> tuple:
        return content_of(settings, ImportedEncoder(settings, folder), clips), digest_of_files(folder)

    before = content()
    assert content() == before
    save_npy(folder / "d", FRAMES + 1)
    assert all(new != old for new, old in zip(content(), before, strict=True))


def test_where_the_files_are_not_the_index_stands_for_them(tmp_path):
    index = tmp_path / "index.json"
    index.write_text('{"source": "as it was"}')
    assert source_digest(tmp_path / "gone", index) == "as it was"
    save_all(tmp_path / "here")
    assert source_digest(tmp_path / "here", index) == digest_of_files(tmp_path / "here")


def test_shards_are_checked_together(clips, tmp_path):
    save_all(tmp_path / "files", ids=IDS[:1])
    with pytest.raises(UserError, match=r"2 of 3 utterances"):
        open_shards(clips.path.parent, ImportedEncoder(settings_of(), tmp_path / "files"))


def test_layers_of_an_export_keep_their_numbers_unless_others_are_named(clips, tmp_path):
    save_all(tmp_path, frames=np.stack([FRAMES, -FRAMES]))
    description = tmp_path / "export.json"
    description.write_text('{"layers": [7, 12]}')
    assert ImportedEncoder(settings_of(), tmp_path).layers == [7, 12]
    assert ImportedEncoder(settings_of(layers=[1, 2]), tmp_path).layers == [1, 2]
    description.write_text('{"layers": [12]}')
    assert "2 layers of 4 dimensions instead of 1 layers" in problems_of(tmp_path, clips)
    for layers, message in [("[12, 7]", "not in increasing order"), ('"all"', "does not list the layers")]:
        description.write_text(f'{{"layers": {layers}}}')
        with pytest.raises(UserError, match=message):
            ImportedEncoder(settings_of(), tmp_path)


@pytest.mark.parametrize("absolute", [False, True])
def test_no_id_leads_out_of_the_folder(absolute, tmp_path):
    folder = save_all(tmp_path / "files", ids=IDS[:1])
    save_npy(tmp_path / "x", FRAMES)
    soundfile.write(tmp_path / "one.wav", tone(SECONDS), 16000)
    name = str(tmp_path / "x") if absolute else "../x"
    write_clips(tmp_path / "shard.h5", [name], [tmp_path / "one.wav"], ClipsSettings(seconds=None))
    message = problems_of(folder, open_clips(tmp_path / "shard.h5"))
    assert f"{name}: the id is a path that leads out of the folder" in message


def test_what_macos_leaves_beside_the_files_is_not_read(tmp_path):
    save_all(tmp_path)
    (tmp_path / "._a.npy").write_bytes(b"not an array")
    assert ImportedEncoder(settings_of(), tmp_path).dimension == 4


def test_an_empty_folder_says_what_belongs_there(tmp_path):
    with pytest.raises(UserError, match=r"no features here.*<id>\.npy"):
        ImportedEncoder(settings_of(), tmp_path)
