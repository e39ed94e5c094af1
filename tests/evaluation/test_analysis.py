"""Tests, intervals and probes say what is there, and nothing where nothing is."""

import itertools

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from sklearn.metrics import f1_score

from data.metrics import confusions_by, unweighted_accuracy
from evaluation.attention import read_attention, write_attention
from evaluation.calibration import reliability
from evaluation.comparison import Comparison, Incomparable, compare_heads
from evaluation.durations import duration_name
from evaluation.embedding import two_dimensions
from evaluation.groups import assess_groups, spread_over_speakers
from evaluation.leakage import probe_fold, probe_runs
from evaluation.runs import HeadRuns
from evaluation.settings import EvaluateSettings
from evaluation.statistics import difference_bootstrap, exchange_test, holm, sign_flip_test
from features.store import FeatureSet

CLASSES = ["calm", "angry", "sad"]
SETTINGS = EvaluateSettings(bootstrap=200)


def predictions(skill, speakers=10, per_speaker=20, seeds=(1, 2), seed=0, folds=5, model=0.0) -> pd.DataFrame:
    """Test predictions; ``skill(speaker)`` is how often a speaker's emotion is recognised. Not all speak all classes.

    ``model`` is the deviation of the skill of the models, one per fold and seed.
    """
    random = np.random.default_rng(seed)
    luck = model * random.normal(0, 1, (folds, len(seeds)))
    rows = []
    for speaker, number, (index, run) in itertools.product(range(speakers), range(per_speaker), enumerate(seeds)):
        label = number % 3 if speaker else number % 2
        fold = speaker * folds // speakers
        predicted = label if random.random() < skill(speaker) + luck[fold, index] else (label + 1) % 3
        rows.append((f"{speaker}-{number}", f"s{speaker}", fold, run, CLASSES[label], CLASSES[predicted]))
    return pd.DataFrame(rows, columns=["id", "speaker", "fold", "seed", "label", "predicted"])


def compare(one: pd.DataFrame, other: pd.DataFrame, **others) -> list[Comparison | Incomparable]:
    tables = {"reference": other, "head": one, **others}
    return compare_heads(tables, dict.fromkeys(tables, CLASSES), "reference", SETTINGS)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_sign_flips_are_counted_exactly(count):
    differences = np.random.default_rng(count).normal(0.3, 1, count).round(1)  # ties occur
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product([1, -1], repeat=count)]
    expected = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)
    assert sign_flip_test(differences) == pytest.approx(expected)


def test_sign_flips_of_many_speakers():
    assert sign_flip_test(np.ones(24)) == 2 / 2**24
    assert sign_flip_test(np.zeros(24)) == 1
    assert sign_flip_test(np.ones(60)) < 0.001
    assert sign_flip_test(np.tile([1.0, -1.0], 30)) == 1


def test_sign_flips_find_a_difference_by_chance_as_often_as_they_say():
    random = np.random.default_rng(3)
    found = [sign_flip_test(random.normal(0, 1, 10)) <= 0.05 for _ in range(600)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.025)


def test_holm_is_holms_own_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([]) == []


@pytest.mark.parametrize("sizes", [[(2, 2), (3, 1)], [(1, 1), (2, 1), (1, 2)]])
def test_arrangements_of_models_are_counted_exactly(sizes):
    random = np.random.default_rng(1)
    folds = [random.normal(0, 1, sum(size)).round(1) for size in sizes]  # ties occur
    one = [values[:count] for values, (count, _) in zip(folds, sizes, strict=True)]
    other = [values[count:] for values, (count, _) in zip(folds, sizes, strict=True)]
    sums = []
    for orders in itertools.product(*(itertools.permutations(values) for values in folds)):
        dealt = zip(orders, sizes, strict=True)
        sums.append(abs(sum(np.mean(order[:count]) - np.mean(order[count:]) for order, (count, _) in dealt)))
    observed = abs(sum(ours.mean() - theirs.mean() for ours, theirs in zip(one, other, strict=True)))
    assert exchange_test(one, other) == pytest.approx(np.mean(np.array(sums) >= observed - 1e-12))


def test_arrangements_that_are_too_many_to_count_are_drawn():
    apart = [np.arange(12.0) + 100] * 3, [np.arange(12.0)] * 3  # 2.7 million in each fold
    assert exchange_test(*apart) < 0.001
    many = [np.array([1.0, 2.0, 3.0])] * 12, [np.array([3.0, 2.0, 1.0])] * 12
    assert exchange_test(*many) == 1
    assert exchange_test([values + 1 for values in many[0]], many[1]) < 0.01


