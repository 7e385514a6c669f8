"""Which pieces of changed Python code do not work without which others, as their text tells.

A file that imports what only another piece brings, a hunk that uses a name which another one
defines, a function that is taken away while somebody still calls it: each would end in an
ImportError or a NameError, which says nothing of training. What the text does not tell, the search
finds out by itself; so only what is certain is told.
"""

import ast
import builtins
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

Use = tuple[str, str]
"""The path of a module, as far as it is known, and a name that is wanted of it; empty: itself."""


@dataclass(frozen=True, slots=True)
class Version:
    """A file without a piece, and with that piece alone; None: there is no such file."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class _Side:
    """What a text binds and what it uses."""

    there: bool = True
    offers: frozenset[str] = frozenset()
    """Names at the top of the module."""
    bound: frozenset[str] = frozenset()
    """Names that are bound anywhere in it."""
    loads: Counter[str] | None = None
    """How often each name is read."""
    uses: frozenset[Use] = frozenset()


@dataclass(frozen=True, slots=True)
class _Piece:
    path: str
    before: _Side
    after: _Side

    @property
    def brought(self) -> frozenset[str]:
        return self.after.offers - self.before.offers

    @property
    def taken(self) -> frozenset[str]:
        return self.before.offers - self.after.offers


def needs(versions: Mapping[str, Version]) -> dict[str, set[str]]:
    """By piece, the pieces without which it would not work: those that have such needs."""
    paths = {v.path for v in versions.values()}
    pieces = {
        name: _Piece(v.path, _side(v.path, v.before, paths), _side(v.path, v.after, paths))
        for name, v in versions.items()
        if v.path.endswith(".py")
    }
    found: dict[str, set[str]] = {}
    for name, piece in pieces.items():
        others = {n: p for n, p in pieces.items() if n != name}
        if wanted := {*_imports(piece, others), *_names(piece, others)}:
            found[name] = wanted
    return found


def _imports(piece: _Piece, others: Mapping[str, _Piece]) -> Iterator[str]:
    """What brings a thing that this piece begins to import; what ceases to import what it takes."""
    for path, wanted in piece.after.uses - piece.before.uses:
        there = {n: p for n, p in others.items() if p.path == path}
        givers = [n for n, p in there.items() if not p.before.there or wanted in p.brought]
        yield from givers if len(givers) == 1 else ()
    gone = {(piece.path, name) for name in piece.taken}
    gone |= set() if piece.after.there else {(piece.path, "")}
    yield from (n for n, p in others.items() if gone & (p.before.uses - p.after.uses))


def _names(piece: _Piece, others: Mapping[str, _Piece]) -> Iterator[str]:
    """The same of names within one file."""
    same = {n: p for n, p in others.items() if p.path == piece.path}
    before, after = piece.before.loads, piece.after.loads
    if before is None or after is None:
        return
    for name in after.keys() - piece.after.bound:
        if name not in piece.before.bound:
            givers = [n for n, p in same.items() if name in p.after.bound - p.before.bound]
            yield from givers if len(givers) == 1 and after[name] > before[name] else ()
        else:
            yield from (n for n, p in same.items() if _fewer(p, name))


def _fewer(piece: _Piece, name: str) -> bool:
    before, after = piece.before.loads, piece.after.loads
    return before is not None and after is not None and after[name] < before[name]


def _side(path: str, text: str | None, paths: Collection[str]) -> _Side:
    if text is None:
        return _Side(there=False)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return _Side()
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    loads = Counter(n.id for n in names if isinstance(n.ctx, ast.Load))
    bound = frozenset(_bound(ast.walk(tree)))
    uses = frozenset(_uses(tree, PurePosixPath(path), paths))
    own = Counter({name: times for name, times in loads.items() if name not in _KNOWN})
    known = None if "*" in bound else own
    offers = frozenset(_bound(tree.body)) | _inner(tree)
    return _Side(offers=offers, bound=bound, loads=known, uses=uses)


_KNOWN = {*dir(builtins), "__file__", "__name__", "__path__", "__spec__"}


def _inner(tree: ast.Module) -> frozenset[str]:
    """What is bound at the top, though within an `if`, a `try`, a loop or a `with`."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    blocks = [n for n in tree.body if not isinstance(n, scopes)]
    return frozenset(_bound(inner for block in blocks for inner in ast.walk(block)))


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                yield name
            case ast.Import() | ast.ImportFrom():
                yield from (a.asname or a.name.partition(".")[0] for a in node.names)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield name
            case _:
                pass


def _uses(tree: ast.Module, path: PurePosixPath, paths: Collection[str]) -> Iterator[Use]:
    """What is wanted of other files, in imports that no `try` guards, and through such modules."""
    modules: dict[str, str] = {}
    for name, (file, wanted) in _imported(tree, path, paths):
        if file:
            yield file, wanted
        if file and not wanted:
            modules[name] = file
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (found := modules.get(ast.unparse(node.value))):
            yield found, node.attr


def _imported(
    tree: ast.Module, path: PurePosixPath, paths: Collection[str]
) -> Iterator[tuple[str, Use]]:
    """By the name that it gets here, what is imported."""
    for node in _unguarded(tree):
        if isinstance(node, ast.Import):
            yield from ((a.asname or a.name, (_file(a.name, paths), "")) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((a.asname or a.name, _from(node, path, paths, a.name)) for a in node.names)


def _from(node: ast.ImportFrom, path: PurePosixPath, paths: Collection[str], name: str) -> Use:
    """The file, or the name in a file, that `from ... import name` means."""
    stem = node.module or ""
    if node.level:
        folder = path.parents[min(node.level, len(path.parents)) - 1]
        parts = [*(p for p in folder.parts), *filter(None, stem.split("."))]
        exact = {"/".join([*parts, f"{name}.py"]), "/".join([*parts, name, "__init__.py"])}
        if found := sorted(exact & set(paths)):
            return found[0], ""
        own = {"/".join(parts) + ".py", "/".join([*parts, "__init__.py"])}
        return next(iter(sorted(own & set(paths))), ""), name
    if module := _file(f"{stem}.{name}", paths):
        return module, ""
    return _file(stem, paths), name


def _file(module: str, paths: Collection[str]) -> str:
    """The one file that a dotted name may mean, from whatever folder; empty: none, or several."""
    tail = module.replace(".", "/")
    names = (f"{tail}.py", f"{tail}/__init__.py")
    found = [p for p in paths if p in names or p.endswith(tuple(f"/{n}" for n in names))]
    return found[0] if len(found) == 1 else ""


def _unguarded(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Try):
            yield child
            yield from _unguarded(child)
