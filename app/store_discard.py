"""`ser store discard`: forget features here and in DVC's cache, so that `dvc repro` really extracts them again."""

from data.errors import UserError, nearest
from stages.donors import Donors
from stages.dvc_cache import DvcCache
from stages.layout import ARTIFACTS, features_folder
from stages.params import read_yaml
from stages.pieces import discard_pieces


def discard_features(name: str) -> None:
    """Discard a feature set of a corpus in all compute types, and say what to run.

    Shards that dvc.lock names and that are not here may be extracted again afterwards, too.

    Args:
        name: ``<set>/<corpus>``.

    Raises:
        UserError: there is no such set or corpus in params.yaml nor here, or nothing of it is here.
    """
    feature_set, _, corpus = name.partition("/")
    here = [folder.relative_to(ARTIFACTS / "features") for folder in (ARTIFACTS / "features").glob("*/*")]
    _check(feature_set, "feature set", "features", [folder.parent.name for folder in here])
    joined = read_yaml().get("joined", {})
    if not corpus:
        names = sorted(
            str(folder) for folder in here if folder.parent.name == feature_set and folder.name not in joined
        )
        raise UserError(f"of which corpus? There are {', '.join(names) or 'none here'}.")
    if corpus in joined:
        parts = ", ".join(f"{feature_set}/{part}" for part in joined[corpus])
        raise UserError(f"{corpus} is a list of joined corpora; discard theirs: {parts}")
    _check(corpus, "corpus", "corpora", [folder.name for folder in here])
    output = features_folder(corpus, feature_set)
    count = discard_pieces(output)
    if not count:
        raise UserError(f"{output}: nothing to discard, here or in DVC's cache.")
    Donors(output).do_without()
    print(f"discarded {count} shards of {name}, also from DVC's cache. What was pushed is still in the remote.")
    if (cache := DvcCache()).is_shared:
        print(f"{cache.root} is shared: its other users have to pull or extract these shards again, too.")
    print(f"Next: dvc repro extract@{corpus}-{feature_set}   (without --pull, which would fetch them again)")


def _check(name: str, kind: str, section: str, here: list[str]) -> None:
    known = list(dict.fromkeys([*read_yaml().get(section, {}), *here]))
    if name not in known:
        raise UserError(f"no {kind} {name!r}{nearest(name, known)} (there are {', '.join(known)})")
