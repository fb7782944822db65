"""What the documents say is so: commands, code, trees, links, and both languages alike."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from seekloop.app.main import app
from seekloop.loop import catalog
from seekloop.loop.costs.spec import CostSpec
from seekloop.loop.project import ProjectSpec
from seekloop.loop.roadmap.spec import RoadmapSpec
from seekloop.serve.rollout.spec import RolloutSpec
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.plain import parse_yaml
from seekloop.system.spec import override
from tests.contracts.documents import Block, anchors, blocks, commands, headings, links, pages, tree
from tests.contracts.source import PACKAGE, REPOSITORY, modules

SHELL = blocks("bash", "console", "sh", "shell")
VERBS = typer.main.get_command(app).commands
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
TARGETS |= {f"bench-{path.stem}" for path in (REPOSITORY / "bench").glob("*.py")}
EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
PLAIN = {"cd", "cat", "ls", "cp", "mkdir", "echo", "export", "git", "source", "jq", "head", "tail", "apt-get"}
PLAIN |= {"docker", "helm", "kubectl", "serve.sh", "sudo"}


def spec_of(verb: str) -> type:
    """The spec that a verb's `--set` reaches into."""
    if verb == "rollout":
        return RolloutSpec
    if verb == "costs":
        return CostSpec
    if verb in ("assess", "experiment", "production"):
        return RoadmapSpec
    return catalog.stages()[verb].load_spec() if verb in catalog.stages() else ProjectSpec


def check_key(verb: str, change: str, page: Path) -> None:
    """A key that `--set` names exists in the spec, or in the file that the page shows for this verb.

    A value that is still missing is no failure.
    """
    name = verb if verb in catalog.stages() else "seekloop"
    shown = [block.text for block in blocks("yaml") if block.page == page and block.text.startswith(f"# {name}.yaml")]
    value = parse_yaml(shown[0], where=page) if shown else {}
    try:
        spec_of(verb).parse(override(value, [change]))  # type: ignore[attr-defined]
    except UsageError as error:
        assert error.code != "system.spec_unknown_key", error.sentence("en")


def check_seekloop(page: Path, verb: str = "--help", *words: str) -> None:
    """Verb, flags, number of arguments and `--set` keys exist."""
    if verb.startswith("--"):
        assert verb in ("--help", "--version")
        return
    assert verb in VERBS, f"no verb {verb}"
    if isinstance(VERBS[verb], typer.core.TyperGroup):
        check_in_group(verb, *words)
        return
    check_call(page, verb, *words)


def check_in_group(group: str, verb: str = "--help", *words: str) -> None:
    """The verb of a group exists, with its flags."""
    inner = VERBS[group].commands
    assert verb == "--help" or verb in inner, f"no verb {group} {verb}"
    known = {flag for one in inner[verb].params for flag in one.opts} if verb in inner else set()
    assert {word for word in words if word.startswith("-")} <= known | {"--help"}, f"{group} {verb}: unknown flag"


def check_call(page: Path, verb: str, *words: str) -> None:
    """Flags, number of arguments and `--set` keys of a verb exist."""
    options = {flag: one for one in VERBS[verb].params if one.param_type_name == "option" for flag in one.opts}
    arguments = [one for one in VERBS[verb].params if one.param_type_name == "argument"]
    given, rest = 0, list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            given += 1
            continue
        assert word in {*options, "--help"}, f"{verb} has no flag {word}"
        if word != "--help" and not options[word].is_flag:
            value = rest.pop(0)
            if word == "--set":
                check_key(verb, value, page)
    needed = sum(one.required for one in arguments)
    fits = needed <= given <= len(arguments)
    assert fits or "--help" in words, f"{verb} takes {needed} to {len(arguments)} arguments"


def check_make(_page: Path, *words: str) -> None:
    """Every target is in the Makefile."""
    assert {word for word in words if "=" not in word and not word.startswith("-")} <= TARGETS


def check_pip(_page: Path, *words: str) -> None:
    """Extras that a pip line names exist."""
    for word in words:
        for extra in re.findall(r"seekloop\[([\w,]+)\]", word):
            assert set(extra.split(",")) <= set(EXTRAS), f"no extra {extra}"


def routes() -> list[str]:
    """Patterns of the paths that our server answers."""
    found = []
    for module in modules():
        prefix = "".join(re.findall(r'APIRouter\(prefix="([^"]+)"', module.text))
        for path in re.findall(r'@(?:app|router)\.(?:get|post)\("([^"]+)"', module.text):
            found.append(prefix + re.sub(r"\{[^}]+\}", "[^/]+", path))
    return found


def check_curl(_page: Path, *words: str) -> None:
    """A request goes to this machine, to a path that our server has."""
    urls = [word for word in words if word.startswith("http")]
    assert urls
    for url in urls:
        match = re.match(r"http://(?:127\.0\.0\.1|localhost):\d+(/[\w/.-]*)", url)
        assert match, f"not on this machine: {url}"
        assert any(re.fullmatch(route, match[1]) for route in routes()), f"no route {match[1]}"