def test_a_better_head_is_found_better_and_an_equal_one_is_not():
    strong, weak = predictions(lambda _: 0.9), predictions(lambda _: 0.5, seed=1)
    better, equal = compare(strong, weak, same=predictions(lambda _: 0.5, seed=2))
    assert better.significant
    assert better.p_models == pytest.approx(2 / 2**10)
    assert better.p_retraining == pytest.approx(2 / 6**5)  # 4 choose 2 in each fold
    assert better.p_recipes == pytest.approx(2 / 2**10)
    assert better.p_holm == pytest.approx(4 / 2**10)
    assert better.metrics["ua"].low > 0.2
    assert better.only_head > better.only_reference
    assert not equal.significant
    assert equal.metrics["ua"].low < 0 < equal.metrics["ua"].high


def test_a_recipe_trained_twice_is_seldom_found_to_differ_from_itself():
    """Its models differ by chance in training, which all speakers of a fold share: the test of the models errs."""
    found = {"p_models": [], "p_recipes": []}
    for trial in range(60):
        how = {"speakers": 24, "per_speaker": 12, "folds": 6, "model": 0.3, "seeds": (1, 2, 3)}
        (row,) = compare(*(predictions(lambda _: 0.6, seed=2 * trial + head, **how) for head in (0, 1)))
        for name, of_trials in found.items():
            of_trials.append(getattr(row, name) < 0.05)
    assert np.mean(found["p_models"]) > 0.2
    assert np.mean(found["p_recipes"]) < 0.1


def test_recipes_that_differ_in_these_speakers_need_not_differ_in_others():
    """With any seed one is better for eight speakers and worse for two: other speakers might fall the other way."""
    seeds = (1, 2, 3)
    one = predictions(lambda s: 0.3 + 0.6 * (s < 8), seeds=seeds)
    other = predictions(lambda s: 0.9 - 0.6 * (s < 8), seeds=seeds, seed=1)
    (row,) = compare(one, other)
    assert row.p_retraining < 0.01
    assert row.p_recipes > 0.05
    assert not row.significant


def test_chance_in_training_that_speakers_share_weakens_the_evidence():
    """With a speaker in each fold nothing is shared, and the larger p decides; with four, neither p allows for it."""
    own = np.random.default_rng(0).normal(0, 0.15, (2, 24))  # how the recipes differ by speaker
    for folds, shared in ((24, False), (6, True)):
        how = {"speakers": 24, "per_speaker": 12, "folds": folds, "model": 0.1, "seeds": (1, 2, 3)}
        (row,) = compare(
            predictions(lambda s: 0.75 + own[0, s], seed=2, **how),
            predictions(lambda s: 0.5 + own[1, s], seed=3, **how),
        )
        larger = max(row.p_models, row.p_retraining)
        assert larger < 0.05
        assert row.p_recipes > 1.2 * larger if shared else row.p_recipes == larger


def test_with_one_seed_nothing_is_said_of_recipes():
    (row,) = compare(predictions(lambda _: 0.95, seeds=(1,)), predictions(lambda _: 0.3, seeds=(1,), seed=1))
    assert row.p_models == pytest.approx(2 / 2**10)
    assert row.p_retraining is row.p_recipes is row.p_holm is None
    assert not row.significant


def test_copies_of_a_model_are_no_evidence():
    once, other = predictions(lambda _: 0.9, seeds=(1,)), predictions(lambda _: 0.5, seeds=(1, 2, 3), seed=1)
    copies = pd.concat([once.assign(seed=seed) for seed in (1, 2, 3)])
    (row,) = compare(copies, other)
    assert row.p_retraining == pytest.approx(1 / 4**5)  # one of four in each fold
    copied = pd.concat([other[other["seed"] == 1].assign(seed=seed) for seed in (1, 2, 3)])
    assert compare(copies, copied)[0].p_retraining is None


def test_what_is_tested_is_the_difference_of_the_pooled_ua():
    """Its parts per speaker sum to the headline, also where speakers lack classes."""
    one, other = predictions(lambda s: 0.4 + 0.05 * s), predictions(lambda _: 0.6, seed=1)
    (row,) = compare(one, other)
    pooled = [unweighted_accuracy(confusions_by(table, ["seed"], CLASSES)).mean() for table in (one, other)]
    assert row.metrics["ua"].value == pytest.approx(pooled[0] - pooled[1])


