"""Reads our Markdown: fenced blocks, shell commands in them, links, headings."""

from __future__ import annotations

import functools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.source import REPOSITORY

FENCE = re.compile(r"^(?P<run><!-- run -->\n)?```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?([^\n]*)\n.*?^\1$", re.MULTILINE | re.DOTALL)
SEPARATORS = set("();|&\n")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page; `runs` where `<!-- run -->` stands before it."""

    page: Path
    line: int
    language: str
    text: str
    runs: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY).as_posix()}:{self.line}"


@functools.cache
def pages() -> tuple[Path, ...]:
    """Every page that readers see."""
    top = [path for path in REPOSITORY.glob("*.md") if path.name not in ("AGENTS.md", "CLAUDE.md")]
    inner = [path for folder in ("docs", "design", "recipes", "bench") for path in (REPOSITORY / folder).rglob("*.md")]
    return tuple(sorted(top + inner))


@functools.cache
def blocks(*languages: str) -> tuple[Block, ...]:
    """Every fenced block of the given languages, page by page."""
    found = []
    for page in pages():
        text = page.read_text("utf-8")
        for match in FENCE.finditer(text):
            if match["language"] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(page, line, match["language"], match["text"], bool(match["run"])))
    return tuple(found)


def commands(block: Block) -> list[list[str]]:
    """The simple commands of a shell block, without assignments and redirections."""
    text = block.text
    if block.language == "console":
        text = "\n".join(re.findall(r"^\$ ((?:.*\\\n)*.*)", text, re.MULTILINE))
    text = HEREDOC.sub(r"\2", text).replace("\\\n", " ")
    text = re.sub(r"(^|\s)#.*$", "", text, flags=re.MULTILINE)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    found: list[list[str]] = [[]]
    redirected = False
    for token in lexer:
        if set(token) <= SEPARATORS:
            found.append([])
        elif set(token) <= set("<>&"):
            redirected = True
        elif redirected:
            redirected = False
        elif found[-1] or not re.match(r"^\w+=", token):
            found[-1].append(token)
    return [words for words in found if words]


def headings(page: Path) -> list[tuple[int, str]]:
    """Level and text of every heading."""
    text = FENCE.sub("", page.read_text("utf-8"))
    return [(len(marks), title) for marks, title in re.findall(r"^(#+) (.*)$", text, re.MULTILINE)]


def anchors(page: Path) -> set[str]:
    """The `#fragment` of every heading, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in headings(page)}


def links(page: Path) -> list[str]:
    """Targets of the page's links that are no web addresses."""
    text = FENCE.sub("", page.read_text("utf-8"))
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]


def tree(page: Path) -> list[tuple[int, str, str]]:
    """Depth, name and comment of every line of the page's annotated tree."""
    drawn = next(block.text for block in blocks("text") if block.page == page and "├──" in block.text)
    lines = re.findall(r"^([│ ]*)[├└]── (\S+) *(.*)$", drawn, re.MULTILINE)
    return [(len(indent) // 4 + 1, name, comment) for indent, name, comment in lines]
