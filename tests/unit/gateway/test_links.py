"""Links in what people wrote: addresses of the web alone, whatever is written around them or as them."""

import html
import re
import time

import pytest

from services.gateway.links import linked
from tests.processor import processor_s

_MOST_S = 0.1  # what one request may hold up all others
_LINK = re.compile(r'<a href="([^"]*)" dir="ltr" rel="noopener noreferrer nofollow">([^<]*)</a>')


def links_of(text: str) -> list[str]:
    """Where the links lead; each says so itself, and without its links the text is as it was written."""
    made = str(linked(text))
    found = _LINK.findall(made)
    assert all(address == said for address, said in found)
    without = _LINK.sub(lambda link: link[2], made)
    assert "<" not in without
    assert html.unescape(without) == text
    return [html.unescape(address) for address, _ in found]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("See https://support.example/manuals/lp310#event-log", "https://support.example/manuals/lp310#event-log"),
        ("(https://support.example/a)", "https://support.example/a"),
        ("https://support.example/a_(b).", "https://support.example/a_(b)"),
        ("at [https://support.example/a], or", "https://support.example/a"),
        ("Is it http://support.example?", "http://support.example"),
        ("https://support.example/?a=1&b=2!", "https://support.example/?a=1&b=2"),
        ("« https://support.example/é »", "https://support.example/é"),
        ("“https://support.example/a”", "https://support.example/a"),
        ("'https://support.example/a'", "https://support.example/a"),
        ("HTTPS://SUPPORT.EXAMPLE/A", "HTTPS://SUPPORT.EXAMPLE/A"),
        ("http://10.0.0.7:8080/status", "http://10.0.0.7:8080/status"),
        ("http://printer/jobs", "http://printer/jobs"),
        ("http://[2001:db8::7]:8080/", "http://[2001:db8::7]:8080/"),
        ("https://bücher.example/", "https://bücher.example/"),
        ("העמוד https://support.example/a נמצא", "https://support.example/a"),
    ],
)
def test_an_address_is_a_link_without_what_stands_around_it(text: str, address: str) -> None:
    assert links_of(text) == [address]


def test_each_address_of_a_text_is_a_link() -> None:
    assert links_of("https://a.example, http://b.example/?q=(x) and\nhttps://c.example.") == [
        "https://a.example",
        "http://b.example/?q=(x)",
        "https://c.example",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "JaVaScRiPt://https.example/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:msgbox(1)",
        "file:///etc/passwd",
        "ftp://files.example/",
        "//evil.example",
        "www.evil.example",
        "https:/evil.example",
        "https://",
        "https://.",
        "https:///evil.example",
        "https://@evil.example",
        "https://bank.example@evil.example/",
        "https://bank.example:443@evil.example/",
        "xhttps://evil.example",
        "https://\u202egnp.elpmaxe",
        "https://-",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "&lt;a href=x&gt;",
    ],
)
def test_what_leads_elsewhere_or_hides_where_is_no_link(text: str) -> None:
    assert links_of(text) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ('https://a.example/"onmouseover="alert(1)', "https://a.example/"),
        ("https://a.example/'onmouseover='alert(1)", "https://a.example/"),
        ("https://a.example/<script>alert(1)</script>", "https://a.example/"),
        ("https://a.example/`x`", "https://a.example/"),
        ("https://a.example/{{7*7}}", "https://a.example/{{7*7}}"),
        ("https://a.example/%(x)s{0}", "https://a.example/%(x)s{0}"),
        ("https://a.example/&quot;onload=&quot;", "https://a.example/&quot;onload=&quot"),
        ("https://a.example/\u202egnp.exe", "https://a.example/"),
        ("https://a.example/\u200bb", "https://a.example/"),
        ("https://a.example\\@evil.example/", "https://a.example"),
        ("https://a.example/\u2028b", "https://a.example/"),
        ("https://a.example/?next=javascript:alert(1)", "https://a.example/?next=javascript:alert(1)"),
    ],
)
def test_nothing_breaks_out_of_a_link(text: str, address: str) -> None:
    assert links_of(text) == [address]


@pytest.mark.parametrize("text", ["https://" * 1_300, "http://a" + "." * 9_992, "https://a.example/" + ")" * 9_982])
def test_a_hostile_text_is_read_in_no_time(text: str) -> None:
    before = time.perf_counter()
    links_of(text)
    assert time.perf_counter() - before < 0.5


def test_a_page_full_of_links_holds_up_nobody() -> None:
    text = "http://a " * 13_000  # as many as a case and a page of its history have room for
    assert processor_s(lambda: linked(text), enough_s=_MOST_S) <= _MOST_S
