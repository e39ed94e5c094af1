"""The corpus folder -> artifacts/manifest.csv."""

from data.manifest import CorpusSettings, build_manifest, write_manifest
from stages.params import read_section
from stages.running import ARTIFACTS, run_stage


def main() -> None:
    corpus = read_section("corpus", CorpusSettings)
    manifest = build_manifest(corpus)
    write_manifest(manifest, ARTIFACTS / "manifest.csv")
    codes = ", ".join(f"{code} {count}" for code, count in manifest["emotion"].value_counts().items())
    print(
        f"manifest: {len(manifest):,} utterances of {manifest['speaker'].nunique()} speakers in {corpus.root}: {codes}"
    )


if __name__ == "__main__":
    run_stage(main)
