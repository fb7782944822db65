"""Every recipe is a whole run that parses, named domain_base_method_hardware."""

import pytest

from seekloop.loop.project import ProjectSpec, recipe_names, recipe_text
from seekloop.system.plain import parse_yaml


def spec_of(name):
    return ProjectSpec.parse(parse_yaml(recipe_text(name), where=name))


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_a_whole_run(name):
    assert spec_of(name).domain


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_named_for_its_dials(name):
    domain, base, method, hardware = name.split("_")
    spec = spec_of(name)
    assert domain and (base, hardware) == (spec.base, spec.hardware)
    assert spec.tune.method.type == method


def test_there_is_a_recipe_for_the_demo_and_for_real_data():
    domains = {name.partition("_")[0] for name in recipe_names()}
    assert domains >= {"bank-support", "banking77"}
