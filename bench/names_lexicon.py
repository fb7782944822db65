"""Makes the counts in `src/seekloop/text/pii/lexicon` from public lists; run it only to make them anew.

`python -m bench.names_lexicon JIEBA_DICT ADCODES_CSV CENSUS_FOLDER WORDS TOKENIZER`: the dictionary of jieba 0.42.1
(MIT), the divisions of cpca 0.5.5 (MIT), the 1990 United States census names (public domain) as the package `names`
0.3.0 carries them, SCOWL's small American list (Debian's `wamerican-small`), and the tokenizer of SmolLM2 (Apache-2.0).
Nothing of the public sets that `make bench-data` measures on goes in.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from seekloop.text.pii.names_zh import SURNAMES

__all__ = ["main"]

OUT = Path(__file__).parents[1] / "src" / "seekloop" / "text" / "pii" / "lexicon"
LEAST = {1: 0, 2: 20, 3: 60, 4: 60}
"""Words of so many characters that stand less often in jieba's corpus of 60 million words are left out."""
MODERN = (
    "伟强磊洋勇军杰涛明超刚平辉健峰鑫鹏飞波斌宇浩凯亮俊帆帅旭宁龙林欢佳阳建华文志海国庆东晓丹丽娜静敏燕艳娟霞秀兰英芳玲桂珍"
    "红梅雪琳倩颖洁婷玉萍云莹雷宏永胜利民成光荣义德贵福生祥顺兴旺春夏秋冬月星晨曦阳光雨露霜冰清莲荷菊竹松柏岩川江河湖海"
    "梓涵轩子浩宇欣怡诗雅思嘉俊熙睿博瑞泽铭皓辰宸语桐一诺梦瑶悦彤可馨若依萱萌琪瑾瑜璐琦妍蕾薇菲晴岚茜璇蓉婉婧媛姝"
    "振世家立学正启兆承继绍宗祖耀先培元敬信忠孝仁礼智善良安定邦治远达通航翔腾翼鸿鹤凤凰鹰虎豹麟骏彬炜煜烨焕灿炳炎"
    "天佑乐康健宝贝小大少长仲季凌峻岭峥嵘昊昕晟晗晖景智慧聪颖灵秋逸飞扬帆舟楠森柳枫杨桦槿樱桃李杏棠榕沐沛泓泉洲润涵淳"
    "淑贤惠慈爱美凤仙翠香玥珊珠琼瑛璞金银铜铁钢锋锐钧铮群众彪武威卫国栋梁材才力行之然尔亦如斯以和同心怀念恩惟维"
)
"""Characters of given names today, of which old lists have few: written down here, as often as they come to mind."""
MODERN_WORTH = 40
_han = re.compile("[\u4e00-\u9fff]+")
_suffix = re.compile("(?:特别行政区|(?:维吾尔|壮族|回族)?自治区|自治州|自治县|地区|盟|省|市)$")
WORD_RANK, NAME_RANK = 25_000, 6_000
"""Places in the tokenizer's vocabulary, common ones first: of words, and of words that are given names."""
_small = re.compile("[a-z]{3,}")
_counted = 320
"""Only names with one of so many surnames are counted: behind the rare ones stand words that are no names."""
_double = tuple(name for name in SURNAMES if len(name) == 2)


def main() -> None:
    """Write every file."""
    dictionary, divisions, census, words_en, tokenizer = map(Path, sys.argv[1:6])
    words, names, known = _chinese(dictionary)
    _buckets(OUT / "zh_words.txt", words)
    _given(OUT / "zh_given.txt", names)
    _places(OUT / "zh_places.txt", divisions, known=known)
    proper = sorted(word for word, tag in known.items() if tag in ("ns", "nt", "nz") and words.get(word, 0) >= 40)
    (OUT / "zh_proper.txt").write_text(" ".join(word for word in proper if len(word) > 1) + "\n", "utf-8")
    _common(OUT / "en_words.txt", words_en, tokenizer=tokenizer, first=_english(OUT, census))


