"""What train and evaluate both read: the split's utterances that have features."""

from pathlib import Path

import pandas as pd

from data.errors import UserError, listed
from data.manifest import read_manifest
from data.roles import ROLES, fold_columns, read_splits
from features.store import FeatureSet


def read_usable_splits(artifacts: Path, features: FeatureSet) -> pd.DataFrame:
    """splits.csv with ``speaker``, without utterances whose audio preprocess has skipped.

    Args:
        artifacts: the folder that holds splits.csv and manifest.csv.
        features: the feature set.

    Raises:
        UserError: utterances without features that were not skipped (the cache is another corpus's), or a role of
            some fold that skipping has emptied.
    """
    splits = read_splits(artifacts / "splits.csv").merge(read_manifest(artifacts / "manifest.csv")[["id", "speaker"]])
    listing = features.folder / "skipped.csv"
    skipped = set(pd.read_csv(listing, dtype=str)["id"]) if listing.exists() else set()
    unexplained = sorted(set(splits["id"]) - set(features.places) - skipped)
    if unexplained:
        raise UserError(
            f"{features.folder}: {len(unexplained)} utterances of the split have no features, which are probably of "
            f"another corpus. Run `dvc repro`:\n{listed(unexplained)}"
        )
    usable = splits[splits["id"].isin(features.places)]
    for column in fold_columns(splits):
        for role in ROLES:
            if (splits[column] == role).any() and not (usable[column] == role).any():
                raise UserError(f"{column}: all {role} utterances were skipped (see {listing}); fix their audio.")
    return usable
