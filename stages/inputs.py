"""The utterances of a task that have features."""

import pandas as pd

from data.errors import UserError, listed
from data.roles import ROLES, fold_columns, read_splits
from features.store import FeatureSet
from stages.layout import splits_file


def read_usable_splits(task: str, features: FeatureSet) -> pd.DataFrame:
    """A task's splits without the utterances whose audio preprocess has skipped.

    Args:
        task: its name.
        features: the feature set.

    Raises:
        UserError: utterances without features that were not skipped (the cache is another corpus's), or a role of
            some fold that skipping has emptied.
    """
    splits = read_splits(splits_file(task))
    unexplained = sorted(set(splits["id"]) - set(features.ids) - features.skipped)
    if unexplained:
        raise UserError(
            f"{features.folder}: {len(unexplained)} utterances of the split have no features, which are probably of "
            f"another corpus. Run `dvc repro`:\n{listed(unexplained)}"
        )
    usable = splits[splits["id"].isin(features.ids)]
    for column in fold_columns(splits):
        for role in ROLES:
            if (splits[column] == role).any() and not (usable[column] == role).any():
                raise UserError(
                    f"{column}: all {role} utterances were skipped (see skipped.csv in {features.folder}); fix their "
                    "audio."
                )
    return usable
