"""corpora/<corpus> -> artifacts/manifests/<corpus>/, and its index."""

import sys

from data.corpora import AnyCorpusSettings
from data.manifest import build_manifest, corpus_root, tables_folder
from data.manifest_folder import write_manifest_folder
from data.table_files import table_digests
from data.task_description import CorpusDescription
from stages.layout import manifest_folder, manifest_index
from stages.params import read_section
from stages.running import run_stage


def main(name: str) -> None:
    corpus = read_section(f"corpora.{name}", AnyCorpusSettings)
    manifest, folds, notes, parts = build_manifest(name, corpus)
    speakers = manifest["speaker"][manifest["speaker"] != ""].nunique()
    described = CorpusDescription(
        reader=corpus.reader,
        exclude=corpus.exclude,
        concat=corpus.concat.by if corpus.concat else [],
        utterances=len(manifest),
        speakers=speakers,
    )
    tables = table_digests(tables_folder(name))
    folder, index = manifest_folder(name), manifest_index(name)
    write_manifest_folder(folder, manifest, {name: described}, folds, index, tables, parts)
    codes = ", ".join(f"{code} {count}" for code, count in manifest["emotion"].value_counts().items())
    print(f"manifest {name}: {len(manifest):,} utterances of {speakers} speakers in {corpus_root(name)}: {codes}")
    for note in notes:
        print(f"note: {note}")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
