"""index/features/<set>/<corpus>.json of several corpora -> artifacts/features/<set>/<joined>/, a list of shards."""

import sys

from data.not_wanted import mark_not_wanted
from features.index import is_wanted, join_features
from stages.layout import features_folder, features_index
from stages.params import Corpora, read_section
from stages.running import run_stage


def main(joined: str, feature_set: str) -> None:
    corpora = read_section(f"joined.{joined}", Corpora)
    indexes = {corpus: features_index(corpus, feature_set) for corpus in sorted(corpora)}
    output = features_folder(joined, feature_set)
    if without := [corpus for corpus, index in indexes.items() if not is_wanted(index)]:
        reason = f"corpora.{without[0]}.features leaves {feature_set} out"
        mark_not_wanted(output, reason)
        print(f"join_features {joined}: nothing to do: {reason}")
        return
    join_features(indexes, output.parent, output)
    print(f"join_features {joined}: {feature_set} of {', '.join(indexes)}")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
