"""The budgets of AGENTS.md, counted on the syntax tree."""

from __future__ import annotations

import ast
import io
import re
import statistics
import tokenize

from tests.contracts.source import Function, Module, imported, is_public, modules, suite

JUNK = {"utils", "util", "common", "misc", "helpers", "helper", "extras", "core", "base", "stuff", "tools"}


def code_lines(function: Function) -> int:
    """Lines of a function without its docstring and decorators; 0 for a protocol's signature."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    body = [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    documented = sum((node.end_lineno or 0) - node.lineno + 1 for node in function.body[:1] if node not in body)
    return (function.end_lineno or 0) - function.lineno + 1 - documented if body else 0


def parameters(function: Function) -> tuple[list[ast.arg], list[ast.arg]]:
    """Positional and keyword-only parameters, without self and cls."""
    positional = [arg for arg in (*function.args.posonlyargs, *function.args.args) if arg.arg not in ("self", "cls")]
    return positional, function.args.kwonlyargs


def owners(module: Module) -> dict[int, ast.ClassDef]:
    """The class of each method, by the method node's id."""
    return {id(node): owner for owner in module.classes() for node in owner.body if isinstance(node, Function)}


def called_by_others(module: Module, function: Function) -> bool:
    """Whether a signature is not ours to choose: dunder methods and torch's autograd functions."""
    owner = owners(module).get(id(function))
    foreign = {"Function", "autograd.Function", "torch.autograd.Function"}
    return function.name.startswith("__") or bool(owner and foreign & {ast.unparse(base) for base in owner.bases})


def found(check: object, among: tuple[Module, ...] | None = None) -> list[str]:
    """`file:line` of every node that `check(module)` yields."""
    return [module.at(node) for module in among or modules() for node in check(module)]  # type: ignore[operator]


def test_files_are_small():
    sizes = {str(module): module.lines for module in modules() if module.path.name != "__init__.py"}
    assert [name for name, lines in sizes.items() if lines > 600] == []
    assert statistics.median(sizes.values()) <= 150


def test_functions_are_small():
    sizes = {module.at(function): code_lines(function) for module in modules() for function in module.functions()}
    assert [name for name, lines in sizes.items() if lines > 80] == []
    assert statistics.median(lines for lines in sizes.values() if lines) <= 12


def test_functions_take_few_parameters_and_most_by_name():
    def greedy(module):
        for function in module.functions():
            positional, named = parameters(function)
            many = len(positional) > 2 and not called_by_others(module, function)
            if many or len(positional) + len(named) > 8:
                yield function

    assert found(greedy) == []


def test_classes_have_few_fields():
    def wide(module):
        for owner in module.classes():
            fields = [node for node in owner.body if isinstance(node, ast.AnnAssign)]
            if len(fields) > 20:
                yield owner

    assert found(wide) == []


def test_every_argument_and_result_is_annotated():
    def bare(module):
        for function in module.functions():
            positional, named = parameters(function)
            rest = [arg for arg in (function.args.vararg, function.args.kwarg) if arg]
            if function.returns is None or any(arg.annotation is None for arg in (*positional, *named, *rest)):
                yield function

    assert found(bare) == []


def test_public_names_are_documented():
    public, bare = 0, []
    for module in modules():
        inner = {id(node) for function in module.functions() for node in ast.walk(function) if node is not function}
        private = {id(node) for owner in module.classes() if not is_public(owner.name) for node in owner.body}
        for node in (*module.functions(), *module.classes()):
            if is_public(node.name) and id(node) not in inner | private:
                public += 1
                bare += [] if ast.get_docstring(node) else [f"{module.at(node)} {node.name}"]
    assert len(bare) / public <= 0.2, bare


def test_every_module_says_what_it_is_for():
    assert [str(module) for module in modules() if not ast.get_docstring(module.tree)] == []


