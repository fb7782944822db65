"""Messages of a bank, English and Chinese, made from few words."""

from __future__ import annotations

import random

from seekloop.learn.mining.seen import Seen

KNOWN = {
    "card_lost": (["my card", "the debit card", "my bank card"], ["was stolen", "is lost", "is missing"]),
    "fee": (["a fee", "an extra charge", "this charge"], ["was taken twice", "looks wrong", "is on my statement"]),
    "pin": (["my pin", "the pin code", "a new pin"], ["is blocked", "does not work", "must be changed"]),
    "conversion": (["the exchange rate", "currency conversion"], ["is too low", "seems outdated", "differs today"]),
}
NEW = (["crypto wallet", "bitcoin wallet", "my crypto coins"], ["cannot be linked", "will not sync", "is not linked"])
KNOWN_ZH = {
    "card_lost": (["我的银行卡", "我的储蓄卡", "那张卡"], ["被偷了", "找不到了", "丢失了"]),
    "fee": (["这笔手续费", "多扣的费用", "账单上的费用"], ["扣了两次", "不对", "收错了"]),
    "pin": (["取款密码", "银行卡密码", "新密码"], ["被锁定了", "不能用", "需要修改"]),
}
NEW_ZH = (["数字人民币钱包", "数字钱包", "人民币钱包"], ["无法绑定", "绑定失败", "不能绑定"])
_openers = ["hello", "hi there", "please help", "quick question", "good morning", "sorry to ask", "urgent"]
_ends = ["since monday", "again", "what now", "in the app", "at the branch", "thanks", "can you check", "for two days"]
_openers_zh = ["你好", "请问", "麻烦看下", "客服在吗", "急", "打扰了", "您好"]
_ends_zh = ["怎么办", "谢谢", "从周一开始", "在手机上", "能查一下吗", "已经两天", "请处理"]


def said(kind, count, *, seed, zh=False, prefix="a", **fields):
    """`count` messages of kinds: label -> (things, troubles)."""
    chance = random.Random(f"{seed}-{prefix}")
    openers, ends, gap = (_openers_zh, _ends_zh, "，") if zh else (_openers, _ends, " ")
    made = []
    for number in range(count):
        label = chance.choice(sorted(kind))
        things, troubles = kind[label]
        middle = chance.choice(things) + ("" if zh else " ") + chance.choice(troubles)
        text = gap.join([chance.choice(openers), middle, chance.choice(ends), str(chance.randint(1, 999))])
        made.append(Seen(id=f"{prefix}{number}", text=text, label=label, **fields))
    return made
