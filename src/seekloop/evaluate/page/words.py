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
    "probes": ("What was forgotten, what is refused", "遗忘与拒答"),
    "probes_note": (
        "Questions of two frozen sets, asked beside the rows. Of few questions, only a fall to 0 says much.",
        "在样本之外提问的少量冻结题目。题目很少，只有比例降到 0 时才说明问题。",
    ),
    "probes_wrong": ("{wrong} of {n} answers are not as they should be", "{n} 条回答中有 {wrong} 条不合要求"),
    "kind": ("kind", "类别"),
    "people_heading": ("What people say", "人工评价"),
    "people_missing": ("No agreement can be told of: {names}.", "无法计算一致性：{names}。"),
    "people": ("people", "评审员"),
    "judge": ("judge model", "裁判模型"),
    "preferred": ("Which of two answers is better", "两个回答孰优"),
    "won": ("this model", "本模型"),
    "tied": ("as good", "相当"),
    "lost": ("baseline", "基线"),
    "raters": ("Raters", "评审员"),
    "rater": ("rater", "评审员"),
    "rated": ("rated", "已评"),
    "skipped": ("skipped", "跳过"),
    "begun": ("begun", "未评完"),
    "gaps": ("not looked at", "未评"),
    "kappas": ("Agreement of each two raters (Cohen's kappa)", "两两评审员的一致性（Cohen's kappa）"),
    "dimension": ("dimension", "维度"),
    "business": ("Business", "业务指标"),
    "business_note": (
        "The project's own figures of production and other systems when this page was written: of no one checkpoint.",
        "生成本页时项目自定义的业务指标，来自生产与其他系统，不专属于某个检查点。",
    ),
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
    "speed": ("How fast it answers, and what that costs", "作答速度与成本"),
    "speed_note": (
        "Measured while making this report, waits for a free stream included. The goal is a first token in {goal} ms.",
        "在生成本报告时测得，含等待空闲通道的时间。目标是 {goal} 毫秒内给出首个词元。",
    ),
    "goal_met": ("19 of 20 answers meet it.", "20 条回答中有 19 条达到目标。"),
    "goal_missed": ("More than 1 in 20 answers miss it.", "超过二十分之一的回答未达到目标。"),
    "goal_open": ("Whether 19 of 20 answers meet it is open.", "是否有 20 分之 19 的回答达到目标，尚无定论。"),
    "no_price": (
        "No price was given, so the cost of 1,000 answers is open: set efficiency.price_per_hour.",
        "未给出价格，故每千条回答的成本未知：请设置 efficiency.price_per_hour。",
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
