"""The README and docs/ lead somewhere, and name only what there is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from ruamel.yaml import YAML

from app.cli import app
from app.composition import compose
from tests.builders import REPOSITORY

PAGES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    REPOSITORY / "data/folds/README.md",
]
NAMED_SECTIONS = ("corpora", "joined", "tasks", "features", "heads")
EXAMPLES = {"mine", "ours"}  # presets that a reader writes
MISSPELT = "heads.gru.epoch"  # an error message shows it

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())


def misunderstood(line: str) -> list[str]:
    """What `ser` would not understand of a line that begins with its command."""
    words = line.split()
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        if words[0] not in command.commands:
            return [words[0]]
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"--help", "--version", "--debug", "--install-completion"}
    return [
        option for option in re.findall(r"(?<=\s)--[a-z][a-z0-9-]*", " " + " ".join(words)) if option not in options
    ]


def read_yaml(text: str) -> dict:
    return YAML(typ="safe").load(text)


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(page: Path) -> list[str]:
    """Everything in backticks, and the lines of blocks that are not Python."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = [line for language, block in blocks if language != "python" for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return lines + re.findall(r"`([^`\n]+)`", prose)


def named_parameters(page: Path) -> Iterator[list[str]]:
    """The keys of params.yaml that a page names with dots, such as ``features.<set>.clips.on_error``."""
    sections = "|".join(read_yaml((REPOSITORY / "presets/base.yaml").read_text()))
    pattern = rf"(?<![\w./])(?:{sections})(?:\.(?:\w+|<\w+>))+(?![\w/(])"
    for text in code(page):
        if "." in text and not re.search(r"\.(py|md|csv|json)\b", text):
            yield from (found.split(".") for found in re.findall(pattern, text))


def is_parameter(keys: list[str]) -> bool:
    """Whether base.yaml has a key, in any entry of its section where entries have names."""
    section, *rest = keys
    content = read_yaml((REPOSITORY / "presets/base.yaml").read_text())
    candidates = [content[section]]
    if section in NAMED_SECTIONS:
        candidates, rest = list(content[section].values()), rest[1:]
        if section == "heads":
            candidates.append(content["training"])  # a head may override any of them
    for key in rest:
        candidates = [candidate[key] for candidate in candidates if isinstance(candidate, dict) and key in candidate]
    return not rest or bool(candidates)


@every_page
def test_every_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        file, _, anchor = target.partition("#")
        if file.startswith("http"):
            continue
        path = page.parent / file if file else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


@every_page
def test_every_parameter_that_is_named_exists(page):
    unknown = [".".join(keys) for keys in named_parameters(page) if not is_parameter(keys)]
    assert [name for name in unknown if name != MISSPELT] == []


@every_page
def test_every_stage_that_is_named_exists(page):
    stages = read_yaml((REPOSITORY / "dvc.yaml").read_text())["stages"]
    named = [name for text in code(page) for name in re.findall(r"(?<![\w/])(\w+)@", text)]
    assert [name for name in named if name not in stages] == []


@every_page
def test_every_preset_that_is_named_exists(page):
    presets = {path.stem for path in (REPOSITORY / "presets").glob("*.yaml")} | EXAMPLES
    named = [name for text in code(page) for name in re.findall(r"\bser (?:preset|reproduce) ([a-z][\w-]*)", text)]
    assert [name for name in named if name not in presets] == []


@every_page
def test_every_command_and_option_that_is_named_exists(page):
    lines = [line for text in code(page) for line in re.findall(r"(?:^|\s)ser ([a-z-][^#|&;)]*)", text)]
    assert {line: wrong for line in lines if (wrong := misunderstood(line))} == {}


@every_page
def test_every_file_of_the_project_that_is_named_exists(page):
    rooms = "app|benchmarks|data|engines|evaluation|features|inference|models|presets|report|stages|tests|training"
    example_files = {f"presets/{name}.yaml" for name in EXAMPLES}
    pattern = rf"(?<![\w/.])(?:{rooms})/[\w/-]+\.(?:py|yaml)\b"
    named = [name for text in code(page) for name in re.findall(pattern, text)]
    assert [name for name in named if name not in example_files and not (REPOSITORY / name).exists()] == []


@every_page
def test_nothing_is_named_as_it_was_before_there_were_several_corpora(page):
    gone = ["corpus.root", "corpus.name", "corpus.exclude", "task.classes", "task.where", "artifacts/manifest.csv"]
    gone += ["artifacts/splits.csv", "clips.<recipe>", "clips: speech", "features/VERSION", "ser store discard SET`"]
    assert [name for name in gone if name in page.read_text()] == []


def test_the_preset_in_the_guide_composes():
    (text,) = re.findall(r"```yaml\n(# .*?)```", (REPOSITORY / "docs/guide.md").read_text(), flags=re.DOTALL)

    def read(name: str) -> str:
        return text if name == "guide" else (REPOSITORY / f"presets/{name}.yaml").read_text()

    params = read_yaml(compose("guide", read))
    assert params["features"]["wavlm"]["checkpoint"] == "microsoft/wavlm-base"
    assert params["heads"]["small_gru"] == {**params["heads"]["gru"], "hidden_size": 32}
