"""A pack predicts what its head does, says when it is damaged, and holds nothing of the corpus."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from data.clips import ClipsSettings
from data.errors import UserError
from features.ssl import SslSettings
from inference import Predictor
from inference.opening import open_head, run_folders
from inference.pack_format import PACK_FILE, read_description
from inference.packing import describe_runs, write_pack
from tests.builders import TINY_ENCODER, write_whisper
from tests.trained_heads import TrainedHead, train_on_recordings

CPU = torch.device("cpu")
GRU = {"model": "gru", "hidden_size": 6, "num_layers": 1, "attention": "dot"}
DISTURBED = SslSettings(
    clips=ClipsSettings(seconds=0.5, disturb=[{"noise": "white", "snr": [10]}], disturb_seed=7),
    checkpoint=TINY_ENCODER,
    layers=[2],
)


def open_small(trained: TrainedHead) -> Predictor:
    return open_head("small", run_folders(trained.folder), trained.settings, CPU)


def pack(trained: TrainedHead, output: Path, zipped: bool = False, runs: int | None = None, **how) -> Path:
    folders = run_folders(trained.folder)[:runs]
    write_pack(output, describe_runs("small", folders, trained.settings, **how), folders, "# small\n", zipped)
    return output


def outputs(predictor: Predictor, trained: TrainedHead) -> np.ndarray:
    return np.stack([predictor.predict_file(path).outputs for path in list(trained.audio.values())[:4]])


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> TrainedHead:
    """Two runs with an adversary on disturbed copies. Read only."""
    return train_on_recordings(tmp_path_factory.mktemp("t"), DISTURBED, GRU, folds=2, adversarial_weight=0.1)


@pytest.fixture(scope="module")
def packed(trained, tmp_path_factory) -> Path:
    """It, packed. Read only."""
    return pack(trained, tmp_path_factory.mktemp("packs") / "small")


def test_a_pack_and_its_zip_predict_exactly_what_the_head_does(trained, packed, tmp_path):
    expected = outputs(open_small(trained), trained)
    zipped = pack(trained, tmp_path / "small.zip", zipped=True)
    with_folder = shutil.make_archive(tmp_path / "made-by-hand", "zip", packed.parent, packed.name)
    for path in (packed, zipped, with_folder):
        np.testing.assert_array_equal(outputs(Predictor.from_pretrained(path), trained), expected)


def test_a_pack_of_ratings_predicts_them(tmp_path):
    trained = train_on_recordings(tmp_path, ratings=True)
    predictor = Predictor.from_pretrained(pack(trained, tmp_path / "pack"))
    assert predictor.names == ["valence", "activation"]
    assert predictor.of_ratings
    np.testing.assert_array_equal(outputs(predictor, trained), outputs(open_small(trained), trained))


def test_a_temperature_divides_the_logits_of_its_run(trained, tmp_path):
    path = pack(trained, tmp_path / "warm", runs=1, temperatures={"fold-0/seed-1": 2.0})
    plain = outputs(open_head("small", run_folders(trained.folder)[:1], trained.settings, CPU), trained)
    expected = np.sqrt(plain) / np.sqrt(plain).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outputs(Predictor.from_pretrained(path), trained), expected, atol=1e-6)


def test_the_same_head_is_packed_to_the_same_bytes(trained, packed, tmp_path):
    assert files(pack(trained, tmp_path / "again")) == files(packed)
    one, other = (pack(trained, tmp_path / name, zipped=True) for name in ("one.zip", "other.zip"))
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_nothing_of_the_corpus_or_of_this_machine_is_in_a_pack(tmp_path):
    write_whisper(tmp_path / "secret-place/tiny", seconds=2)
    settings = SslSettings(clips=DISTURBED.clips, checkpoint=str(tmp_path / "secret-place/tiny"), layers=[2])
    trained = train_on_recordings(tmp_path / "here", settings, GRU, adversarial_weight=0.1)
    content = files(pack(trained, tmp_path / "pack"))
    known = [f"s{speaker}" for speaker in range(4)]
    known += [*trained.audio, "secret-place", tmp_path.name, str(Path.home()), "noise_white"]
    for name, held in content.items():
        assert not [word for word in known if f'"{word}' in held.decode(errors="replace")], name
        assert not [word for word in known[4:] if word.encode() in held], name
    held = load_file(tmp_path / "pack/runs/fold-0-seed-1/model.safetensors")
    assert not [name for name in held if "speaker" in name]
    assert json.loads(content["runs/fold-0-seed-1/config.json"])["num_parameters"] == sum(
        len(tensor.reshape(-1)) for name, tensor in held.items() if not name.startswith("standardise.")
    )
    assert json.loads(content[PACK_FILE])["encoder"]["name"] == "tiny"


def test_an_encoder_that_was_a_folder_has_to_be_named_and_has_to_be_the_same(tmp_path):
    for name, bias in (("tiny", 1.0), ("other", 2.0)):
        write_whisper(tmp_path / name, seconds=2, layer_norm_bias=bias)
    settings = SslSettings(clips=ClipsSettings(seconds=0.5), checkpoint=str(tmp_path / "tiny"), layers=[2])
    trained = train_on_recordings(tmp_path / "here", settings)
    path = pack(trained, tmp_path / "pack")
    expected = outputs(open_small(trained), trained)
    (tmp_path / "tiny").rename(tmp_path / "moved")
    with pytest.raises(UserError, match="its encoder, tiny, was a local folder where it was packed"):
        Predictor.from_pretrained(path)
    with pytest.raises(UserError, match=r"was trained with another encoder than .*other"):
        Predictor.from_pretrained(path, checkpoint=str(tmp_path / "other"))
    with pytest.raises(UserError, match=r"cannot load the folder .*tiny"):
        Predictor.from_pretrained(path, checkpoint=str(tmp_path / "tiny"))
    opened = Predictor.from_pretrained(path, checkpoint=str(tmp_path / "moved"))
    np.testing.assert_array_equal(outputs(opened, trained), expected)


WEIGHTS = "runs/fold-0-seed-1/model.safetensors"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def describe(path: Path, **changes) -> None:
    """Change pack.json, digest and all."""
    described = read_description((path / PACK_FILE).read_text(), "").model_copy(update=changes)
    (path / PACK_FILE).write_text(described.text())


def newer(path: Path) -> None:
    (path / PACK_FILE).write_text('{"format": "emocache-pack", "format_version": 2, "surprise": []}')


DAMAGE = {  # what happened to a pack -> what is said of it
    "a flipped bit": (lambda path: flip(path / WEIGHTS), f"{WEIGHTS} is not the file that was packed"),
    "a flipped bit in pack.json": (lambda path: flip(path / PACK_FILE), "pack.json is damaged"),
    "a file that never arrived": (lambda path: (path / WEIGHTS).unlink(), f"{WEIGHTS} is missing: .* incomplete"),
    "half a file": (lambda path: (path / WEIGHTS).write_bytes(b"half"), "is not the file that was packed"),
    "half of pack.json": (lambda path: (path / PACK_FILE).write_text('{"format": "emo'), "pack.json is damaged"),
    "no pack.json": (
        lambda path: (path / PACK_FILE).unlink(),
        "pack.json is missing: this is no packed model, or only",
    ),
    "another JSON": (lambda path: (path / PACK_FILE).write_text('{"a": 1}'), "pack.json is not that of a packed model"),
    "a newer format": (newer, r"packed by a newer emocache \(format 2; this one reads 1\)"),
    "nothing": (lambda path: shutil.rmtree(path), "there is no such pack"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_said_in_a_sentence(damage, packed, tmp_path):
    path = tmp_path / "copy"
    shutil.copytree(packed, path)
    harm, said = DAMAGE[damage]
    harm(path)
    with pytest.raises(UserError, match=said) as caught:
        Predictor.from_pretrained(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_an_edited_card_does_not_keep_a_pack_from_predicting(packed, tmp_path):
    path = tmp_path / "copy"
    shutil.copytree(packed, path)
    (path / "README.md").write_text("# My own words\n")
    assert Predictor.from_pretrained(path).name == "small"


def test_a_zip_is_not_trusted(packed, tmp_path):
    outside = tmp_path / "outside.txt"
    described = read_description((packed / PACK_FILE).read_text(), "")
    held = files(packed)

    def zipped(name: str, content: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, data in content.items():
                archive.writestr(file, data)
        return tmp_path / name

    extra = zipped("extra.zip", {**held, "../outside.txt": b"owned", str(outside): b"owned"})
    assert Predictor.from_pretrained(extra).name == "small"
    climbing = {**described.files, "../outside.txt": described.files["README.md"]}
    pack_json = described.model_copy(update={"files": climbing}).text().encode()
    with pytest.raises(UserError, match=r"pack\.json is damaged"):
        Predictor.from_pretrained(
            zipped("climbing.zip", {**held, PACK_FILE: pack_json, "../outside.txt": b"# small\n"})
        )
    assert not outside.exists()

    huge = described.files[WEIGHTS].model_copy(update={"bytes": 2**31})
    pack_json = described.model_copy(update={"files": {**described.files, WEIGHTS: huge}}).text().encode()
    with pytest.raises(UserError, match=r"not unpacked: 2\.1 GB is far more"):
        Predictor.from_pretrained(zipped("bomb.zip", {**held, PACK_FILE: pack_json}))
    with pytest.raises(UserError, match=f"{WEIGHTS} is not the file that was packed"):
        Predictor.from_pretrained(zipped("larger.zip", {**held, WEIGHTS: bytes(10**8)}))
    with pytest.raises(UserError, match=r"pack\.json is too large"):
        Predictor.from_pretrained(zipped("description.zip", {**held, PACK_FILE: bytes(10**8)}))
    with pytest.raises(UserError, match=f"{WEIGHTS} is missing"):
        Predictor.from_pretrained(zipped("fewer.zip", {name: held[name] for name in held if name != WEIGHTS}))
    whole = zipped("whole.zip", held).read_bytes()
    for name, content in {"half": whole[: len(whole) // 2], "empty": b"", "text": b"no zip"}.items():
        (tmp_path / f"{name}.zip").write_bytes(content)
        with pytest.raises(UserError, match="this zip is damaged"):
            Predictor.from_pretrained(tmp_path / f"{name}.zip")


def test_a_pack_that_cannot_be_written_leaves_nothing_behind(trained, packed, tmp_path, monkeypatch):
    path = tmp_path / "small"
    shutil.copytree(packed, path)
    before = files(tmp_path)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inference.packing.save_file", fail)
    with pytest.raises(OSError, match="No space left"):
        pack(trained, path)
    assert files(tmp_path) == before