def check_python(_page: Path, *words: str) -> None:
    """A module or script that is run exists."""
    name = words[words.index("-m") + 1] if "-m" in words else words[0]
    candidates = (REPOSITORY / name, REPOSITORY / f"{name.replace('.', '/')}.py")
    assert name in ("venv", "pip") or any(path.exists() for path in candidates), name


def check_launcher(page: Path, *words: str) -> None:
    """What a launcher starts several times is a command of ours."""
    place = next(index for index, word in enumerate(words) if word in ("--no-python", "--no_python"))
    assert words[place + 1] == "seekloop"
    check_seekloop(page, *words[place + 2 :])


CHECKS = {
    "torchrun": check_launcher,
    "accelerate": check_launcher,
    "seekloop": check_seekloop,
    "make": check_make,
    "pip": check_pip,
    "curl": check_curl,
    "python": check_python,
    "python3": check_python,
}


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_exists_as_it_is_shown(block: Block):
    for program, *words in commands(block):
        name = Path(program).name
        assert name in CHECKS or name in PLAIN, f"{program}: nothing checks this command"
        if name in CHECKS:
            CHECKS[name](block.page, *words)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder a page, and how many of the page's blocks have run there."""
    found: dict[Path, tuple[Path, list[Block]]] = {}
    return lambda page: found.setdefault(page, (tmp_path_factory.mktemp(page.stem), []))


IN_ORDER = sorted((*SHELL, *blocks("python")), key=lambda block: (block.page, block.line))


@pytest.mark.parametrize("block", [block for block in IN_ORDER if block.runs], ids=str)
def test_a_block_that_says_run_runs(block: Block, folders):
    home, done = folders(block.page)
    before = [one for one in IN_ORDER if one.runs and one.page == block.page and one.line <= block.line]
    for one in before[len(done) :]:  # a block goes on from those above it, which may have run on another worker
        run_in(home, one)
        done.append(one)


def run_in(home: Path, block: Block) -> None:
    bin_folder = Path(sys.executable).parent
    environment = settings.child_environment(SEEKLOOP_HOME=str(home / "home"), SEEKLOOP_LANG="en")
    environment["PATH"] = f"{bin_folder}:{environment['PATH']}"
    shell = [shutil.which("bash") or "bash", "-euo", "pipefail", "-c"]
    command = [*shell, block.text] if block in SHELL else [sys.executable, "-c", block.text]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_in_the_documents_compiles_and_imports_what_exists(block: Block):
    parsed = ast.parse(block.text)
    imports = [node for node in ast.walk(parsed) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        names = [alias.name for alias in node.names]
        module = node.module if isinstance(node, ast.ImportFrom) else names.pop()
        found = __import__(str(module), fromlist=names)
        assert [name for name in names if not hasattr(found, name)] == []


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_in_the_documents_is_a_spec_that_parses(block: Block):
    value = parse_yaml(block.text, where=block)
    named = re.match(r"# (?:.*/)?(\w+)\.yaml", block.text)
    assert named, "begin the block with '# seekloop.yaml' or '# STAGE.yaml', so that its keys can be checked"
    if "recipe" not in value:
        spec_of(named[1]).parse(value)  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    for target in links(page):
        name, _, fragment = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        assert not fragment or fragment in anchors(there), target


@pytest.mark.parametrize(("index", "pattern"), [("docs/index.md", "docs/**/*.md"), ("design/README.md", "design/*.md")])
def test_every_page_is_in_its_index(index: str, pattern: str):
    page = REPOSITORY / index
    reached = {(page.parent / target.partition("#")[0]).resolve() for target in links(page)}
    written = {path for path in REPOSITORY.glob(pattern) if path != page and not path.name.endswith(".zh.md")}
    assert written - reached == set()


def test_every_guide_page_is_in_both_languages():
    guides = {path for path in pages() if path.is_relative_to(REPOSITORY / "docs") or path.name.startswith("README")}
    guides -= {path for path in guides if path.parent.name in ("recipes", "design", "bench")}
    english = {path for path in guides if not path.name.endswith(".zh.md")}
    assert {path.with_name(f"{path.stem}.zh.md") for path in english} == guides - english


@pytest.mark.parametrize("page", [page for page in pages() if page.name.endswith(".zh.md")], ids=lambda page: page.name)
def test_both_languages_have_the_same_sections(page: Path):
    english = page.with_name(page.name.replace(".zh.md", ".md"))
    assert [level for level, _ in headings(page)] == [level for level, _ in headings(english)]
    code = blocks("bash", "console", "python", "yaml")
    shown = [[block.language for block in code if block.page == one] for one in (page, english)]
    assert shown[0] == shown[1]


def entries() -> set[str]:
    """What lies at the top of the repository and belongs to it."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    names = {line.partition("/")[0] for line in done.stdout.splitlines()}
    return {name for name in names if not name.startswith(".") and (REPOSITORY / name).exists()}


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_annotated_tree_is_the_tree(name: str):
    drawn = tree(REPOSITORY / name)
    top = {entry.partition("/")[0] for depth, entry, _ in drawn if depth == 1 and not entry.startswith(".")}
    rooms = {entry.rstrip("/") for depth, entry, _ in drawn if depth == 2}
    assert top == entries()
    assert rooms == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert all(comment for _, _, comment in drawn)
