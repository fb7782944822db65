"""Chunks: no sentence and no table row is cut, nothing is lost, and each knows its place."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.media import ChunkSpec
from seekloop.data.read.documents.blocks import Block, Document, table
from seekloop.data.read.documents.chunks import Chunk, chunks
from seekloop.text.sentences import sentences

SENTENCE = "客户办理开户业务时应当出示有效身份证件。"


def document(*blocks: Block) -> Document:
    return Document(title="", blocks=blocks)


def paragraph(text: str, page: int | None = None) -> Block:
    return Block(kind="paragraph", text=text, page=page)


def heading(text: str, level: int = 1, page: int | None = None) -> Block:
    return Block(kind="heading", text=text, level=level, page=page)


def cut(*blocks: Block, **keys) -> list[Chunk]:
    return list(chunks(document(*blocks), ChunkSpec.parse(keys)))


def test_a_chunk_knows_its_heading_page_and_place():
    made = cut(heading("A", page=1), heading("B", 2, page=1), paragraph(SENTENCE * 5, page=1), paragraph(SENTENCE, 2))
    (only,) = made
    assert (only.number, only.page, only.heading, only.start) == (1, 1, ("A",), 0)
    later = cut(heading("A"), heading("B", 2), paragraph(SENTENCE * 6, 3), size=70)
    assert [chunk.heading for chunk in later] == [("A",), ("A", "B"), ("A", "B")]
    assert [chunk.page for chunk in later] == [None, 3, 3]


def test_sentences_are_whole_and_chunks_are_not_too_long():
    made = cut(paragraph(SENTENCE * 30), size=100)
    assert {len(chunk.text) for chunk in made} == {100}
    assert all(chunk.text.endswith("。") for chunk in made)


def test_a_sentence_that_is_longer_than_a_chunk_stays_whole():
    long = "字" * 300 + "。"
    assert [chunk.text for chunk in cut(paragraph(SENTENCE + long + SENTENCE), size=60)] == [SENTENCE, long, SENTENCE]


def test_a_table_is_cut_between_rows_and_its_head_is_said_again():
    rows = [["Kind", "Fee"], *[[f"Transfer {n}", f"{n} %"] for n in range(20)]]
    made = cut(Block(kind="table", text=table(rows)), size=120)
    assert len(made) > 2
    for chunk in made:
        assert chunk.text.startswith("| Kind | Fee |\n| --- | --- |\n| Transfer")
        assert all(line.startswith("|") and line.endswith("|") for line in chunk.text.split("\n"))
        assert len(chunk.text) <= 120
    assert sum(chunk.text.count("Transfer") for chunk in made) == 20


def test_a_heading_is_never_the_last_of_a_chunk():
    blocks = [part for n in range(6) for part in (heading(f"Part {n}"), paragraph(SENTENCE * 3))]
    for chunk in cut(*blocks, size=100):
        assert not chunk.text.split("\n")[-1].startswith("#")


def test_overlap_says_whole_sentences_again():
    made = cut(paragraph("".join(f"第{n}句话在这里。" for n in range(10, 40))), size=60, overlap=20)
    for before, after in pairwise(made):
        assert 0 < before.end - after.start <= 20
        assert before.text.endswith(after.text[: before.end - after.start])


def test_tokens_count_words_and_characters():
    words = "one two three. " * 20
    made = cut(paragraph(words.strip().replace(". o", ". O")), size=50, unit="tokens")
    assert [len(chunk.text.split()) for chunk in made] == [48, 12]


def rows_of(count: int) -> str:
    return table([["a", "b"], *[[str(number), "x"] for number in range(count)]])


BLOCKS = st.lists(
    st.one_of(
        st.builds(heading, st.text("ABc", min_size=1, max_size=8), st.integers(1, 3)),
        st.builds(paragraph, st.text("aB. 好。", min_size=1, max_size=200).map(str.strip).filter(bool)),
        st.builds(lambda n: Block(kind="table", text=rows_of(n)), st.integers(1, 9)),
        st.builds(lambda text: Block(kind="item", text=text), st.text("xy。", min_size=1, max_size=40)),
    ),
    min_size=1,
    max_size=8,
)


@given(BLOCKS, st.integers(50, 200), st.integers(0, 25))
def test_chunks_are_stretches_of_the_text_and_cover_it(blocks, size, overlap):
    whole = "".join(unit.markdown + _gap(unit, after) for unit, after in zip(blocks, [*blocks[1:], None], strict=True))
    made = cut(*blocks, size=size, overlap=overlap)
    covered = set()
    for chunk in made:
        place = whole[chunk.start : chunk.end]
        assert chunk.text == place or (chunk.text.endswith(place) and chunk.text.startswith("| a | b |"))
        covered.update(range(chunk.start, chunk.end))
    assert [one for n, one in enumerate(whole) if n not in covered and not one.isspace()] == []
    assert [chunk.number for chunk in made] == list(range(1, len(made) + 1))


def _gap(block: Block, after: Block | None) -> str:
    if after is None:
        return ""
    return "\n" if block.kind == after.kind == "item" else "\n\n"


@given(st.lists(st.text("aB. 好。", min_size=1, max_size=80), min_size=1, max_size=4), st.integers(50, 90))
def test_no_chunk_ends_within_a_sentence(texts, size):
    texts = [text.strip() for text in texts if text.strip()]
    whole = "\n\n".join(texts)
    ends, at = set(), 0
    for text in texts:
        ends |= {len(whole[: at + end].rstrip()) for _, end in sentences(text)}
        at += len(text) + 2
    assert {chunk.end for chunk in cut(*map(paragraph, texts), size=size)} <= ends