def test_one_speaker_who_differs_is_no_evidence():
    """Hundreds of utterances, but all of one person: McNemar is impressed, the test over speakers is not."""
    same = predictions(lambda _: 0.5, per_speaker=60)
    better = same.copy()
    better.loc[better["speaker"] == "s3", "predicted"] = better["label"]
    (row,) = compare(better, same)
    assert row.p_mcnemar < 0.001
    assert row.p_models == row.p_recipes == 1
    assert not row.significant


def test_below_eight_speakers_nothing_is_tested():
    (row,) = compare(predictions(lambda _: 0.95, speakers=7), predictions(lambda _: 0.3, speakers=7, seed=1))
    assert row.p_models is row.p_recipes is row.p_holm is None
    assert not row.significant
    assert row.metrics["ua"].value > 0.3


def test_only_seeds_in_common_are_compared_and_other_utterances_are_not():
    one, other = predictions(lambda _: 0.9, seeds=(1, 2, 3)), predictions(lambda _: 0.5, seeds=(2, 3, 4))
    (row,) = compare(one, other)
    assert row.seeds == [2, 3]
    assert compare(one, other[other["seed"] == 4])[0].reason == "no seed in common"
    assert compare(one[one["speaker"] != "s3"], other)[0].reason == "other test utterances"
    elsewhere = other.assign(fold=(other["fold"] + 1) % 5)
    assert compare(one, elsewhere)[0].reason == "other folds"
    tables = {"reference": other, "head": one}
    classes = {"reference": CLASSES, "head": [*CLASSES, "happy"]}
    assert compare_heads(tables, classes, "reference", SETTINGS)[0].reason == "other classes"


def test_the_order_of_the_classes_changes_no_comparison():
    tables = {"reference": predictions(lambda _: 0.5), "head": predictions(lambda _: 0.9, seed=1)}
    expected = compare_heads(tables, dict.fromkeys(tables, CLASSES), "reference", SETTINGS)
    mixed = {"reference": CLASSES, "head": CLASSES[::-1]}
    assert compare_heads(tables, mixed, "reference", SETTINGS) == expected


def test_differences_are_bootstrapped_on_the_same_speakers():
    """Two heads that are equal in every speaker do not differ, however much speakers do."""
    table = confusions_by(predictions(lambda s: s / 10), ["speaker", "seed"], CLASSES)
    assert difference_bootstrap(table, table, unweighted_accuracy, 300, seed=1) == (0, 0)


def with_people(table: pd.DataFrame, dialogs=False) -> pd.DataFrame:
    number = table["id"].str.split("-").str[1].astype(int)
    return table.assign(
        gender=table["speaker"].str[-1].astype(int).mod(2).map({0: "female", 1: "male"}),
        session="",
        style=np.where(number % 2, "improvised", "scripted"),
        dialog=table["speaker"] + "-" + (number % 10).astype(str) if dialogs else "",
    )


def test_groups_are_speakers_genders_and_styles_with_what_their_intervals_are_over():
    table = with_people(predictions(lambda s: 0.2 + 0.07 * s, speakers=20))
    rows = assess_groups(table, CLASSES, SETTINGS)
    by = {(row.grouping, row.group): row for row in rows}
    assert {grouping for grouping, _ in by} == {"speaker", "gender", "style"}  # no session is named
    assert by["gender", "male"].speakers == 10
    assert by["gender", "male"].resampled == "speakers"
    assert by["speaker", "s0"].resampled == "utterances"
    assert by["speaker", "s0"].num_classes == 2
    assert by["speaker", "s4"].utterances == 20
    for row in rows:
        assert row.metrics["ua"].low <= row.metrics["ua"].value <= row.metrics["ua"].high
    by_seed = table[table["speaker"] == "s4"].groupby("seed")[["label", "predicted"]]
    expected = by_seed.apply(lambda own: f1_score(own["label"], own["predicted"], average="weighted")).mean()
    assert by["speaker", "s4"].metrics["weighted_f1"].value == pytest.approx(expected)
    spread = spread_over_speakers(rows)
    values = [row.metrics["ua"].value for row in rows if row.grouping == "speaker"]
    assert spread.worst_ua == min(values)
    assert spread.range == pytest.approx(max(values) - min(values))
    dialogs = assess_groups(with_people(predictions(lambda _: 0.5), dialogs=True), CLASSES, SETTINGS)
    assert {row.resampled for row in dialogs if row.grouping == "speaker"} == {"dialogues"}


