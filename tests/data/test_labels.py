"""The one place that maps labels."""

import pandas as pd
import pytest
from pydantic import ValidationError

from data.errors import UserError
from data.labels import TaskSettings, check_codes, label_utterances
from data.split_settings import SplitSettings

CLASSES = {"neutral": ["neu"], "happy": ["hap", "exc"], "angry": ["ang"], "sad": ["sad"]}


def task(**settings) -> TaskSettings:
    return TaskSettings(corpus="iemocap", split=SplitSettings(scheme="session"), **settings)


def manifest(*codes: str) -> pd.DataFrame:
    styles = ["improvised" if number % 2 else "scripted" for number in range(len(codes))]
    return pd.DataFrame({"id": [f"u{number}" for number in range(len(codes))], "emotion": codes, "style": styles})


def test_every_code_gets_its_class_and_others_drop_out():
    labelled = label_utterances(
        manifest("sad", "exc", "fru", "ang", "hap", "neu", "xxx"), task(classes=CLASSES), "four"
    )
    assert dict(zip(labelled["id"], labelled["label"], strict=True)) == {
        "u0": "sad",
        "u1": "happy",
        "u3": "angry",
        "u4": "happy",
        "u5": "neutral",
    }


def test_where_keeps_only_what_it_names():
    classes = {"neutral": ["neu"], "sad": ["sad"]}
    table = manifest("neu", "neu", "sad", "sad")
    labelled = label_utterances(table, task(classes=classes, where={"style": ["improvised"]}), "two")
    assert list(labelled["id"]) == ["u1", "u3"]
    with pytest.raises(UserError, match=r"tasks\.two\.where\.style: no 'sung' in this corpus"):
        label_utterances(table, task(classes=classes, where={"style": ["sung"]}), "two")


def test_a_code_in_two_classes_is_refused():
    with pytest.raises(ValidationError, match="is in 'a' and again in 'b'"):
        task(classes={"a": ["hap"], "b": ["exc", "hap"]})


def test_a_class_without_utterances_and_an_unknown_code_are_named():
    with pytest.raises(UserError, match="no utterance of angry"):
        label_utterances(manifest("neu", "hap", "sad"), task(classes=CLASSES), "four")
    with pytest.raises(UserError, match="no code 'happ'; did you mean 'hap'"):
        check_codes("two", task(classes={"neutral": ["neu"], "happy": ["happ"]}), {"iemocap": "iemocap"})
