"""What a module offers is what its `__all__` says, no more and no less."""

from __future__ import annotations

import ast

import pytest

from tests.contracts.source import Module, is_public, modules

WITH_CODE = [module for module in modules() if len(module.tree.body) > 1 and module.name != "seekloop"]


def exported(module: Module) -> list[str] | None:
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def defined(module: Module) -> set[str]:
    """Every public name that the module itself makes."""
    names = public_code(module)
    for node in module.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return {name for name in names if is_public(name)}


def public_code(module: Module) -> set[str]:
    """Public classes and functions, less those that a decorator hands to somebody else: the command line's verbs."""
    code = [n for n in module.tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    given_away = {n.name for n in code if any(ast.unparse(d).startswith("app.") for d in n.decorator_list)}
    return {node.name for node in code if is_public(node.name)} - given_away


def is_migration(module: Module) -> bool:
    """Alembic fixes the names in a migration."""
    return "migrations" in module.path.parts


def order(name: str) -> tuple[bool, bool, str]:
    """CONSTANTS, then Classes, then functions."""
    return not name.isupper(), not name[0].isupper(), name


@pytest.mark.parametrize("module", [m for m in WITH_CODE if not is_migration(m)], ids=str)
def test_a_module_exports_all_its_public_names_in_order(module):
    names = exported(module)
    assert names is not None, "no __all__"
    assert names == sorted(names, key=order)
    assert public_code(module) - set(names) == set()
    assert set(names) - defined(module) - local_imports(module) == set(), "exported, but not defined"


def local_imports(module: Module) -> set[str]:
    """Names that come from our own modules: a room may hand them on."""
    ours = [node for node in module.nodes(ast.ImportFrom) if (node.module or "").startswith("seekloop")]
    return {alias.asname or alias.name for node in ours for alias in node.names}


@pytest.mark.parametrize("module", [m for m in WITH_CODE if not is_migration(m)], ids=str)
def test_exports_stand_before_the_code(module):
    kinds = [
        "all" if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" else type(node).__name__
        for node in module.tree.body
    ]
    code = [i for i, kind in enumerate(kinds) if kind in ("FunctionDef", "AsyncFunctionDef", "ClassDef")]
    assert kinds.index("all") < min(code, default=len(kinds))


@pytest.mark.parametrize("module", WITH_CODE, ids=str)
def test_a_module_takes_from_others_only_what_they_export(module):
    offered = {other.name: exported(other) for other in modules()}
    for node in module.nodes(ast.ImportFrom):
        names = {alias.name for alias in node.names if f"{node.module}.{alias.name}" not in offered}
        if names and node.module in offered and node.module != "seekloop":
            assert names <= set(offered[node.module] or ()), f"{node.module} does not export {names}"