def test_durations_ascend_and_a_group_of_few_utterances_has_no_interval():
    table = with_people(predictions(lambda _: 0.5, speakers=9))
    seconds = table["id"].str.split("-").str[1].astype(int).map(lambda number: 0.6 * number + 0.4)
    rows = assess_groups(table.assign(duration=seconds.map(duration_name)), CLASSES, SETTINGS)
    by = {row.group: row for row in rows if row.grouping == "duration"}
    assert list(by) == ["up to 1 s", "1 to 2 s", "2 to 3 s", "3 to 5 s", "5 to 10 s", "over 10 s"]
    assert by["up to 1 s"].utterances == 2 * 9  # 0.4 and 1.0 s
    assert by["over 10 s"].utterances == int((seconds[table["seed"] == 1] > 10).sum())
    few = table["id"].isin(table["id"].unique()[:7])
    groups = assess_groups(table.assign(duration=np.where(few, "up to 1 s", "1 to 2 s")), CLASSES, SETTINGS)
    assert {row.group: row.has_intervals for row in groups if row.grouping == "duration"} == {
        "up to 1 s": False,
        "1 to 2 s": True,
    }


def test_confusions_by_is_a_groupby():
    table = predictions(lambda _: 0.5, speakers=4)
    counts = confusions_by(table, ["speaker", "seed"], CLASSES)
    rows = table[(table["speaker"] == "s2") & (table["seed"] == 2)]
    expected = pd.crosstab(rows["label"], rows["predicted"]).reindex(index=CLASSES, columns=CLASSES, fill_value=0)
    assert counts[2, 1].tolist() == expected.to_numpy().tolist()


def test_a_head_that_is_right_as_often_as_it_says_has_no_calibration_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 20_000)
    right = random.random(20_000) < confidence
    table = pd.DataFrame({"seed": 1, "label": "calm", "predicted": np.where(right, "calm", "sad")})
    table = table.assign(p_calm=confidence, p_angry=0.0, p_sad=1 - confidence)
    assert reliability(table, CLASSES).ece < 0.02
    too_sure = reliability(table.assign(p_calm=1.0), CLASSES)
    assert too_sure.ece == pytest.approx(1 - right.mean())
    (only,) = too_sure.bins
    assert (only.confidence, only.accuracy, only.share) == (1, pytest.approx(right.mean()), 1)


def voices(between: float, speakers=4, dialogs=6, per_dialog=6, size=10, within=0.0):
    """Embeddings in which speakers lie ``between`` apart, and dialogues ``within``."""
    random = np.random.default_rng(4)
    rows, values = [], []
    for speaker in range(speakers):
        own = between * random.normal(0, 1, size)
        for dialog in range(dialogs):
            centre = own + within * random.normal(0, 1, size)
            for number in range(per_dialog):
                rows.append((f"{speaker}-{dialog}-{number}", f"s{speaker}", "fm"[speaker % 2], f"d{speaker}-{dialog}"))
                values.append(centre + random.normal(0, 1, size))
    people = pd.DataFrame(rows, columns=["id", "speaker", "gender", "dialog"])
    return people.assign(session="", corpus="emodb"), np.array(values)


def test_the_probe_finds_voices_where_there_are_any_and_none_where_there_are_none():
    people, plain = voices(0.0)
    _, apart = voices(2.0)
    result = probe_fold(0, people, {1: plain}, apart, seed=1)
    assert result.within
    assert result.embedding == pytest.approx(0.5, abs=0.15)
    assert result.raw > 0.9
    assert result.chance == result.session_gender == 0.5  # two of each gender
    assert result.speakers == 4
    assert result.dimension == 10


def test_session_and_gender_are_no_voice():
    """Two women and a man in the first session, two women and three men in the second: seven in three cells."""
    people, apart = voices(2.0, speakers=8)
    people["session"] = people["speaker"].map(lambda name: "Ses01" if name in {"s0", "s1", "s2"} else "Ses02")
    cells = pd.get_dummies(people["session"] + people["gender"]).to_numpy(float)
    result = probe_fold(0, people, {1: cells}, apart, seed=1)
    assert result.within
    assert result.speakers == 7
    assert result.embedding == result.chance == pytest.approx(3 / 7)
    assert result.raw > 0.9
    noise = np.random.default_rng(0).normal(0, 0.1, cells.shape)
    assert probe_fold(0, people, {1: cells + noise}, apart, seed=1).embedding == pytest.approx(3 / 7, abs=0.1)


def test_one_speaker_of_each_session_and_gender_leaves_nothing_to_tell():
    people, apart = voices(2.0)
    people["session"] = people["speaker"].map(lambda name: "Ses01" if name in {"s0", "s1"} else "Ses02")
    result = probe_fold(0, people, {1: apart}, apart, seed=1)
    assert not result.within
    assert result.session_gender == 1
    assert result.chance == 0.25
    assert result.speakers == 4


