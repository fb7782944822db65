"""Reads YAML the way people mean it: a key twice is an error, 1e-3 is a number, and yes, no, on and off are words."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from seekloop.system.errors import UsageError

__all__ = ["parse_yaml", "read_yaml", "show"]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, less three surprises of YAML 1.1."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping whose keys are all different."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_bool = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _bool]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# YAML 1.1 reads the key `on` and the label `no` as truth values; a spec's own switches still take all of these words.
_Loader.add_implicit_resolver(_bool, re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
# YAML 1.1 wants a dot and a sign in 1.0e-3; YAML 1.2, JSON and everyone who writes a learning rate do not.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        UsageError: no such file, not UTF-8, not YAML, a key twice, or no mapping at the top.
    """
    if not path.is_file():
        raise UsageError("system.spec_not_found", path=path)
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("system.spec_not_utf8", where=path) from error
    value = parse_yaml(text, where=path)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError("system.spec_not_mapping", where=path)
    return value


def parse_yaml(text: str, *, where: object) -> Any:
    """The value that `text` holds.

    Raises:
        UsageError: not YAML, or a key twice; says the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark and "\n" in text else ""
        raise UsageError("system.spec_not_yaml", problem=error.problem, where=f"{where}{line}") from error
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise UsageError("system.spec_not_yaml", problem=problem, where=where) from error


def show(value: Any) -> str:
    """A plain value as people write it on one line of YAML."""
    return str(yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)).splitlines()[0]
