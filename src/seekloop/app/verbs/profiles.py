"""`seekloop profiles`: devices to compress for, and whether this machine is one of them."""

from __future__ import annotations

from typing import Any

from seekloop.app.console import print_json, print_table
from seekloop.compress.profiles import profile
from seekloop.compress.profiles.machine import here, missing
from seekloop.system import settings
from seekloop.system.plain import show

__all__ = ["profiles"]


def profiles(*, as_json: bool) -> None:
    """Print every profile with its method, its reason, what it refuses and what this machine lacks of it."""
    machine, language = here(), settings.language()
    found: list[dict[str, Any]] = [
        {
            "name": one.name,
            "method": dict(one.method),
            "why": one.why[language],
            "refuses": [{"method": dict(each["when"]), "why": each[language]} for each in one.refuses],
            "lacks": missing(one, machine),
        }
        for one in profile.profiles().values()
    ]
    if as_json:
        print_json({"profiles": found})
        return
    rows = [
        (
            one["name"],
            show(one["method"]),
            "lacks " + ", ".join(map(str, one["lacks"])) if one["lacks"] else "yes",
            one["why"],
        )
        for one in found
    ]
    print_table("device profiles", head=("profile", "method", "this machine", "why"), rows=rows)
    for one in found:
        for each in one["refuses"]:
            print(f"{one['name']} refuses {show(each['method'])}: {each['why']}")
