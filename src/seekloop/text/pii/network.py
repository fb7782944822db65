"""Secrets, e-mail and addresses of the network."""

from __future__ import annotations

from seekloop.text.pii import checks
from seekloop.text.pii.context import words
from seekloop.text.pii.pattern import Pattern, regex

__all__ = ["ADDRESSES", "SECRETS"]

_credential = "access_token|api_?key|token|secret|password|passwd|pwd|signature|sig|auth"
_domain = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_hex = "[0-9A-Fa-f]"
_ip = words("地址,服务器,主机,登录,网关,来源,ip,ipv4,address,host,server,client,login,gateway,from")
_host = words("服务器,主机,登录,网关,ip,ipv4,ip address,host,server")


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)


SECRETS: tuple[Pattern, ...] = (
    Pattern(kind="secret", regex=regex(r"(?<=://)([^\s/@:]{1,64}:[^\s/@]{1,128})(?=@)"), needs="@:", proven=True),
    Pattern(
        kind="secret",
        regex=regex(rf"(?<=[?&#])(?i:{_credential})=([A-Za-z0-9._~%+/=:@!$*,;-]{{1,512}})"),
        needs="=",
        proven=True,
    ),
    Pattern(
        kind="secret",
        regex=regex(
            r"((?:(?:sk-|pk-|rk-)(?<![0-9A-Za-z_-]...)(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,200}"
            r"|(?:ghp_|gho_|ghu_|ghs_)(?<![0-9A-Za-z_-]....)[A-Za-z0-9]{36,255}"
            r"|(?:AKIA|ASIA)(?<![0-9A-Za-z_-]....)[A-Z0-9]{16}|LTAI(?<![0-9A-Za-z_-]....)[A-Za-z0-9]{12,26}"
            r"|eyJ(?<![0-9A-Za-z_-]...)[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*))(?![0-9A-Za-z_-])"
        ),
        digits=1,
        needs="a",
        proven=True,
    ),
    Pattern(
        kind="secret",
        regex=regex(r"[?&#][Kk]ey=((?=[^&\s]*[A-Za-z])(?=[^&\s]*[0-9])[A-Za-z0-9._~%+/=-]{12,512})"),
        needs="=",
        proven=True,
    ),
    Pattern(
        kind="email",
        regex=regex(
            rf"([A-Za-z0-9_](?<![A-Za-z0-9._%+-].)[A-Za-z0-9._%+-]{{0,63}}@(?:{_domain}\.){{1,5}}[A-Za-z]{{2,24}})"
            r"(?![A-Za-z0-9-])"
        ),
        needs="@a",
        proven=True,
    ),
    Pattern(
        kind="ipv6",
        regex=regex(
            rf"([0-9A-Fa-f:](?<![0-9A-Za-z:.].)(?:{_hex}{{0,4}}:){{1,7}}(?::|{_hex}{{1,4}})(?::?{_hex}{{1,4}}){{0,6}})"
            r"(?![0-9A-Za-z:]|\.\d)"
        ),
        check=checks.is_ipv6,
        digits=1,
        needs=":",
        proven=True,
    ),
    Pattern(
        kind="mac",
        regex=regex(rf"({_hex}(?<![0-9A-Za-z:].){_hex}(?::{_hex}{{2}}){{5}})(?![0-9A-Za-z:])"),
        base=0.8,
        digits=2,
        needs=":",
    ),
    Pattern(
        kind="mac",
        regex=regex(rf"({_hex}(?<![0-9A-Za-z-].){_hex}(?:-{_hex}{{2}}){{5}})(?![0-9A-Za-z-])"),
        check=_has_letter,
        base=0.8,
        digits=2,
        needs="a-",
    ),
)
"""What is looked for before any number."""

ADDRESSES: tuple[Pattern, ...] = (
    Pattern(
        kind="ipv4",
        regex=regex(r"(\d(?<![0-9A-Za-z.].)\d{0,2}(?:\.\d{1,3}){3})(?![0-9A-Za-z]|\.\d)"),
        check=checks.is_plain_ipv4,
        base=0.8,
        context=_ip,
        digits=4,
        needs=".",
    ),
    Pattern(
        kind="ipv4",
        regex=regex(r"(\d(?<![0-9A-Za-z.].)(?:\.\d){3})(?![0-9A-Za-z]|\.\d)"),
        check=checks.is_ipv4,
        base=0.3,
        context=_host,
        digits=4,
        needs=".",
    ),
)
"""IPv4, after the numbers that may have full stops."""
