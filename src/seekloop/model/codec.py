"""The chat codec: messages to token ids and back, the same for data, training, evaluation, serving and export.

What a row trains begins with exactly the ids that the server sends, and what the model answers reads back as what was
trained: `design/codec.md` states the invariant.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from tokenizers import Tokenizer

from seekloop.artifact.rows import Message, Row
from seekloop.model import answers, families
from seekloop.model.answers import AnswerForm
from seekloop.model.families import FamilyCard
from seekloop.model.reading import Delta, Parsed, RawDecoder, StreamDecoder
from seekloop.model.template import ChatTemplate, Piece, source_of
from seekloop.model.vocabulary import Vocabulary
from seekloop.system import digests
from seekloop.system.errors import DataError, ModelError, SeekloopError
from seekloop.system.files import write_whole

__all__ = ["Codec", "Delta", "Parsed", "StreamDecoder", "View"]

_version = 1


@dataclass(frozen=True, kw_only=True)
class View:
    """One training sequence of a row."""

    row: str
    """Id of the row."""
    turn: int
    """Index of the last trained message in it."""
    ids: tuple[int, ...]
    labels: tuple[int, ...]
    """The id itself where it is trained, -100 elsewhere; not shifted."""
    side: int = 0
    """Of two answers that are compared: 0 the better one, 1 the other."""
    begins: int = 0
    """Place of the answer's first token, where its prompt is labelled too."""


