"""Shards have the same bytes whoever encodes them: one process or several, killed or not, or several devices."""

import os
import pickle
import signal
from functools import partial

import pytest
import torch

from data.clips import ClipsSettings, clips_writer, open_clips, to_int16
from data.errors import UserError
from engines.local import run_local
from features.cluster_extraction import extract_on_cluster
from features.extraction import ShardJob, extract_shard, recipe_of
from features.kinds import open_encoder
from features.mfcc import MfccSettings
from features.shared_extraction import ShardWork, choose_workers, extract_on_devices, extract_shards
from features.ssl import SslSettings
from tests.builders import tone, write_hubert

CLIPS = ClipsSettings(seconds=4.0)
CPU = torch.device("cpu")
SHARDS = {"one": [4.0, 3.0, 4.0, 0.3, 4.0, 4.0, 0.3], "two": [0.5], "three": [4.0] * 5}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name, seconds in SHARDS.items():
        waveforms = [to_int16(tone(length, frequency=200 + 9 * index)) for index, length in enumerate(seconds)]
        ids = [f"{name}-{index}" for index in range(len(seconds))]
        lengths = [len(waveform) for waveform in waveforms]
        with clips_writer(folder / f"{name}.h5", ids=ids, lengths=lengths, seconds=seconds, recipe=CLIPS) as shard:
            for index, waveform in enumerate(waveforms):
                shard.write(index, {"waveform": waveform})
    return [open_clips(path) for path in sorted(folder.glob("*.h5"))]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    checkpoint = str(write_hubert(tmp_path_factory.mktemp("hubert")))
    return SslSettings(clips=CLIPS, checkpoint=checkpoint, layers=[0, 2], storage="int8")


@pytest.fixture(scope="module")
def encoder(settings):
    return open_encoder(settings, CPU)


@pytest.fixture(scope="module")
def alone(clips, settings, encoder, tmp_path_factory):
    """What one process makes of every shard."""
    folder = tmp_path_factory.mktemp("alone")
    for shard in clips:
        extract_shard(shard, folder / shard.path.name, settings, encoder, fingerprint="f" * 64)
    return content(folder)


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def jobs_for(clips, folder) -> list[ShardJob]:
    folder.mkdir(exist_ok=True)
    return [ShardJob(shard, folder / shard.path.name, "f" * 64) for shard in clips]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_bytes_do_not_depend_on_the_number_of_processes(workers, clips, settings, encoder, alone, tmp_path):
    progress = []
    jobs = jobs_for(clips, tmp_path / "out")
    done = dict(extract_shards(jobs, settings, encoder, workers=workers, on_clips=progress.append))
    assert content(tmp_path / "out") == alone
    assert {job.path.stem: cost["clips"] for job, cost in done.items()} == {
        name: len(seconds) for name, seconds in SHARDS.items()
    }
    assert sum(progress) == sum(map(len, SHARDS.values()))


def test_a_killed_process_changes_no_byte(clips, settings, encoder, alone, tmp_path, monkeypatch):
    """In the middle of a portion, of which some clips are written already."""
    encode, parent, flag = encoder.encode, os.getpid(), tmp_path / "killed"

    def fatal(inputs):
        if os.getpid() != parent and len(inputs[0]) < 16000 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(inputs)

    monkeypatch.setattr(encoder, "encode", fatal)
    progress, lost = [], []
    how = {"workers": 2, "on_clips": progress.append, "on_lost": lost.append}
    assert len(list(extract_shards(jobs_for(clips, tmp_path / "out"), settings, encoder, **how))) == len(SHARDS)
    assert content(tmp_path / "out") == alone
    assert sum(progress) == sum(map(len, SHARDS.values()))
    assert min(progress) < 0
    assert len(lost) == 1


def test_an_error_in_any_process_is_said_and_leaves_nothing(clips, settings, encoder, tmp_path, monkeypatch):
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda inputs: [frames * torch.nan for frames in encode(inputs)])
    jobs = jobs_for(clips, tmp_path / "out")
    with pytest.raises(UserError, match=r"frames that are not finite.*Try features\.<set>\.compute_dtype: float32"):
        list(extract_shards(jobs, settings, encoder, workers=2))
    assert content(tmp_path / "out") == {}


def test_shards_are_dealt_out_to_devices(clips, settings, encoder, alone, tmp_path):
    jobs, progress = jobs_for(clips, tmp_path / "out"), []
    how = {"on_clips": progress.append}
    done = list(extract_on_devices(jobs, settings, encoder, None, [CPU, CPU], **how))
    assert content(tmp_path / "out") == alone
    assert {job.path for job, _ in done} == {job.path for job in jobs}
    assert sum(progress) == sum(map(len, SHARDS.values()))


def test_other_kinds_are_shared_out_too(clips, tmp_path):
    settings = MfccSettings(clips=CLIPS)
    encoder = open_encoder(settings, CPU)
    for workers in (1, 2):
        list(extract_shards(jobs_for(clips, tmp_path / str(workers)), settings, encoder, workers=workers))
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_there_are_no_more_processes_than_portions(clips, tmp_path, monkeypatch):
    jobs = jobs_for(clips, tmp_path)  # 40 s
    monkeypatch.setattr("features.shared_extraction.available_cores", lambda: 8)
    assert choose_workers(jobs) == 3
    assert choose_workers(jobs, 5) == 5
    monkeypatch.setattr("features.shared_extraction.available_cores", lambda: 2)
    assert choose_workers(jobs) == 2


def test_where_processes_are_not_forked_each_one_loads_its_own_encoder(
    clips, settings, encoder, alone, tmp_path, monkeypatch
):
    def send(work, tasks, *, workers, **how):
        return run_local(pickle.loads(pickle.dumps(work)), tasks, workers=1, **how)

    monkeypatch.setattr("features.shared_extraction.run_local", send)
    monkeypatch.setattr(encoder, "encode", None)
    assert len(list(extract_shards(jobs_for(clips, tmp_path / "out"), settings, encoder, workers=2))) == len(SHARDS)
    assert content(tmp_path / "out") == alone


def test_a_process_with_another_encoder_under_the_same_name_encodes_nothing(clips, settings, encoder, tmp_path):
    """As on a node whose copy of the checkpoint is another one."""
    recipe = recipe_of(settings, encoder, {})
    checkpoint = write_hubert(tmp_path / "elsewhere", seed=7)
    other = settings.model_copy(update={"checkpoint": str(checkpoint)})
    jobs = [ShardJob(shard, tmp_path / shard.path.name, "f" * 64) for shard in clips]
    with pytest.raises(UserError, match=r"another encoder here than where .* \(weights differ\)"):
        list(run_local(ShardWork(other, recipe, None, ["cpu"]), jobs, workers=1))
    assert not list(tmp_path.glob("*.h5"))
    with pytest.raises(UserError, match="another encoder"):
        list(extract_on_cluster(jobs, other, recipe, None, "cpu", "float32", partial(run_local, workers=1)))
