"""Killed at any moment, the same command comes to the same bytes."""

import pytest

from tests.attack.kills import attack


@pytest.mark.slow
@pytest.mark.parametrize("phases", [("preprocess", "extract"), ("train", "evaluate"), ("push", "pull")])
def test_killed_at_random_moments_it_ends_in_the_bytes_of_an_undisturbed_run(tmp_path, phases):
    trials = list(attack(kills=4, seed=12, folder=tmp_path, phases=phases))
    assert sum(trial.kills for trial in trials) >= 4
    assert all(trial.is_right for trial in trials), trials
