"""What a task is: the parameters and corpora behind a table of splits, written beside it."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError, model_serializer

from data.errors import UserError
from data.json_files import read_json, write_json
from data.settings import Settings
from data.split_settings import SplitSettings

_Description = TypeVar("_Description", bound=Settings)


class CorpusDescription(Settings):
    """A corpus as its manifest has it.

    Attributes:
        reader: what read it.
        exclude: manifest column -> values left out.
        concat: the columns by which a speaker's utterances were joined; empty where they were not.
        utterances, speakers: how many the manifest has.
    """

    reader: str
    exclude: dict[str, list[str]] = {}
    concat: list[str] = []
    utterances: int
    speakers: int

    @model_serializer(mode="wrap")
    def _without_what_was_not_done(self, serialise) -> dict:
        values = serialise(self)
        return values if self.concat else {name: value for name, value in values.items() if name != "concat"}


class TaskDescription(Settings):
    """A task, in an order that is not that of params.yaml.

    Attributes:
        task: its name.
        corpus: the corpus or the joined corpora that it names.
        corpora: the corpora themselves, by name.
        classes: class -> codes; none where ratings are predicted.
        targets: the ratings that are predicted; none where classes are.
        labels: ``majority`` or ``votes``.
        num_unlabelled: utterances that are left out because they lack a rating, or a vote for any class.
        where: manifest column -> values that take part.
        split: the parameters of the split.
    """

    task: str
    corpus: str
    corpora: dict[str, CorpusDescription]
    classes: dict[str, list[str]] = {}
    targets: list[str] = []
    labels: str = "majority"
    num_unlabelled: int = 0
    where: dict[str, list[str]] = {}
    split: SplitSettings

    def write(self, path: Path) -> None:
        """Write it as JSON, keys sorted: DVC does not see their order in params.yaml."""
        write_json(path, self.model_dump())


def read_task_description(path: Path) -> TaskDescription:
    """Read what `TaskDescription.write` wrote."""
    return _validated(TaskDescription, read_json(path), path)


def write_corpora(corpora: dict[str, CorpusDescription], path: Path) -> None:
    """Write the descriptions of a manifest's corpora."""
    write_json(path, {name: corpus.model_dump() for name, corpus in corpora.items()})


def read_corpora(path: Path) -> dict[str, CorpusDescription]:
    """Read what `write_corpora` wrote."""
    return {name: _validated(CorpusDescription, corpus, path) for name, corpus in read_json(path).items()}


def _validated(model: type[_Description], content: object, path: Path) -> _Description:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise UserError(
            f"{path}: damaged: {where}: {problem['msg'].lower()}. Run `dvc repro`, or `dvc pull`."
        ) from None
