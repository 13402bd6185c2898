"""The named detectors of `redact:`: a closed list, each a few RE2 patterns and, where the kind of value has one, its checksum.

The patterns follow what providers document about the form of their keys (fixed prefixes, lengths, alphabets), RFC 7519 for JWT, RFC 7468
for PEM, ISO 7812 for cards, ISO 13616 for IBAN and the rules of the US Social Security Administration. A little shorter than documented
still counts: a key that was cut is a secret too. Matching is RE2's, so that no text can make it slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

FIELD_NAME = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|(?:api|access|auth|private|secret)[_-]?key|(?:access|auth|api|refresh|session|id|bearer)?"
    r"[_-]?token|credentials?)"
)
"""How fields are called that hold a secret."""


class Detector(Struct, frozen=True):
    """A kind of value that can be found in text."""

    name: str
    summary: str
    """What it finds, for the documentation."""
    patterns: tuple[str, ...]
    """RE2. Group 1, where there is one, is what is replaced; otherwise the whole match."""
    secret: bool = False
    """Whether it finds what opens something, rather than what tells about somebody: those who approve do not see it either."""
    check: Callable[[str], bool] | None = None
    """Whether a candidate is one."""


def _luhn(text: str) -> bool:
    """The check digit of card numbers."""
    digits = [int(char) for char in text if char.isdigit()]
    if len(set(digits)) == 1:
        return False
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _mod97(text: str) -> bool:
    """The check digits of an IBAN."""
    plain = re.sub(r"[ -]", "", text)
    return 15 <= len(plain) <= 34 and int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def _ssn(text: str) -> bool:
    area, group, serial = re.split(r"[ -]", text)
    return area not in ("000", "666") and not area.startswith("9") and group != "00" and serial != "0000"


_API_KEYS = (
    r"\b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic (sk-ant-…), OpenRouter, Langfuse, DeepSeek
    r"\b(?:sk|rk|whsec)_(?:live|test)?_?[A-Za-z0-9]{16,}",  # Stripe
    r"\b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{30,}",  # GitHub
    r"\bgithub_pat_[A-Za-z0-9_]{36,}",
    r"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-[A-Za-z0-9_.-]{18,}",  # GitLab
    r"\bxox[abcdeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"\bxapp-[0-9]-[A-Za-z0-9-]{10,}",
    r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_+-]{20,}",
    r"\b(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}\b",  # AWS
    r"\bAIza[A-Za-z0-9_-]{35}",  # Google
    r"\bGOCSPX-[A-Za-z0-9_-]{20,}",
    r"\bya29\.[A-Za-z0-9_-]{20,}",
    r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"\bnpm_[A-Za-z0-9]{36}",
    r"\bpypi-[A-Za-z0-9_-]{50,}",
    r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",
    r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"\bkey-[0-9a-f]{32}\b",  # Mailgun
    r"\b(?:AC|SK)[0-9a-f]{32}\b",  # Twilio
    r"\b(?:gsk|xai|tvly|pplx|nvapi|r8|lin_api|ntn|secret|figd|dop_v1|shpat|shpss|sq0atp|sq0csp|glsa|hvs|hvb|phc|phx|pat)"
    r"[_-][A-Za-z0-9_-]{28,}",
    r"\bdapi[0-9a-f]{32}",  # Databricks
    r"\bEAA[A-Za-z0-9]{60,}",  # Facebook
    r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{32,}",  # Telegram
    r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}",
    r"\bAccountKey=([A-Za-z0-9+/]{40,}={0,2})",  # Azure
    r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token|digest|apikey)\s+)?([A-Za-z0-9._~+/=-]{8,})",
    r"(?i)\bbearer\s+([A-Za-z0-9._~+/-]{12,}=*)",
    r"(?i)\bx-(?:[a-z]+-)*(?:api-?key|token)[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9._~+/=-]{6,})",
)

DETECTORS: dict[str, Detector] = {
    detector.name: detector
    for detector in (
        Detector(
            "api_keys",
            "keys and tokens with the fixed prefixes of their providers (OpenAI, Anthropic, AWS, GitHub, GitLab, Google, Slack, Stripe and "
            "more), and what stands in an `Authorization` or `X-…-Key` header",
            _API_KEYS,
            secret=True,
        ),
        Detector(
            "private_keys",
            "private keys in PEM form, also where the end is missing",
            (r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",),
            secret=True,
        ),
        Detector("jwt", "JSON Web Tokens", (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,3}",), secret=True),
        Detector(
            "passwords_in_urls",
            "the password in `scheme://user:password@host`",
            (r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#:@\"'<>]*:([^\s/?#\"'<>]+)@",),
            secret=True,
        ),
        Detector(
            "named_secrets",
            "values that are called a secret: of JSON keys and in `name=value`, for names such as `password`, `token`, `api_key`",
            (r"(?i)" + FIELD_NAME + r"[\"']?\s*[:=]\s*[\"']?([^\s\"',;&{}\[\]]{3,})",),
            secret=True,
        ),
        Detector(
            "credit_cards",
            "card numbers of 13 to 19 digits with a right check digit (Luhn), in one piece or in the usual groups",
            (
                r"(?:^|[^0-9])([2-6][0-9]{12,18})(?:[^0-9]|$)",
                r"(?:^|[^0-9])([2-6][0-9]{3}(?:[ .-][0-9]{4}){3}(?:[ .-][0-9]{1,3})?)(?:[^0-9]|$)",
                r"(?:^|[^0-9])(3[0-9]{3}[ .-][0-9]{6}[ .-][0-9]{4,5})(?:[^0-9]|$)",
            ),
            check=_luhn,
        ),
        Detector(
            "iban",
            "bank account numbers in IBAN form with right check digits, in one piece or in groups of four",
            (
                r"\b([A-Za-z]{2}[0-9]{2}[A-Za-z0-9]{11,30})\b",
                r"\b([A-Za-z]{2}[0-9]{2}(?:[ -][A-Za-z0-9]{4}){2,7}(?:[ -][A-Za-z0-9]{1,3})?)\b",
            ),
            check=_mod97,
        ),
        Detector(
            "us_ssn",
            "US social security numbers written in three groups",
            (r"(?:^|[^0-9-])([0-9]{3}-[0-9]{2}-[0-9]{4})(?:[^0-9-]|$)", r"(?:^|[^0-9])([0-9]{3} [0-9]{2} [0-9]{4})(?:[^0-9]|$)"),
            check=_ssn,
        ),
        Detector(
            "email_addresses",
            "mail addresses",
            (r"[\pL\pN._%+'-]+@(?:[\pL\pN-]+\.)+\pL{2,}",),
        ),
    )
}
"""Name → detector, in the order of the documentation."""
