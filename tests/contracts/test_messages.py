"""Every fixable error has its sentence and hint, in both languages, with the facts that its raise gives."""

from __future__ import annotations

import ast
import re
import string
import tomllib
from collections.abc import Iterator

import pytest

from seekloop.system import errors
from tests.contracts.source import PACKAGE, Module, modules

TABLES = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in (PACKAGE / "system/messages").glob("*.toml")}
ENTRIES = {f"{room}.{name}": entry for room, table in TABLES.items() for name, entry in table.items()}
PARTS = ("en", "zh", "hint_en", "hint_zh")


def kinds() -> dict[str, str]:
    """Every SeekloopError class in the source, by name, with the file that defines it."""
    known, grown = {"SeekloopError": "seekloop/system/errors.py"}, True
    while grown:
        grown = False
        for module in modules():
            for owner in module.classes():
                if owner.name not in known and {ast.unparse(base) for base in owner.bases} & set(known):
                    known[owner.name], grown = str(module), True
    return known


def raised() -> Iterator[tuple[Module, ast.Call, list[str]]]:
    """Every place that makes a SeekloopError, with the codes that it may carry."""
    names = set(kinds())
    for module in modules():
        for name, call in module.calls():
            if name.split(".")[-1] in names and str(module) != "seekloop/system/errors.py":
                codes = [part.value for part in ast.walk(call.args[0]) if isinstance(part, ast.Constant)]
                yield module, call, [str(code) for code in codes if "." in str(code)]


def placeholders(template: str) -> set[str]:
    return {name.partition(".")[0].partition("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_error_class_is_drawn_in_the_tree():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn == set(kinds()) - {"SeekloopError"}
    assert set(kinds().values()) == {"seekloop/system/errors.py"}


def test_every_code_that_is_raised_has_its_sentence():
    found = [(module.at(call), code) for module, call, codes in raised() for code in codes]
    assert [pair for pair in found if pair[1] not in ENTRIES] == []


def test_every_sentence_is_used():
    used = {node.value for module in modules() for node in module.nodes(ast.Constant) if isinstance(node.value, str)}
    assert sorted(set(ENTRIES) - used) == []


def test_every_raise_gives_the_facts_of_its_sentence():
    missing = []
    for module, call, codes in raised():
        given = {keyword.arg for keyword in call.keywords}
        for code in codes if None not in given else []:
            wanted = set().union(*(placeholders(ENTRIES.get(code, {}).get(part, "")) for part in PARTS))
            missing += [f"{module.at(call)} {code}: {sorted(wanted - given)}"] if wanted - given else []
    assert missing == []


@pytest.mark.parametrize("code", sorted(ENTRIES))
def test_a_sentence_and_its_hint_are_in_both_languages(code):
    entry = ENTRIES[code]
    assert set(entry) == set(PARTS)
    assert all(entry[part].strip() for part in PARTS)
    assert re.search(r"[一-鿿]", entry["zh"]), "no Chinese in zh"
    assert not re.search(r"[.。]$|\n", entry["en"] + entry["zh"]), "one sentence, without a full stop"


@pytest.mark.parametrize("code", sorted(ENTRIES))
def test_both_languages_tell_the_same_facts(code):
    entry = ENTRIES[code]
    assert placeholders(entry["en"]) == placeholders(entry["zh"])
    assert placeholders(entry["hint_en"]) == placeholders(entry["hint_zh"])


def test_every_table_belongs_to_a_room():
    rooms = {part for module in modules() for part in module.name.split(".")}
    assert set(TABLES) <= rooms
