"""Large corpora are read, labelled and split without a step whose time grows with the square of their size."""

from benchmarks.manifest import measure, write_large_corpora

ROWS = 20_000
LIMIT = 20  # seconds for all steps; one quadratic step takes longer by itself


def test_no_step_is_quadratic_in_the_number_of_utterances(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_large_corpora(ROWS)
    seconds = measure()
    assert set(seconds) == {"msp_podcast", "table", "pattern", "label", "split", "cautions"}
    assert sum(seconds.values()) < LIMIT, seconds
