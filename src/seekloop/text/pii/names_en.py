"""English names: words with capitals, judged by lists of names and of words and by what stands beside them.

A run of capitalised words is a person where its first word is a given name and no common word, where a title or a
phrase introduces it, or where a verb of persons follows; a place or an organisation by list, suffix or preposition.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seekloop.text.pii.kinds import Finding
from seekloop.text.pii.lists import lines, ours

__all__ = ["english", "is_word"]

_upper = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĴĶĹĻĽĿŁŃŅŇŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽ"
_letter = f"{_upper}a-zß-öø-ÿ\u0100-\u024f"
_token = f"(?:[{_upper}]['’])?[{_upper}][{_letter}]*(?:['’-][{_upper}][{_letter}]*)*"
_particle = "(?:van der|van den|van|von|de la|de los|de|del|della|di|da|dos|du|el|al|bin|ibn|le|la|ter|ten)"
_run = re.compile(
    rf"(?<![{_letter}0-9@/._#$-]){_token}(?:(?:\.? | {_particle} |, (?=(?:Jr|Sr|Inc|Ltd|LLC|LLP)\b)| & | and "
    rf"(?=Sons|Co\b|Associates|Partners)){_token})*(?![@{_letter}])"
)
_word = re.compile(rf"{_token}")
_title = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Doctor|Nurse|Judge|Justice|Sir|Lady|Lord|Madam|Officer|Detective|Attorney|Captain|Sergeant|Sgt|Lt|Colonel|Rev|Father|Sister|Agent|President|Senator|Uncle|Aunt|Auntie|Grandma|Grandpa))\.?\s+$"
)
_introduced = re.compile(
    r"(?:\b(?:my (?:full |first |last )?name(?:'s| is)|(?:full |first |last )?name(?: on the (?:card|account|"
    r"order))?(?: should be| is|:)|i am called|i'm|i am|this is|call me|dear|hi|hello|hey|regards,?|sincerely,?|"
    r"cheers,?|thanks,?|signed,?|signed (?:for )?by|"
    r"spoke (?:with|to)|speak (?:with|to)|talked (?:with|to)|ask|told|tell|asked|met|call|called|contact|contacted|"
    r"recipient|customer|client|contact person|attn|attention|beneficiary|payee|guarantor|borrower|lender|landlord|"
    r"tenant|plaintiff|defendant|witness|"
    r"patient|patient's name is|next of kin|account holder|holder|agent|advisor|adviser|officer|manager|colleague|"
    r"counsel|lawyer|driver|husband|wife|partner|son|daughter|brother|sister|mother|father|friend|neighbour|"
    r"neighbor|boss|mum|mom|dad|uncle|aunt|"
    r"who is|named|sent by|written by|directed by|by|transfer from|payment to|from|to|for|with|"
    r"v\.|vs\.?|between|said|says|author|billed to|ship to|"
    r"deliver to|care of|c/o|user|bot|mrs|mr)[:,]?[ \t\n]+\"?)$",
    re.IGNORECASE,
)
_weak_before = re.compile(
    r"\b(?:by|from|to|for|with|call|hi|hello|hey|i am|i'm|this is|thanks,?|cheers,?|contact|"
    r"user|bot|ask|tell|customer|client|manager|agent|holder|attention|partner|between)[:,]?\s+\"?$",
    re.IGNORECASE,
)
_person_verb = re.compile(
    r"(?:'s\b| (?:\d+ )?(?:said|says|told|asked|asks|called|calls|wants|wanted|keeps|kept|left|lives|lived|works|"
    r"worked|was born|was discharged|was admitted|complains|complained|refused|signed|testified|objected|presided|"
    r"disputed|opened|requested|promised|"
    r"recommended|placed the order|has (?:not|been|had|left|a|an|reported|asked|never)|had|cannot|can't|never|would|"
    r"will|still|answered|received|went|came|and (?:his|her)|and I\b|is (?:my|our|not|still|very|ready|calling|so)|"
    r"spent|listed|arrived|sang|moved|bought|paid|sent|took|made|got|lost|ordered|was (?:very|rude|so|the|a|told)|"
    r"from (?:support|billing|accounts|sales)|who|whose)\b)"
)
_in_place = re.compile(
    r"(?:\b(?:live[sd]?|living|based|located|situated|moved|moving|move|travel(?:l?ing|l?ed)?|fly(?:ing)?|flew|flight|ship(?:ping|ped|s)?|deliver(?:y|ed|s)?|resident|residents|citizen|city|town|village|state|province|country|county|store|shop|branch|office|warehouse|customs|"
    r"stuck|stay(?:ing)?|arrived?|born|raised|came|back|trip|visit(?:ing)?|holiday|vacation|work(?:s|ing)?|used|"
    r"machine|hospital|orchestra|founded|held|be|went|originally|return(?:ed|ing)?|go|going|happened|accident|are|"
    r"is|was|treated|meet|met|people|weather|laws)\b[^.!?\n]{0,24}?\b(?:in|to|from|of|near|at|around|across|outside|"
    r"through|for)\s+(?:the )?)$",
    re.IGNORECASE,
)
_employed = re.compile(
    r"\b(?:work(?:s|ed|ing)? (?:for|at)|(?:year|years|job|career) at|employed (?:by|at)|later became|bought (?:it |"
    r"this |them )?(?:from|at|on)|invoice to|customer of)\s+$",
    re.IGNORECASE,
)
_work = re.compile(
    r" (?:is (?:a|an|the) (?:[a-z]+ ){0,2}(?:company|agency|brand|brainchild|film|movie|song|firm|app|\d{4})|is a "
    r"\d{4}|office\b|Orchestra)"
)
_origin = re.compile(
    r"\b(?:originally from|moved (?:here )?(?:from|to)|returned to|(?:live|lives|lived|based|born) in)\s+$",
    re.IGNORECASE,
)
_visit = re.compile(r"\b(?:visit|visiting|visited|leaving|in|near|outside|via)\s+$", re.IGNORECASE)
_street = re.compile(
    r"(?<![\w.])\d{1,6}[A-Za-z]?,? (?:(?:[NSEW]\.?|North|South|East|West) )?(?:[A-Z][\w'’.-]* ){1,4}?(?:Street|St|"
    r"Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Way|Court|Ct|Place|Pl|Square|Sq|Terrace|Close|Crescent|"
    r"Highway|Parkway|Circle|Trail)\b\.?"
    r"(?:,? (?:Apt|Apartment|Suite|Unit|Flat|Floor)\.? ?#?\w{1,6})?"
)


class _Word(NamedTuple):
    text: str
    start: int
    end: int


def english(text: str) -> Iterator[Finding]:
    """People, places and organisations of a text in Latin letters, strongest readings first."""
    for match in _street.finditer(text):
        yield Finding("place", *match.span(), 0.8)
    for match in _run.finditer(text):
        words = [
            _Word(one[0], match.start() + one.start(), match.start() + one.end()) for one in _word.finditer(match[0])
        ]
        yield from _judged(text, words)


def is_word(text: str) -> bool:
    """Whether all words of `text` are common words and no names."""
    return all(
        one.lower() in ours("en_no_names") or (one.lower() in _words() and one.lower() not in _first())
        for one in re.findall(r"[A-Za-z]+", text)
    )


def _judged(text: str, words: list[_Word]) -> Iterator[Finding]:
    """Cut a run at words that are in no name, and judge each part."""
    part: list[_Word] = []
    for word in (*words, None):
        if word is not None and word.text.lower() not in ours("en_no_names"):
            part.append(word)
            continue
        if part:
            finding = _part(text, part)
            if finding is not None:
                yield finding
        part = []


def _part(text: str, words: list[_Word]) -> Finding | None:
    while (
        len(words) > 1
        and text[words[0].start : words[-1].end] not in ours("en_places")
        and words[0].text.lower() in _words()
        and words[0].text.lower() not in _first()
        and not _is_body(text, words)
    ):
        words = words[1:]
    start, end = words[0].start, words[-1].end
    whole, before = text[start:end], text[max(0, start - 60) : start]
    if _is_body(text, words):
        return Finding("organisation", start, end, 0.7)
    if whole in ours("en_places") or (len(words) > 1 and words[-1].text in ours("en_place_kinds")):
        is_titled = _title.search(before) is not None
        return Finding("person" if is_titled else "place", start, end, 0.7)
    names = [word for word in words if word.text in ours("en_places")]
    unknown = not all(word.text.lower() in _words() for word in words)
    if unknown and _employed.search(before):
        return Finding("organisation", start, end, 0.5)
    share = _person(text, words, before=before)
    if share >= 0.5 and len(words) <= 4:
        return Finding("person", start, end, share)
    if names:
        return Finding("place", names[0].start, names[0].end, 0.6)
    if unknown and (_in_place.search(before) or (share < 0.3 and _visit.search(before))) and not whole.isupper():
        return Finding("place", start, end, 0.5)
    return None


def _is_body(text: str, words: Sequence[_Word]) -> bool:
    whole = text[words[0].start : words[-1].end]
    if whole in ours("en_brands"):
        return True
    if " & " in whole or " and " in whole:
        return True
    if len(words) < 2:
        return False
    last = words[-1].text
    rest = [word for word in words[:-1] if word.text.lower() not in _words()]
    return last in ours("en_suffixes") and (
        bool(rest) or last in ("Inc", "Ltd", "LLC", "LLP", "PLC", "GmbH") or " of " in whole
    )


def _person(text: str, words: Sequence[_Word], *, before: str) -> float:
    """How likely the words are a person's name, 0 to 1."""
    lows = [word.text.lower() for word in words]
    common = [low in _words() or low in ours("en_also_words") for low in lows]
    first, last = words[0].text, words[-1].text
    end = words[-1].end
    score = 0.0
    if _origin.search(before) and first not in _first():
        return 0.0
    if _title.search(before):
        return 0.95
    is_given = first in _first() and not common[0]
    is_maybe = first in _first() and common[0]
    is_surname = last.split("'")[-1].split("’")[-1].capitalize() in _last() or last in _last()
    if len(words) >= 2:
        score += 0.55 if is_given else 0.25 if is_maybe else 0.0
        score += (0.05 if common[-1] else 0.3) if is_surname else (0.0 if common[-1] else 0.1)
        score += 0.1 if last in _first() and not common[-1] else 0.0
        score += 0.5 if not (any(common) or is_given) else 0.0
        score -= 0.3 if all(common) else 0.0
    else:
        score += 0.0 if common[0] or is_given else 0.25
        score += 0.5 if is_given else 0.15 if is_maybe else 0.0
        score += 0.2 if is_surname and not common[-1] and not is_given else 0.0
    if _work.match(text, end) or (len(words) > 1 and all(low.rstrip("s") in ours("en_plurals") for low in lows[1:])):
        return 0.0
    if common[0] and common[-1] and not (is_maybe or is_surname):
        return score
    if _introduced.search(before):
        score += 0.25 if _weak_before.search(before) else 0.5
    if _person_verb.match(text, end):
        score += 0.25 if not common[-1] else 0.1
    if all(len(word.text) > 1 and word.text.isupper() for word in words):
        score -= 0.35
    return min(0.95, score)


@functools.cache
def _words() -> frozenset[str]:
    return frozenset(lines("en_words.txt")[0].split())


@functools.cache
def _first() -> frozenset[str]:
    return frozenset(lines("en_names.txt")[0].split())


@functools.cache
def _last() -> frozenset[str]:
    return frozenset(lines("en_names.txt")[1].split())
