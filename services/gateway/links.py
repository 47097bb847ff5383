"""Web addresses in what people wrote become links; all else stays text."""

import re

from markupsafe import Markup, escape

# What could turn an address round or be unseen in it ends it, as blanks and quotes do.
_ADDRESS = re.compile(
    r"""\bhttps?://[^\s<>"'`\\\u00ab\u00bb\u200b-\u200f\u2018-\u201f\u2028-\u202f\u2060-\u206f\ufeff]+""", re.IGNORECASE
)
# A host and a port. A name before the host (https://bank.example@evil.example) hides where the link leads.
_HOST = re.compile(r"https?://(?:[^\W_](?:[\w.-]*[^\W_])?\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?(?=[/?#]|$)", re.IGNORECASE)
_ENDS_OF_SENTENCES = ".,;:!?…*_~|。、"
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_MAY_END = frozenset((*_ENDS_OF_SENTENCES, *_BRACKETS))


def linked(text: str) -> Markup:
    """The text, escaped, with its http and https addresses as links."""
    parts: list[str] = []
    end = 0
    for found in _ADDRESS.finditer(text):
        address = _without_punctuation(found[0])
        if _HOST.match(address):
            parts += (escape(text[end : found.start()]), _link(escape(address)))
            end = found.start() + len(address)
    return Markup("".join([*parts, escape(text[end:])]))  # noqa: S704  # each part is escaped


def _link(address: Markup) -> str:
    """A link that nobody vouches for: where it leads, nobody learns of the case or of the window that it came from."""
    return f'<a href="{address}" dir="ltr" rel="noopener noreferrer nofollow">{address}</a>'


def _without_punctuation(address: str) -> str:
    """Without what belongs to the sentence around it; a bracket belongs to it unless it was opened in the address."""
    if address[-1] not in _MAY_END:
        return address
    unopened = {closing: address.count(closing) - address.count(opening) for closing, opening in _BRACKETS.items()}
    end = len(address)
    while end and (address[end - 1] in _ENDS_OF_SENTENCES or unopened.get(address[end - 1], 0) > 0):
        end -= 1
        if address[end] in unopened:
            unopened[address[end]] -= 1
    return address[:end]
