"""The bill of materials: valid CycloneDX, whole, and the same each time."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from seekloop.artifact.kinds import Corpus
from seekloop.loop.compliance.packages import closure
from seekloop.loop.compliance.sbom import bill
from seekloop.system.errors import ArtifactError
from tests.artifact.making import one_turn


@pytest.fixture(scope="module")
def installed():
    return bill()


def refs(found):
    return {one["bom-ref"] for one in [found["metadata"]["component"], *found["components"]]}


def test_it_is_valid_cyclonedx(installed):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(installed)) is None


def test_the_same_installation_gives_the_same_bytes(installed):
    assert json.dumps(bill()) == json.dumps(installed)


def test_what_is_needed_is_there_and_what_only_developers_need_is_not(installed):
    names = {one["name"] for one in installed["components"]}
    assert {"pydantic", "pydantic-core", "sqlalchemy", "cryptography", "pyyaml"} <= names
    assert not {"pytest", "mypy", "ruff", "import-linter"} & names


def test_every_edge_of_the_graph_leads_to_a_component(installed):
    known = refs(installed)
    assert len(known) == len(installed["components"]) + 1
    for one in installed["dependencies"]:
        assert one["ref"] in known
        assert set(one["dependsOn"]) <= known


def test_every_component_is_reached_from_seekloop(installed):
    edges = {one["ref"]: one["dependsOn"] for one in installed["dependencies"]}
    met, pending = set(), [installed["metadata"]["component"]["bom-ref"]]
    while pending:
        one = pending.pop()
        if one not in met:
            met.add(one)
            pending += edges[one]
    assert met == refs(installed)


def test_a_package_has_version_licence_url_and_digest():
    one = closure()["pydantic"].component
    assert one["purl"] == f"pkg:pypi/pydantic@{one['version']}"
    assert one["licenses"]
    assert len(one["properties"][0]["value"]) == 64


def test_a_release_names_its_weights_and_data(ctx, installed):
    turn = one_turn(ctx)
    found = bill(release=turn.release, ctx=ctx)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found)) is None
    kinds = {one["bom-ref"]: one["type"] for one in found["components"]}
    models = {turn.gguf, turn.merged, turn.adapter, turn.base}
    assert {ref for ref, kind in kinds.items() if kind == "machine-learning-model"} == models
    assert {ref for ref, kind in kinds.items() if kind == "data"} == {turn.dataset, turn.corpus}
    assert found["metadata"]["component"]["bom-ref"] == turn.release
    (gguf,) = [one for one in found["components"] if one["bom-ref"] == turn.gguf]
    assert "seekloop:file:model.gguf" in {one["name"] for one in gguf["properties"]}
    edges = {one["ref"]: one["dependsOn"] for one in found["dependencies"]}
    assert turn.gguf in edges[turn.release]
    assert turn.merged in edges[turn.gguf]
    assert found["serialNumber"] != installed["serialNumber"]


def test_a_release_that_is_none_is_refused(ctx, store):
    with pytest.raises(ArtifactError) as caught:
        bill(release=one_turn(ctx).corpus, ctx=ctx)
    assert caught.value.code == "artifact.wrong_kind"
    assert store.open(store.list("corpus")[0], Corpus)