class _Settings(BaseModel):
    """`codec.json`: what was resolved when the codec was built."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = _version
    family: str
    bos: str | None
    eos: str
    pad: str
    stops: tuple[str, ...]
    answer: AnswerForm


class Codec:
    """Use `build` or `open`."""

    def __init__(self, settings: _Settings, *, vocabulary: Vocabulary, template: str) -> None:
        self.card: FamilyCard = families.card(settings.family)
        self._settings = settings
        self._vocabulary = vocabulary
        self._template = ChatTemplate(template, bos=settings.bos, eos=settings.eos)
        wanted = {settings.eos, settings.pad, *settings.stops, *([settings.bos] if settings.bos else [])}
        _need(wanted, vocabulary, family=settings.family)
        self._text_tags = frozenset(tag for tag in settings.answer.tags if tag not in vocabulary.control_ids)
        self.bos_id = None if settings.bos is None else vocabulary.control_ids[settings.bos]
        """Id that every prompt begins with; None where the family has none."""
        self.eos_id = vocabulary.control_ids[settings.eos]
        """Id that ends a trained answer."""
        self.pad_id = vocabulary.control_ids[settings.pad]
        """Id to fill batches with; it may be the same as `eos_id`, so mask by length."""
        self.stop_ids = frozenset(vocabulary.control_ids[token] for token in settings.stops)
        """Ids that end generation."""
        self.control_ids = frozenset(vocabulary.controls)
        """Ids of control tokens: the template's, never a user's text."""
        self.vocab_size = vocabulary.size
        """One more than the highest id."""

    @classmethod
    def build(cls, card: FamilyCard, tokenizer: Tokenizer) -> Self:
        """The codec of a family for one of its tokenizers.

        Raises:
            ModelError: the tokenizer lacks a token that the family needs, is not byte-level, or treats text between
                control tokens in a way that cannot be kept exact.
        """
        template = source_of(card)
        vocabulary = Vocabulary(tokenizer.to_str())
        known = vocabulary.control_ids
        answer = AnswerForm(
            opened=card.reasoning == "opened", prefix=card.answer_prefix, suffix=card.answer_suffix, tools=card.tools
        )
        used = {token for token in card.tokens.all if token in template}
        _need(used.difference(answer.tags), vocabulary, family=card.name)
        settings = _Settings(
            family=card.name,
            bos=card.tokens.bos,
            eos=card.tokens.eos,
            pad=next((token for token in card.tokens.pad if token in known), card.tokens.eos),
            stops=tuple(token for token in card.tokens.stops if token in known),
            answer=answer,
        )
        codec = cls(settings, vocabulary=vocabulary, template=template)
        vocabulary.check(tokenizer)
        return codec

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The codec that was saved in `folder`, template included, whatever the family's card says today.

        Raises:
            ModelError: there is none, it is damaged, or a newer seekloop wrote it.
        """
        path, *others = (folder / name for name in ("codec.json", "tokenizer.json", "chat_template.jinja"))
        if not all(file.is_file() for file in (path, *others)):
            raise ModelError("model.no_codec", folder=folder)
        tokenizer, template = (file.read_text("utf-8") for file in others)
        return cls(_read_settings(path), vocabulary=Vocabulary(tokenizer), template=template)

    def save(self, folder: Path) -> None:
        """Write the codec into a checkpoint's folder, with what transformers needs to open it as a tokenizer."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (self._files() | self._foreign_files()).items():
            write_whole(folder / name, text.encode())

    @functools.cached_property
    def digest(self) -> str:
        """`sha256:HEX` of the three files that decide about ids."""
        return digests.of_json({name: digests.of_bytes(text.encode()) for name, text in self._files().items()})

    def prompt_text(self, messages: Sequence[Message], *, tools: Sequence[dict[str, Any]] = ()) -> str:
        """The prompt as text: what `chat_template.jinja` renders. For people; ids are not made from it."""
        return "".join(piece.text for piece in self._pieces(messages, tools=tools))

    def prompt_ids(self, messages: Sequence[Message], *, tools: Sequence[dict[str, Any]] = ()) -> tuple[int, ...]:
        """The ids that a server sends for the next answer.

        Control tokens come from the template only: their text inside a message stays text.

        Raises:
            ModelError: the family has no tool calls, and the conversation has.
            DataError: a tool call is not in OpenAI's form.
        """
        return tuple(self._vocabulary.encode(self._pieces(messages, tools=tools)))

    def answer_ids(self, message: Message) -> tuple[int, ...]:
        """The ids that an answer is trained on, EOS included.

        Raises:
            ModelError: the family has no tool calls, and the message has.
            DataError: the answer would not read back as what it is.
        """
        self._refuse_tools([message], tools=())
        return (
            *self._vocabulary.encode(answers.render(message, self._settings.answer, text_tags=self._text_tags)),
            self.eos_id,
        )

    def text_ids(self, text: str) -> tuple[int, ...]:
        """The ids of plain text: BOS where the family has one, the text, and what ends a document in this family."""
        start = () if self.bos_id is None else (self.bos_id,)
        return (*start, *self._vocabulary.encode([Piece(text, False)]), self.end_of_text_id)

    def raw_ids(self, text: str) -> tuple[int, ...]:
        """The ids of a raw prompt: BOS where the family has one, and control tokens wherever their text stands."""
        ids = tuple(self._vocabulary.encode([Piece(text, True)]))
        return ids if self.bos_id is None or ids[:1] == (self.bos_id,) else (self.bos_id, *ids)

    def raw_stream(self) -> RawDecoder:
        """A decoder for raw text that comes token by token."""
        return RawDecoder(self._vocabulary.bytes)

    @property
    def end_of_text_id(self) -> int:
        """What ends a document: the second of the family's stops, where answers end with a token of their own."""
        stops = self._settings.stops
        end: int = self._vocabulary.control_ids[stops[1] if len(stops) > 1 else stops[0]]
        return end

    def views(self, row: Row) -> list[View]:
        """The training sequences of a row, one or more trained turns in each.

        Every trained turn stands after exactly the ids of its prompt. Turns share a view where the later prompt goes on
        from the earlier view, id for id; a template that drops earlier reasoning makes one view a turn.

        Raises:
            DataError: no turn is trained, or an answer would not read back; `where` is the row's place.
            ModelError: the family has no tool calls, and the row has.
        """
        where = f"{row.source.file}:{row.source.line}"
        trained = [message.role == "assistant" and message.train is not False for message in row.messages]
        turns = [index for index, wanted in enumerate(trained) if wanted]
        if not turns:
            raise DataError("model.no_trained_turn", row=row.id, where=where)
        try:
            return self._merge(row, turns)
        except SeekloopError as error:
            raise type(error)(error.code, **{**error.facts, "where": where}) from error

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, control tokens included; bytes that are no character become U+FFFD."""
        return self._vocabulary.decode(ids)

    @property
    def form(self) -> AnswerForm:
        """How answers of the family are laid out."""
        return self._settings.answer

    def control_id(self, text: str) -> int | None:
        """The id of a control token; None: to this tokenizer it is plain text."""
        return self._vocabulary.control_ids.get(text)

    def plain_ids(self, text: str) -> tuple[int, ...]:
        """The ids of text alone, control tokens in it being text too, with nothing before or behind."""
        return tuple(self._vocabulary.encode([Piece(text, False)]))

    def token_bytes(self, id_: int) -> bytes:
        """What one id writes, which may be a part of a character."""
        return self._vocabulary.bytes.get(id_, b"")

    def parse(self, ids: Iterable[int]) -> Parsed:
        """The content, reasoning and tool calls of an answer; everything from the first stop id on is left out."""
        stream = self.stream()
        deltas = [stream.push(id_) for id_ in ids]
        deltas.append(stream.finish())
        return Parsed(
            content="".join(delta.content for delta in deltas),
            reasoning="".join(delta.reasoning for delta in deltas) or None,
            tool_calls=deltas[-1].tool_calls,
        )

    def stream(self) -> StreamDecoder:
        """A decoder for one answer that comes token by token."""
        return StreamDecoder(
            self._settings.answer,
            token_bytes=self._vocabulary.bytes,
            controls=self._vocabulary.controls,
            stop_ids=self.stop_ids,
            text_tags=self._text_tags,
        )

    def _merge(self, row: Row, turns: Sequence[int]) -> list[View]:
        views: list[View] = []
        for turn in turns:
            prompt = self.prompt_ids(row.messages[:turn], tools=row.tools)
            answer = self.answer_ids(row.messages[turn])
            last = views[-1] if views else None
            goes_on = last is not None and prompt[: len(last.ids)] == last.ids
            labels = last.labels if last is not None and goes_on else ()
            labels = (*labels, *[-100] * (len(prompt) - len(labels)), *answer)
            view = View(row=row.id, turn=turn, ids=prompt + answer, labels=labels)
            views = [*views[:-1], view] if goes_on else [*views, view]
        return views

    def _pieces(self, messages: Sequence[Message], *, tools: Sequence[dict[str, Any]]) -> list[Piece]:
        self._refuse_tools(messages, tools=tools)
        return self._template.prompt(messages, tools=tools)

    def _refuse_tools(self, messages: Sequence[Message], *, tools: Sequence[dict[str, Any]]) -> None:
        if self._settings.answer.tools is not None:
            return
        if tools or any(message.role == "tool" or message.tool_calls for message in messages):
            raise ModelError("model.no_tools", family=self.card.name)

    def _files(self) -> dict[str, str]:
        settings = self._settings.model_dump(mode="json")
        return {
            "codec.json": json.dumps(settings, indent=2, ensure_ascii=False) + "\n",
            "tokenizer.json": self._vocabulary.source,
            "chat_template.jinja": self._template.source,
        }

    def _foreign_files(self) -> dict[str, str]:
        """What AutoTokenizer reads beside `tokenizer.json`."""
        named = {"bos_token": self._settings.bos, "eos_token": self._settings.eos, "pad_token": self._settings.pad}
        tokens = {name: token for name, token in named.items() if token is not None}
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.card.context_length,
            "clean_up_tokenization_spaces": False,
            **tokens,
        }
        return {
            "tokenizer_config.json": json.dumps(config, indent=2, ensure_ascii=False) + "\n",
            "special_tokens_map.json": json.dumps(tokens, indent=2, ensure_ascii=False) + "\n",
        }


def _need(tokens: Iterable[str], vocabulary: Vocabulary, *, family: str) -> None:
    for token in sorted(tokens):
        if token not in vocabulary.control_ids:
            raise ModelError("model.token_missing", token=token, family=family)


def _read_settings(path: Path) -> _Settings:
    try:
        value = json.loads(path.read_text("utf-8"))
        version = value.get("version")
        if isinstance(version, int) and version > _version:
            raise ModelError("model.newer_codec", version=version, known=_version, where=path)
        return _Settings.model_validate(value)
    except (ValueError, AttributeError) as error:
        raise ModelError("model.bad_codec", where=path) from error
