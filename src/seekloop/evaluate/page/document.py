"""The page as one file: no request to anywhere, readable without script, on paper and on a phone."""

from __future__ import annotations

from html import escape

from seekloop.evaluate.page.sections import header, sections
from seekloop.evaluate.page.sheet import Sheet
from seekloop.evaluate.page.words import LANGUAGES, Language, words
from seekloop.system import digests

__all__ = ["render"]

_style = """
:root{color-scheme:light dark;--ink:#1f2328;--soft:#656d76;--line:#e4e7eb;--paper:#fff;--raised:#f6f8fa;--cool:#2f6fdb;
--warm:#b35900;--good:#1a7f4f}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#2b323b;--paper:#0d1117;--raised:#151b23;
--cool:#6ea8ff;--warm:#f2a65a;--good:#4cc38a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
.page{max-width:860px;margin:0 auto;padding:24px 20px 64px}
h1{font-size:26px;line-height:1.2;margin:8px 0 4px}h2{font-size:18px;margin:44px 0 4px}
h3{font-size:15px;margin:20px 0 6px}
p{margin:4px 0 12px}.lead{color:var(--soft)}.soft{color:var(--soft)}.warm{color:var(--warm)}.cool{color:var(--cool)}
code{font:13px/1.4 ui-monospace,SFMono-Regular,Menlo,monospace}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(180px,1fr));gap:12px;margin:20px 0}
.tile{border-top:2px solid var(--line);padding:8px 0;display:flex;flex-direction:column;font-size:13px}
.tile b{font-size:26px;line-height:1.3;font-variant-numeric:tabular-nums}.tile b span{font-size:15px;font-weight:500}
.verdict{border-left:4px solid var(--soft);padding:8px 14px;background:var(--raised);margin:16px 0}
.verdict.better,.verdict.not_worse{border-color:var(--good)}.verdict.worse,.verdict.invalid{border-color:var(--warm)}
.scroll{overflow-x:auto;margin:8px 0 16px}.scroll>svg{min-width:min(100%,560px);max-width:none;display:block}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
thead th{color:var(--soft);font-weight:500;white-space:nowrap}
thead th[role=button]{cursor:pointer}
.numbers td{white-space:nowrap}.wraps td{white-space:normal;overflow-wrap:anywhere}.examples td{width:33%}
.facts th{color:var(--soft);font-weight:500;white-space:nowrap}.facts td{overflow-wrap:anywhere}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
details{border-bottom:1px solid var(--line);padding:6px 0}summary{cursor:pointer}
.switch{display:flex;justify-content:flex-end;gap:4px;font-size:13px}
.switch label{padding:2px 10px;border-radius:99px;cursor:pointer;color:var(--soft)}
input.tongue{position:absolute;opacity:0;pointer-events:none}
#say-en:checked~.page [for=say-en],#say-zh:checked~.page [for=say-zh]{background:var(--raised);color:var(--ink)}
#say-en:focus-visible~.page [for=say-en],#say-zh:focus-visible~.page [for=say-zh]{outline:2px solid var(--cool)}
#say-en:checked~.page main[lang=zh],#say-zh:checked~.page main[lang=en]{display:none}
.find{font:inherit;padding:4px 10px;border:1px solid var(--line);border-radius:6px;background:var(--paper);
color:inherit;margin:6px 0;width:min(100%,320px)}
@media print{.switch,.find{display:none}.page{max-width:none;padding:0}section,svg,tr{break-inside:avoid}
h2{break-after:avoid}.scroll{overflow:visible}.scroll>svg{min-width:0;max-width:100%}
details::details-content{content-visibility:visible;display:block}}
"""
_tongue = "if (navigator.language.startsWith('zh')) document.getElementById('say-zh').checked = true;"
_script = """
for (const table of document.querySelectorAll('table.numbers')) {
  table.querySelectorAll('thead th').forEach((head, at) => {
    head.setAttribute('role', 'button'); head.tabIndex = 0;
    const sort = () => {
      const body = table.tBodies[0], up = head.ariaSort !== 'ascending';
      for (const other of table.querySelectorAll('th')) other.ariaSort = null;
      head.ariaSort = up ? 'ascending' : 'descending';
      const key = row => row.cells[at].textContent, number = text => parseFloat(text.replace(/,/g, ''));
      const order = (a, b) => isNaN(number(a)) || isNaN(number(b)) ? a.localeCompare(b) : number(a) - number(b);
      [...body.rows].sort((a, b) => (up ? 1 : -1) * order(key(a), key(b))).forEach(row => body.append(row));
    };
    head.onclick = sort; head.onkeydown = event => { if (event.key === 'Enter') sort(); };
  });
}
for (const table of document.querySelectorAll('table.examples')) {
  if (table.tBodies[0].rows.length < 10) continue;
  const find = document.createElement('input');
  find.className = 'find'; find.type = 'search'; find.placeholder = table.closest('main').dataset.find;
  find.setAttribute('aria-label', find.placeholder);
  find.oninput = () => { for (const row of table.tBodies[0].rows)
    row.hidden = !row.textContent.toLowerCase().includes(find.value.toLowerCase()); };
  table.parentElement.before(find);
}
"""


def render(sheet: Sheet, *, language: Language | None = None) -> str:
    """The whole page in both languages, with a switch between them that needs no script.

    Args:
        sheet: what there is to show.
        language: shown first; None: English, unless the browser prefers Chinese.
    """
    first = language or "en"
    mains = "\n".join(_main(sheet, one) for one in LANGUAGES)
    switches = "".join(
        f'<input class=tongue type=radio name=say id=say-{one}{" checked" if one == first else ""} aria-label="{name}">'
        for one, name in (("en", "English"), ("zh", "中文"))
    )
    labels = "<label for=say-en>English</label><label for=say-zh>中文</label>"
    title = f"{words(first)['title']} {digests.short(sheet.report.subject)}"
    return (
        f'<!doctype html>\n<html lang="{first}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_style}</style>\n</head>\n<body>\n"
        f"{switches}\n<div class=page>\n<div class=switch>{labels}</div>\n{mains}\n</div>\n"
        f"<script>{'' if language else _tongue}{_script}</script>\n</body>\n</html>\n"
    )


def _main(sheet: Sheet, language: Language) -> str:
    find = escape(words(language)["filter"])
    body = "\n".join([header(sheet, language), *sections(sheet, language)])
    return f'<main lang="{language}" data-find="{find}">\n{body}\n</main>'
