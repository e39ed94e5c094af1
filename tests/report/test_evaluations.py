"""Evaluations come in the order of params.yaml, whatever order they were made in."""

from report.evaluations import in_display_order


def small_evaluation() -> dict:
    return {
        "classes": ["angry", "calm", "sad"],
        "confusion": [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        "per_class": [{"class": name} for name in ("angry", "calm", "sad")],
        "per_fold": [{"fold": 0, "confusion": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]}],
        "run": {"codes": {"angry": ["A"], "calm": ["C"], "sad": ["S"]}},
    }


def test_everything_that_has_a_place_per_class_follows_the_order():
    shown = in_display_order(small_evaluation(), ["sad", "angry", "calm"])
    assert shown["classes"] == ["sad", "angry", "calm"]
    assert shown["confusion"] == shown["per_fold"][0]["confusion"] == [[9, 7, 8], [3, 1, 2], [6, 4, 5]]
    assert [row["class"] for row in shown["per_class"]] == ["sad", "angry", "calm"]
    assert list(shown["run"]["codes"]) == ["sad", "angry", "calm"]
    assert shown["per_fold"][0]["fold"] == 0


def test_classes_that_params_yaml_no_longer_names_come_last():
    assert in_display_order(small_evaluation(), ["sad", "happy"])["classes"] == ["sad", "angry", "calm"]
