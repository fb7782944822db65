"""Knowledge graphs are read as their formats say: OBO with its quotes and escapes, tables of triples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.graph.obo import read_obo
from seekloop.data.graph.spec import TripleColumns
from seekloop.data.graph.triples import read_triples
from seekloop.system.errors import DataError

OBO = r"""format-version: 1.4
ontology: garden ! our own

[Term]
id: G:1
name: plant
def: "A living thing\, rooted: \"still\" { not a qualifier } ! nor a comment." [book:1, url:http\://x] {source="G"}

[Term]
id: G:2 ! a comment
name: rose \{red\}
alt_id: G:22
synonym: "queen of flowers" EXACT []
synonym: "bloom" BROAD poetic [x:1]
synonym: "rosa" []
xref: EX:7 "a text"
comment: Kept \
as one line.
is_a: G:1 {since="2020"} ! plant
relationship: grows_in G:4 {cardinality="1"} ! garden
relationship: part_of G:99 ! not in this file

[Term]
id: G:3
name: obsolete weed
is_a: G:1
is_obsolete: true

[Term]
id: G:4
name: garden

[Term]
id: G:5
name: rosebud
is_a: G:22

[Typedef]
id: grows_in
name: grows in
is_transitive: true
transitive_over: part_of ! over wholes
holds_over_chain: near grows_in
inverse_of: hosts
"""


def garden():
    return read_obo(OBO.splitlines(keepends=True), shown="garden.obo")


def test_quotes_escapes_comments_and_qualifiers_are_told_apart():
    terms = garden().terms
    assert terms["G:1"].definition == 'A living thing, rooted: "still" { not a qualifier } ! nor a comment.'
    assert terms["G:2"].name == "rose {red}"
    assert terms["G:2"].comment == "Kept as one line."
    assert terms["G:2"].xrefs == ("EX:7",)


def test_synonyms_keep_their_scope_and_none_means_related():
    scopes = {synonym.text: synonym.scope for synonym in garden().terms["G:2"].synonyms}
    assert scopes == {"queen of flowers": "EXACT", "bloom": "BROAD", "rosa": "RELATED"}


def test_links_follow_alternative_ids_and_those_that_lead_nowhere_are_counted():
    graph = garden()
    assert graph.objects("G:5", "is_a") == ("G:2",)
    assert graph.subjects("G:4", "grows_in") == ("G:2",)
    assert (graph.dangling, graph.obsolete, "G:3" in graph.terms) == (1, 1, False)


def test_what_a_typedef_says_is_kept():
    relation = garden().relations["grows_in"]
    assert (relation.name, relation.transitive, relation.over) == ("grows in", True, ("part_of",))
    assert (relation.chains, relation.inverse) == ((("near", "grows_in"),), "hosts")


def test_two_stanzas_of_one_id_are_one_term():
    lines = ["[Term]", "id: A", "name: a", "[Term]", "id: A", 'def: "d" []', 'synonym: "b" EXACT []']
    term = read_obo(lines, shown="x.obo").terms["A"]
    assert (term.name, term.definition, [one.text for one in term.synonyms]) == ("a", "d", ["b"])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[Term]\nid: A\nname a", "graph.bad_line"),
        ('[Term]\nid: A\ndef: "open', "graph.open_quote"),
        ("[Term]\nid: A\nsynonym: bare EXACT []", "graph.open_quote"),
        ("[Term]\nid: A\nrelationship: part_of", "graph.bad_line"),
    ],
)
def test_a_broken_line_is_named(text, code):
    with pytest.raises(DataError) as caught:
        read_obo(text.splitlines(), shown="x.obo")
    assert (caught.value.code, caught.value.facts["where"]) == (code, "x.obo:3")


def test_a_term_without_an_id_is_named_by_its_stanza():
    with pytest.raises(DataError) as caught:
        read_obo(["", "[Term]", "name: a"], shown="x.obo")
    assert (caught.value.code, caught.value.facts["where"]) == ("graph.no_id", "x.obo:2")


def escaped(text: str) -> str:
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("!", "\\!"), ("{", "\\{"), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(plain, written)
    return text


letters = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\x85"), min_size=1)


@given(name=letters.map(str.strip).filter(bool), definition=letters)
def test_any_text_that_is_escaped_comes_back(name, definition):
    lines = ["[Term]\n", "id: A\n", f"name: {escaped(name)}\n", f'def: "{escaped(definition)}" [] ! end\n']
    term = read_obo(lines, shown="x.obo").terms["A"]
    assert (term.name, term.definition) == (name, " ".join(definition.split()))


@given(st.text())
def test_no_text_breaks_the_reader_without_a_reason(text):
    try:
        read_obo(text.splitlines(keepends=True), shown="x.obo")
    except DataError as error:
        assert error.code.startswith("graph.")


TABLES = {
    "header": "head,relation,tail\n感冒,属于,呼吸道疾病\n感冒,别名,伤风\n感冒,定义,一种常见病\n感冒,症状,鼻塞\n",
    "none": "感冒\t属于\t呼吸道疾病\n感冒\t别名\t伤风\n感冒\t定义\t一种常见病\n感冒\t症状\t鼻塞\n",
    "other order": "宾语;主语;关系\n呼吸道疾病;感冒;属于\n伤风;感冒;别名\n一种常见病;感冒;定义\n鼻塞;感冒;症状\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_triples_are_read_with_and_without_a_header(text):
    graph = read_triples(text.splitlines(keepends=True), TripleColumns(), shown="t.csv")
    assert list(graph.triples()) == [("感冒", "is_a", "呼吸道疾病"), ("感冒", "症状", "鼻塞")]
    assert graph.terms["感冒"].definition == "一种常见病"
    assert graph.terms["感冒"].names == ("感冒", "伤风")


def test_columns_of_other_names_are_mapped():
    columns = TripleColumns(subject="von", relation="wie", object="zu", is_a=("ist ein",))
    graph = read_triples(["nr,von,wie,zu\n", "1,Hund,ist ein,Tier\n"], columns, shown="t.csv")
    assert list(graph.triples()) == [("Hund", "is_a", "Tier")]


@pytest.mark.parametrize(
    ("text", "columns", "code", "line"),
    [
        ("subject,relation,object\na,b\n", {}, "graph.short_triple", 2),
        ("s,p,o\na,b,c\n", {"subject": "who"}, "data.no_column", 1),
        ('subject,relation,object\na,b,"c" d\n', {}, "data.bad_table", 2),
    ],
)
def test_a_broken_table_is_named_by_line(text, columns, code, line):
    with pytest.raises(DataError) as caught:
        read_triples(text.splitlines(keepends=True), TripleColumns(**columns), shown="t.csv")
    assert (caught.value.code, caught.value.facts["where"]) == (code, f"t.csv:{line}")
