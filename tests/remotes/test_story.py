"""Over every kind of remote: Anna extracts, Ben trains on her features, Anna compares, Carla adds a speaker."""

import json
import shutil

import pytest

from tests.builders import Project, write_emodb
from tests.remotes.conftest import ser
from tests.remotes.servers import KINDS

pytestmark = pytest.mark.extras
every_remote = pytest.mark.parametrize("remote", KINDS, indirect=True)
FEATURES = "artifacts/features/mfcc/emodb"
PER_SPEAKER = 7  # utterances of a speaker of the miniature EmoDB


def change_head(project: Project, l2: float) -> None:
    params = project.read_params()
    params["heads"]["linear"]["l2"] = [l2]
    project.write_params(params)


@every_remote
def test_a_team_shares_features_instead_of_encoder_passes(anna, clone, remote):
    remote.add_to(anna)
    assert "is empty or does not exist" in ser(anna, "store", "ls", "--remote", ok=False)
    anna.run("dvc", "push")
    anna.commit()
    (line,) = [line for line in ser(anna, "store", "ls", "--remote").splitlines() if " emodb " in line]
    assert "2 of 2" in line

    # Ben has no corpus: he pulls one corpus's features, changes a head, trains and pushes.
    ben = clone(anna, "ben")
    ben.run("dvc", "pull", "extract@emodb-mfcc")
    assert ben.bytes_below(FEATURES) == anna.bytes_below(FEATURES)
    assert not (ben.folder / "artifacts/features/mfcc/turevdb").exists()
    change_head(ben, l2=2.0)
    trained = ben.repro("--pull", "--allow-missing")
    assert trained.ran == ["check", "train@linear", "evaluate@linear", "compare"]
    assert trained.encoded == 0
    ben.run("dvc", "push")
    ben.commit()

    # Anna pulls his result; nothing runs again.
    anna.git("pull", "--quiet", str(ben.folder), "HEAD")
    anna.run("dvc", "pull")
    assert anna.bytes_below("artifacts/heads/linear") == ben.bytes_below("artifacts/heads/linear")
    assert anna.repro().ran == []

    # Carla has the corpus and a new speaker, and pulls first only after extract has stopped her.
    carla = clone(anna, "carla")
    shutil.copytree(anna.folder / "corpora", carla.folder / "corpora")
    write_emodb(carla.folder / "corpora/emodb", speakers=("09",), sentences=("a01",))
    stopped = carla.run("dvc", "repro", "extract@emodb-mfcc", ok=False)
    assert "dvc.lock names 2 shards of mfcc/emodb that are not here" in stopped
    carla.run("dvc", "pull", "extract@emodb-mfcc")
    assert carla.repro("extract@emodb-mfcc").encoded == PER_SPEAKER
    old, new = anna.bytes_below(FEATURES), carla.bytes_below(FEATURES)
    assert {name: new[name] for name in old if name.endswith(".h5")} == {
        name: content for name, content in old.items() if name.endswith(".h5")
    }
    carla.commit()
    listing = json.loads(ser(carla, "store", "ls", "--remote", "mfcc/emodb", "--json"))
    assert not listing["features"][0]["complete"]  # she has not pushed
