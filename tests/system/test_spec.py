from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from seekloop.system.errors import UsageError
from seekloop.system.spec import Spec, override


class Lora(Spec):
    name: Literal["lora"] = "lora"
    rank: int = Field(default=16, gt=0)


class Full(Spec):
    name: Literal["full"] = "full"
    layers: int | None = None


class Source(Spec):
    path: str
    lora: Lora = Lora()


class Recipe(Spec):
    method: Annotated[Lora | Full, Field(discriminator="name")] = Lora()
    rate: float | Literal["auto"] = "auto"
    precision: Literal["q8_0", "q4_1", "f16"] = "f16"
    sources: tuple[Source, ...] = ()
    weights: dict[str, Full] = Field(default_factory=dict)
    plain: Lora | None = None
    either: Lora | Full | None = None


def refusal(value):
    with pytest.raises(UsageError) as caught:
        Recipe.parse(value)
    return caught.value


@pytest.mark.parametrize(
    ("value", "key", "owner", "likely"),
    [
        ({"metod": {}}, "metod", "Recipe", "method"),
        ({"method": {"name": "lora", "rnk": 8}}, "method.rnk", "Lora", "rank"),
        ({"method": {"name": "full", "layer": 8}}, "method.layer", "Full", "layers"),
        ({"method": {"rnk": 8}}, "method.rnk", "Lora", "rank"),
        ({"sources": [{"path": "a"}, {"pth": "b"}]}, "sources.1.pth", "Source", "path"),
        ({"sources": [{"path": "a", "lora": {"rnk": 1}}]}, "sources.0.lora.rnk", "Lora", "rank"),
        ({"weights": {"full": {"layrs": 1}}}, "weights.full.layrs", "Full", "layers"),
        ({"plain": {"rnk": 1}}, "plain.rnk", "Lora", "rank"),
        ({"either": {"rnk": 1}}, "either.rnk", "Lora", "rank"),
    ],
)
def test_an_unknown_key_is_named_with_the_likely_one(value, key, owner, likely):
    facts = refusal(value).facts
    assert (facts["key"], facts["spec"]) == (key, owner)
    assert facts["suggestion"] == f"; did you mean {likely}?"
    assert likely in str(facts["known"])


def test_a_key_like_no_other_gets_no_guess_but_the_list():
    error = refusal({"zzz": 1})
    assert error.code == "system.spec_unknown_key"
    assert error.facts["suggestion"] == ""
    assert "precision" in error.hint("en")


@pytest.mark.parametrize(
    ("value", "key", "words"),
    [
        ({"method": {"name": "lora", "rank": 0}}, "method.rank", "greater than 0"),
        ({"method": {"name": "lorra"}}, "method", "did you mean lora?"),
        ({"precision": "q8"}, "precision", "did you mean q8_0?"),
        ({"rate": "atuo"}, "rate", "did you mean auto?"),
        ({"sources": [{}]}, "sources.0.path", "required"),
        ({"rate": float("nan")}, "rate", "finite"),
        ({"weights": []}, "weights", "dictionary"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(value, key, words):
    error = refusal(value)
    assert error.code == "system.spec_bad_value"
    assert error.facts["key"] == key
    assert words in str(error.facts["problem"])


def test_an_unknown_key_is_reported_before_what_is_missing_because_of_it():
    assert refusal({"sources": [{"pth": "a"}]}).code == "system.spec_unknown_key"


def test_a_member_without_its_tag_is_the_default_member():
    assert Recipe.parse({"method": {"rank": 8}}).method == Lora(rank=8)


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Lora().rank = 3


def test_the_digest_counts_defaults_and_every_change():
    assert Recipe().digest == Recipe.parse({"method": {"name": "lora", "rank": 16}}).digest
    assert Recipe().digest != Recipe(method=Lora(rank=8)).digest


def test_a_file_and_its_overrides_make_a_spec(tmp_path):
    path = tmp_path / "tune.yaml"
    path.write_text("method:\n  name: lora\n  rank: 8\nrate: 1e-3\n", "utf-8")
    recipe = Recipe.load(path, changes=["method.rank=4", "precision=q4_1"])
    assert (recipe.method, recipe.rate, recipe.precision) == (Lora(rank=4), 0.001, "q4_1")


@pytest.mark.parametrize(
    ("value", "changes", "result"),
    [
        ({}, ["a.b=1"], {"a": {"b": 1}}),
        ({"a": {"b": 1, "c": 2}}, ["a.b=[1, x]"], {"a": {"b": [1, "x"], "c": 2}}),
        ({"a": None}, ["a.b=x=y"], {"a": {"b": "x=y"}}),
        ({"a": [{"b": 1}, {"b": 2}]}, ["a.1.b=3"], {"a": [{"b": 1}, {"b": 3}]}),
        ({}, ["rate=2e-5", " name = 挂失 "], {"rate": 2e-5, "name": "挂失"}),
        ({"a": 1}, ["a="], {"a": None}),
    ],
)
def test_an_override_reaches_any_depth(value, changes, result):
    assert override(value, changes) == result


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("rank", "system.override_not_pair"),
        ("=3", "system.override_not_pair"),
        ("a..b=3", "system.override_not_pair"),
        ("a.b.c=3", "system.override_no_place"),
        ("list.7=3", "system.override_no_place"),
        ("a.b=[1", "system.spec_not_yaml"),
    ],
)
def test_an_override_that_has_no_place_is_refused(change, code):
    with pytest.raises(UsageError) as caught:
        override({"a": {"b": 1}, "list": [1]}, [change])
    assert caught.value.code == code


names = st.text("abc", min_size=1, max_size=3)
trees = st.dictionaries(names, st.recursive(st.integers(), lambda inner: st.dictionaries(names, inner)))


@given(trees, names, st.integers())
def test_an_override_changes_its_key_alone_and_never_its_input(tree, name, number):
    before = repr(tree)
    assert override(tree, [f"{name}={number}"]) == {**tree, name: number}
    assert repr(tree) == before
