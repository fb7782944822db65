"""The dashboard and the scrape configuration that are shipped ask for what is there."""

import json
import re
from pathlib import Path

import pytest

from seekloop.system.plain import parse_yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
SUFFIX = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}


def exported(served):
    """Name of every sample that a scrape may have, with the labels that samples had."""
    names = {}
    for line in served.http.get("/metrics").text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            names |= {name.removesuffix("_total") + suffix: set() for suffix in SUFFIX[kind]}
        elif not line.startswith("#"):
            name = re.match(r"[\w:]+", line)[0]
            names[name] |= set(re.findall(r'(\w+)="', line))
    return names


def expressions():
    """Every query of the dashboard."""
    board = json.loads((DEPLOY / "grafana" / "seekloop.json").read_text("utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    found += [one["expr"] for one in board["annotations"]["list"]]
    return [*found, *(one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query")]


@pytest.fixture
def busy(world, until):
    """A gateway that has answered, refused, and answered from its cache."""
    with world.serving(world.release("a", {"Hi": "Hello"}), cache={"backend": "memory", "erasure_s": 0.02}) as served:
        until(lambda: not served.gateway.cache.blind)
        for text in ("Hi", "Hi", "Ho"):
            served.ask(text)
        served.ask(model="other")
        yield served


def test_every_figure_of_the_dashboard_is_exported(busy):
    names = exported(busy)
    asked = {name for text in expressions() for name in re.findall(r"(?:vllm|seekloop):\w+", text)}
    assert len(asked) > 20
    assert sorted(asked - set(names)) == []


def test_every_label_that_the_dashboard_goes_by_is_there(busy):
    names = exported(busy)
    for text in expressions():
        labels = set(re.findall(r"[{,](\w+)(?:=|!)", text)) | set(re.findall(r"by \((\w+)\)", text)) - {"le"}
        for name in re.findall(r"(?:vllm|seekloop):\w+", text):
            assert labels <= names[name], text


def test_every_figure_is_on_the_dashboard_but_the_mean_of_another(busy):
    families = {
        line.split()[2].removesuffix("_total")
        for line in busy.http.get("/metrics").text.splitlines()
        if line.startswith("# TYPE")
    }
    text = " ".join(expressions())
    assert {name for name in families if name not in text} == {"vllm:request_time_per_output_token_seconds"}


def test_panels_have_ids_of_their_own_and_do_not_overlap():
    panels = json.loads((DEPLOY / "grafana" / "seekloop.json").read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for p in panels
        for g in [p["gridPos"]]
        for x in range(g["x"], g["x"] + g["w"])
        for y in range(g["y"], g["y"] + g["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24


def test_the_scrape_configuration_asks_with_a_key_for_a_route_that_is_there(busy):
    path = DEPLOY / "prometheus" / "prometheus.yml"
    (job,) = parse_yaml(path.read_text("utf-8"), where=path)["scrape_configs"]
    assert job["authorization"]["type"] == "Bearer"
    assert busy.http.get(job["metrics_path"]).status_code == 200
