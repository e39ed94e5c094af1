"""artifacts/manifests/<corpus> of several corpora -> artifacts/manifests/<joined>/."""

import sys

from data.manifest_folder import join_manifest_folders
from stages.layout import manifest_folder, manifest_index
from stages.params import Corpora, read_section
from stages.running import run_stage


def main(name: str) -> None:
    corpora = read_section(f"joined.{name}", Corpora)
    parts = {corpus: (manifest_folder(corpus), manifest_index(corpus)) for corpus in corpora}
    joined = join_manifest_folders(manifest_folder(name), parts)
    counts = ", ".join(f"{corpus} {count:,}" for corpus, count in joined["corpus"].value_counts(sort=False).items())
    print(f"join_manifests {name}: {len(joined):,} utterances ({counts})")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
