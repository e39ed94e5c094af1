"""What code a stage runs: the import closure of its module within the project, by syntax trees.

Comments, docstrings and layout do not count. Registries are not followed, so that another head or corpus changes
nothing; nor is what decides when a stage runs and how it fails, but not what it computes.
"""

import ast
import hashlib
from pathlib import Path

ROOMS = ("app", "data", "evaluation", "features", "models", "report", "stages", "training")
_REGISTRIES = {"models", "data.corpora"}
_PLUMBING = {
    *("stages.schema", "stages.params", "stages.running", "stages.pieces", "stages.measured", "stages.closure"),
    "features.current",
}


def closure(*modules: str) -> dict[str, Path]:
    """The modules of this project that some modules import, themselves included: name -> file, sorted.

    Raises:
        ImportError: a module that is not here, or a relative import.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name in _REGISTRIES | _PLUMBING:
            continue
        path = _file_of(name)
        if path is None:
            raise ImportError(f"no module {name} in this project")
        found[name] = path
        waiting += _imports(path)
    return dict(sorted(found.items()))


def describe_code(*modules: str) -> str:
    """The closure of some modules as a table: a line per file, what it says by SHA-256, and its path."""
    lines = []
    for path in closure(*modules).values():
        tree = ast.parse(path.read_bytes(), path.as_posix())
        lines.append(f"{hashlib.sha256(_plain(tree).encode()).hexdigest()}  {path.as_posix()}\n")
    return "".join(lines)


def _imports(path: Path) -> list[str]:
    """The project's modules that a file imports, anywhere in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes(), path.as_posix())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ImportError(f"{path}: relative imports are not followed; name the room")
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [member if _file_of(member) else node.module for member in members]
    return [name for name in dict.fromkeys(names) if name.partition(".")[0] in ROOMS]


def _file_of(module: str) -> Path | None:
    path = Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _plain(node: ast.AST | list | object) -> str:
    """A syntax tree as text: the same in all versions of Python that read it alike."""
    if isinstance(node, list):
        return "[" + ",".join(map(_plain, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        (name, _without_docstring(node, value) if name == "body" else value)
        for name, value in ast.iter_fields(node)
        if name not in ("ctx", "kind", "type_ignores", "type_comment") and value not in (None, [])
    ]
    return f"{type(node).__name__}({','.join(f'{name}={_plain(value)}' for name, value in fields)})"


def _without_docstring(node: ast.AST, body: list[ast.stmt] | ast.expr) -> list[ast.stmt] | ast.expr:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return body[1:] if documented and ast.get_docstring(node, clean=False) is not None else body