def _chinese(path: Path) -> tuple[dict[str, int], list[str], dict[str, str]]:
    words, names, known = {}, [], {}
    for line in path.read_text("utf-8").splitlines():
        word, count, tag = line.split()
        if not _han.fullmatch(word):
            continue
        known[word] = tag
        if tag == "nr" and 2 <= len(word) <= 4 and word.startswith(SURNAMES[:_counted]):
            names.append(word)
            if int(count) < 200:
                continue
        if len(word) in LEAST and int(count) >= LEAST[len(word)]:
            words[word] = int(count)
    return words, names, known


def _given(path: Path, names: Iterable[str]) -> None:
    """How many of the names of persons have a character alone, first and second behind the surname, and both."""
    places: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
    for name in names:
        given = name[2:] if name.startswith(_double) and len(name) > 2 else name[1:]
        if len(given) == 1:
            places[0][given] += 1
        elif len(given) == 2:
            places[1][given[0]] += 1
            places[2][given[1]] += 1
    for character, times in Counter(MODERN).items():
        for counts in places:
            counts[character] += min(times, 2) * MODERN_WORTH
    pairs = Counter(name[-2:] for name in names if len(name) == (4 if name.startswith(_double) else 3))
    lines = [" ".join(f"{one}{n}" for one, n in counts.most_common() if n > 1) for counts in (*places, pairs)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _buckets(path: Path, words: dict[str, int]) -> None:
    """A line for each half power of two of the count: it, then the words."""
    lines: defaultdict[int, list[str]] = defaultdict(list)
    for word, count in words.items():
        lines[round(2 * math.log2(count + 1))].append(word)
    text = "\n".join(f"{level} {' '.join(sorted(found))}" for level, found in sorted(lines.items()))
    path.write_text(text + "\n", "utf-8")


def _places(path: Path, divisions: Path, *, known: dict[str, str]) -> None:
    """Provinces, cities and counties by their full names, a line each; then short names that are no other word."""
    levels: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    with divisions.open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            code, name = row["adcode"][:6], row["name"]
            if _han.fullmatch(name) and name not in ("市辖区", "县", "省直辖县级行政区划"):
                levels[0 if code.endswith("0000") else 1 if code.endswith("00") else 2].add(name)
    short = {_suffix.sub("", name) for level in levels[:2] for name in level} | {
        _suffix.sub("", name) for name in levels[2] if name.endswith("市")
    }
    lines = [*levels, {name for name in short if len(name) >= 2 and known.get(name) == "ns"}]
    path.write_text("\n".join(" ".join(sorted(one)) for one in lines) + "\n", "utf-8")


def _english(out: Path, census: Path) -> set[str]:
    """First names, then surnames, those of more people first; returns the first names in small letters."""
    first: Counter[str] = Counter()
    for name in ("dist.male.first", "dist.female.first"):
        for line in (census / name).read_text().splitlines():
            word, share = line.split()[:2]
            first[word.capitalize()] += round(float(share) * 1000)
    last = [line.split()[0].capitalize() for line in (census / "dist.all.last").read_text().splitlines()[:12000]]
    lines = (" ".join(name for name, _ in first.most_common()), " ".join(last))
    (out / "en_names.txt").write_text("\n".join(lines) + "\n", "utf-8")
    return {name.lower() for name in first}


def _common(path: Path, words: Path, *, tokenizer: Path, first: set[str]) -> None:
    """Words in small letters that are common; those that are given names too only where they are very common."""
    vocabulary = json.loads(tokenizer.read_text("utf-8"))["model"]["vocab"]
    rank = {token[1:]: place for token, place in vocabulary.items() if token.startswith("Ġ")}
    known = {word for word in words.read_text("utf-8").split() if _small.fullmatch(word)}
    common = (word for word in known if rank.get(word, WORD_RANK) < (NAME_RANK if word in first else WORD_RANK))
    path.write_text(" ".join(sorted(common)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