def test_nothing_of_others_is_patched():
    def patches(module):
        names = imported(module.tree)
        for node in module.nodes(ast.Assign, ast.AugAssign, ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and ast.unparse(target).split(".")[0] in names:
                    yield node

    assert found(patches) == []


def test_no_text_is_run_as_code_and_no_pickle_is_opened():
    forbidden = {"exec", "eval", "compile", "__import__", "torch.load", "pickle.load", "pickle.loads"}
    assert found(lambda module: (call for name, call in module.calls() if name in forbidden)) == []
    assert [str(module) for module in modules() if "pickle" in imported(module.tree)] == []
    assert [str(module) for module in modules() if re.search(r"trust_remote_code\s*=\s*True", module.text)] == []


def test_no_star_imports():
    def stars(module):
        return (node for node in module.nodes(ast.ImportFrom) if any(alias.name == "*" for alias in node.names))

    assert found(stars) == []


def test_no_exception_is_hushed():
    def silent(module):
        for node in module.nodes(ast.ExceptHandler):
            says_nothing = all(isinstance(part, ast.Pass) or ast.unparse(part) == "..." for part in node.body)
            if node.type is None or says_nothing:
                yield node
        for name, call in module.calls():
            everything = {"Exception", "BaseException"} & {ast.unparse(arg) for arg in call.args}
            if name.endswith("suppress") and everything:
                yield call

    assert found(silent) == []


def test_the_environment_is_read_in_one_place():
    def reads(module):
        if str(module) == "seekloop/system/settings.py":
            return
        for node in module.nodes(ast.Attribute, ast.Name):
            if ast.unparse(node) in ("os.environ", "os.getenv", "os.putenv", "environ", "getenv"):
                yield node

    assert found(reads) == []


def test_only_the_doors_print():
    inside = tuple(module for module in modules() if module.room != "app")
    prints = {"print", "sys.stdout.write"}
    assert found(lambda module: (call for name, call in module.calls() if name in prints), inside) == []


def test_attributes_are_not_guessed():
    guesses = found(lambda m: (call for name, call in m.calls() if name in ("getattr", "hasattr", "setattr")))
    assert len(guesses) <= 2 * sum(module.lines for module in modules()) / 1000, guesses


def test_no_room_is_a_junk_drawer():
    names = {part for module in modules() for part in module.name.split(".")}
    assert names & JUNK == set()


def test_nothing_is_left_for_later():
    def promises(module):
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
            if token.type == tokenize.COMMENT and re.search(r"\b(TODO|FIXME|XXX|HACK)\b", token.string):
                yield ast.Constant(None, lineno=token.start[0])

    assert found(promises) == []
    assert found(lambda m: (call for name, call in m.calls() if name == "NotImplementedError")) == []


def test_tests_are_short():
    sizes = [code_lines(function) for _, function in promises()]
    assert statistics.median(sizes) <= 14


def test_tests_use_what_we_ship_instead_of_mocks():
    mocks = r"monkeypatch\.(setattr|setitem|delattr)|\bmock\b|\bMagicMock\b|mocker\b"
    found = [f"{module}: {hit.group()}" for module in suite() for hit in re.finditer(mocks, module.text)]
    others = [line for line in found if "test_budgets" not in line]
    assert len(others) <= 0.05 * len(promises()), others


def test_every_test_asserts_something():
    assertion = re.compile(r"\bassert(_\w+)?\b|pytest\.raises")
    asserting = {f.name for m in suite() for f in m.functions() if assertion.search(ast.unparse(f))}

    def asserts(function: Function) -> bool:
        called = {ast.unparse(n.func).split(".")[-1] for n in ast.walk(function) if isinstance(n, ast.Call)}
        return function.name in asserting or bool(called & asserting)

    assert [module.at(test) for module, test in promises() if not asserts(test)] == []


def test_no_test_waits_by_the_clock():
    def sleeps(module):
        polling = {id(node) for loop in module.nodes(ast.While) for node in ast.walk(loop)}
        slow_fakes = {id(node) for outer in module.functions() for inner in nested(outer) for node in ast.walk(inner)}
        for name, call in module.calls():
            if name in ("time.sleep", "asyncio.sleep", "sleep") and id(call) not in polling | slow_fakes:
                yield call

    assert found(sleeps, suite()) == []


def nested(function: Function) -> list[Function]:
    """Functions inside a function."""
    return [node for node in ast.walk(function) if isinstance(node, Function) and node is not function]


def promises() -> list[tuple[Module, Function]]:
    """Every test function with its module."""
    return [(m, f) for m in suite() for f in m.functions() if f.name.startswith("test_")]
