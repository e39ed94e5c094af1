"""What code a stage runs: the import closure of its module within the project, by syntax trees.

Comments, docstrings and layout do not count. Registries are not followed, so that another head or corpus changes
nothing; nor is what decides when a stage runs, how it fails or what it costs, but not what it computes.
"""

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# All but engines, which runs the same work in one process or in many.
ROOMS = ("app", "data", "evaluation", "features", "inference", "models", "report", "stages", "training")
_REGISTRIES = {"models", "data.corpora", "features.kinds"}
_PLUMBING = {
    *("stages.schema", "stages.params", "stages.running", "stages.pieces", "stages.closure", "stages.code"),
    *("stages.layout", "stages.dvc_cache", "stages.runtime"),
    *("data.measured", "features.current"),
}


def closure(*modules: str, root: Path = ROOT) -> dict[str, Path]:
    """The modules of a project that some modules import, themselves included: name -> file, sorted.

    Args:
        modules: dotted names, such as ``stages.train``.
        root: the project.

    Raises:
        ImportError: a module that is not here, or a relative import.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name in _REGISTRIES | _PLUMBING:
            continue
        path = _file_of(name, root)
        if path is None:
            raise ImportError(f"no module {name} in this project")
        found[name] = path
        waiting += _imports(path, root)
    return dict(sorted(found.items()))


def describe_code(*modules: str, root: Path = ROOT) -> str:
    """The closure of some modules as a table: a line per file, the SHA-256 of what it says, and its path."""
    files = closure(*modules, root=root).values()
    return "".join(f"{_digest(path.read_bytes())}  {path.relative_to(root).as_posix()}\n" for path in files)


def _imports(path: Path, root: Path) -> list[str]:
    """The project's modules that a file imports, anywhere in it."""
    names = []
    for module, member in _imported(path.read_bytes()):
        if module is None:
            raise ImportError(f"{path}: relative imports are not followed; name the room")
        if module.partition(".")[0] in ROOMS:
            submodule = f"{module}.{member}"
            names.append(submodule if member and _file_of(submodule, root) else module)
    return list(dict.fromkeys(names))


@lru_cache(maxsize=1024)
def _imported(content: bytes) -> list[tuple[str | None, str | None]]:
    """Module and imported name of every import statement; no module of a relative one."""
    names: list[tuple[str | None, str | None]] = []
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            names += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [(None if node.level else node.module, alias.name) for alias in node.names]
    return names


@lru_cache(maxsize=1024)
def _digest(content: bytes) -> str:
    """SHA-256 of what a source file says."""
    return hashlib.sha256(_plain(ast.parse(content)).encode()).hexdigest()


def _file_of(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
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
