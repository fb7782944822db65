"""What a report's page says, in both languages."""

from __future__ import annotations

from typing import Literal

__all__ = ["LANGUAGES", "Language", "words"]

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

_words: dict[str, tuple[str, str]] = {
    "title": ("Evaluation report", "评测报告"),
    "rows": ("{n} rows of the {split} split, answered by {engine}", "{split} 集 {n} 条样本，由 {engine} 作答"),
    "figures": ("Figures", "指标"),
    "figures_note": ("Each with its 95 % interval; n is the number of rows.", "均附 95% 区间；n 为样本数。"),
    "figure": ("figure", "指标"),
    "value": ("value", "数值"),
    "interval": ("95 % interval", "95% 区间"),
    "this": ("this model", "本模型"),
    "shares": ("Figures between 0 and 1, with 95 % intervals", "取值 0 到 1 的指标及 95% 区间"),
    "better": ("Is it better?", "是否更好？"),
    "better_note": (
        "Differences on the rows that both models answered; an interval that holds 0 tells nothing.",
        "两个模型在相同样本上的差异；区间包含 0 则不能下结论。",
    ),
    "differences": ("This model minus {name}", "本模型减 {name}"),
    "difference": ("difference", "差值"),
    "state_better": ("better", "更好"),
    "state_not_worse": ("not worse", "不差于"),
    "state_worse": ("worse", "更差"),
    "state_inconclusive": ("inconclusive", "无法定论"),
    "state_invalid": ("invalid", "无效"),
    "training": ("How it was trained", "训练过程"),
    "loss": ("Loss while training", "训练过程中的损失"),
    "loss_axis": ("loss per labelled token", "每个标注词元的损失"),
    "train": ("train", "训练"),
    "validation": ("validation", "验证"),
    "step": ("step", "步"),
    "confusion": ("Which label is taken for which", "标签混淆"),
    "confusion_note": (
        "A row is a right label, a column what was answered; darker is a larger share of the row.",
        "行是正确标签，列是模型的回答；颜色越深，占该行的比例越大。",
    ),
    "confusion_chart": ("Answers by right label", "各标签的回答分布"),
    "reliability_chart": ("Reliability", "可靠性曲线"),
    "right_label": ("right label", "正确标签"),
    "answered": ("answer", "回答"),
    "other": ("(other)", "（其他）"),
    "mixed": ("Most frequent confusions", "最常见的混淆"),
    "of": ("rows", "该标签样本数"),
    "reliability": ("Do probabilities mean what they say?", "概率是否可信？"),
    "said": ("probability said", "给出的概率"),
    "observed": ("share that is right", "实际正确的比例"),
    "slices": ("Where it is weak", "薄弱之处"),
    "slices_note": (
        "{n} slices were looked at, and intervals are corrected for so many: those marked are weak beyond chance.",
        "共检查 {n} 个切片，区间已按此数目校正：有标记者并非偶然。",
    ),
    "upright": ("The upright line is the whole.", "竖线为整体水平。"),
    "slice": ("slice", "切片"),
    "weakest": ("Weakest slices", "最弱的切片"),
    "sliced": ("{figure} by {fact}", "按{fact}划分的 {figure}"),
    "by_label": ("label", "标签"),
    "by_language": ("language", "语言"),
    "by_length": ("length", "长度"),
    "by_source": ("source", "来源"),
    "beyond": ("beyond chance", "并非偶然"),
    "errors": ("What goes wrong", "错误分析"),
    "errors_none": ("No answer is wrong.", "没有错误的回答。"),
    "errors_note_label": ("{wrong} of {n} answers have another label.", "{n} 条回答中有 {wrong} 条标签错误。"),
    "errors_note_text": (
        "{wrong} of {n} answers have little in common with the right one (ROUGE-L under 0.3).",
        "{n} 条回答中有 {wrong} 条与标准答案相差甚远（ROUGE-L 低于 0.3）。",
    ),
    "groups": ("Questions that are alike", "相似的问题"),
    "wrong": ("wrong", "错误数"),
    "alone": ("Like no other", "与众不同者"),
    "question": ("question", "问题"),
    "right_answer": ("right answer", "标准答案"),
    "got": ("answer", "模型回答"),
    "filter": ("Filter", "筛选"),
    "more": ("and {n} more in errors.json", "另有 {n} 条见 errors.json"),
    "speed": ("How fast it answers", "作答速度"),
    "speed_note": (
        "Measured while making this report, waiting for a free stream included. The goal is a first token in 500 ms.",
        "在生成本报告时测得，含等待空闲通道的时间。目标是 500 毫秒内给出首个词元。",
    ),
    "first_token": ("First token", "首个词元"),
    "goal": ("goal", "目标"),
    "provenance": ("Where it comes from", "来历"),
    "report": ("report", "报告"),
    "checkpoint": ("checkpoint", "检查点"),
    "dataset": ("dataset", "数据集"),
    "baseline": ("baseline", "基线"),
    "spec": ("spec", "配置摘要"),
    "code": ("code", "代码版本"),
    "lock": ("packages", "依赖锁定"),
    "seed": ("seed", "随机种子"),
    "made": ("made", "生成时间"),
    "machine": ("machine", "机器"),
    "ledger": ("rows", "样本账目"),
    "ledger_said": (
        "{rows} in + {added} added = {kept} kept + {lost} dropped",
        "读入 {rows} + 增加 {added} = 保留 {kept} + 剔除 {lost}",
    ),
    "trained_tokens": ("trained tokens", "训练词元数"),
}


def words(language: Language) -> dict[str, str]:
    """Everything that the page says, in one language."""
    place = LANGUAGES.index(language)
    return {name: said[place] for name, said in _words.items()}