def test_speakers_who_were_trained_on_are_not_probed(feature_folder, tmp_path):
    features = FeatureSet(feature_folder)
    splits = pd.DataFrame({"id": list(features.locations)})
    splits["speaker"] = splits["id"].str.split("-").str[0]
    splits["fold_0"] = splits["speaker"].map({"s0": "test", "s1": "test", "s2": "validation"}).fillna("train")
    rows = splits[splits["fold_0"] != "train"].assign(fold=0, seed=1)
    folder = tmp_path / "fold-0" / "seed-1"
    folder.mkdir(parents=True)
    save_file({"embedding": np.ones((len(rows), 3), np.float32)}, folder / "embeddings.safetensors")
    runs = HeadRuns(tmp_path, {"layers": [12]}, rows[["fold", "seed"]].head(1), rows, pd.DataFrame(), [])
    splits = splits.assign(corpus="emodb", gender="", session="", dialog="")
    assert probe_runs(runs, features, splits, seed=1).mean.chance == pytest.approx(1 / 3)
    splits.loc[splits.index[splits["speaker"] == "s0"][0], "fold_0"] = "train"
    assert probe_runs(runs, features, splits, seed=1) is None


def test_the_probe_keeps_dialogues_apart():
    """Dialogues differ here, speakers do not: a probe that sees a dialogue's other utterances would tell them apart."""
    people, values = voices(0.0, within=3.0)
    people["gender"] = ""
    assert probe_fold(0, people, {1: values}, values, seed=1).embedding < 0.5
    assert probe_fold(0, people.assign(dialog=""), {1: values}, values, seed=1).embedding > 0.6


def test_both_of_the_probes_inputs_have_the_same_dimension():
    people, values = voices(1.0, size=40)
    assert probe_fold(0, people, {1: values[:, :6]}, values, seed=1).dimension == 6


def test_an_unnamed_gender_is_no_gender():
    people, values = voices(1.0)
    people.loc[people["speaker"] == "s2", "gender"] = ""
    assert probe_fold(0, people, {1: values}, values, seed=1).chance == 0.25


def test_a_head_that_says_the_same_of_all_has_no_picture():
    utterances = voices(1.0)[0].assign(label="calm", role="test")
    assert two_dimensions(utterances, np.ones((len(utterances), 16)), seed=1).empty
    assert two_dimensions(utterances, np.random.default_rng(0).normal(0, 1, (len(utterances), 1)), seed=1).empty


def test_speakers_of_different_corpora_are_not_told_apart_by_their_corpus():
    """Two speakers of each of two corpora; one corpus names no gender, the other two women."""
    people, apart = voices(2.0)
    people["corpus"] = people["speaker"].map(lambda name: "emodb" if name in {"s0", "s1"} else "turevdb")
    people["gender"] = people["corpus"].map({"emodb": "f", "turevdb": ""})
    corpora = pd.get_dummies(people["corpus"]).to_numpy(float)
    result = probe_fold(0, people, {1: corpora}, apart, seed=1)
    assert result.within
    assert result.embedding == result.chance == 0.5


def test_what_cannot_be_probed_is_not():
    people, values = voices(1.0, speakers=1)
    assert probe_fold(0, people, {1: values}, values, seed=1) is None
    people, values = voices(1.0, dialogs=1)
    assert probe_fold(0, people, {1: values}, values, seed=1) is None


def test_t_sne_keeps_clusters_and_survives_few_points():
    people, values = voices(8.0)
    utterances = people.assign(label="calm", role="test")
    table = two_dimensions(utterances, values, seed=1)
    centres = table.groupby("speaker")[["x", "y"]].mean()
    distance = np.linalg.norm(table[["x", "y"]].to_numpy()[:, None] - centres.to_numpy(), axis=-1)
    assert (centres.index[distance.argmin(axis=1)] == table["speaker"]).mean() > 0.95
    assert len(two_dimensions(utterances.head(6), values[:6], seed=1)) == 6
    assert two_dimensions(utterances.head(3), values[:3], seed=1).empty


def test_attention_is_read_as_it_was_written_also_where_there_is_none(tmp_path):
    rows = [np.array([0.25, 0.75], np.float32), np.array([1.0], np.float32), np.full(4, 0.25, np.float32)]
    write_attention(rows, tmp_path / "attention.safetensors")
    read = read_attention(tmp_path / "attention.safetensors")
    assert [row.tolist() for row in read] == [row.tolist() for row in rows]
    write_attention([], tmp_path / "none.safetensors")
    assert read_attention(tmp_path / "none.safetensors") == []
