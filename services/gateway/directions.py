"""Texts that are written from right to left: on a page they turn no other words round.

Values of translated sentences are kept apart by `shared.i18n`. Here are all others, by where they stand in a template.
"""

from collections.abc import Iterator
from typing import TypeGuard

from jinja2 import Environment
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup

from shared.text import ISOLATE, isolated, turns

# In these a browser knows no elements.
_PLAIN = ("<title", "<option")
_HAS_DIRECTION = 'dir="auto"'


def in_element(value: object) -> object:
    """In an element of its own, where it needs one. A sentence of ours keeps its values apart itself."""
    return Markup("<bdi>{}</bdi>").format(value) if _turns_others(value) else value


def in_marks(value: object) -> object:
    """The same for where no element can stand."""
    return isolated(value) if _turns_others(value) else value


def _turns_others(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and not isinstance(value, Markup) and ISOLATE not in value and turns(value)


class Isolation(Extension):
    """Puts each `{{ value }}` that stands between tags through one of the two.

    Attributes and fields keep the text as it is; where `dir="auto"` stands, the element does it.
    """

    def __init__(self, environment: Environment) -> None:
        """Adds the filters."""
        super().__init__(environment)
        environment.filters |= {"in_element": in_element, "in_marks": in_marks}

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """The template with the filters in it."""
        tag, is_in_sentence, filter_name, before = ">", False, "", ""
        for token in stream:
            if token.type == "data":
                start = token.value.rfind("<")
                tag = token.value[start:] if start >= 0 else tag + token.value
            elif before == "block_begin":
                is_in_sentence = token.value == "trans" or (is_in_sentence and token.value != "endtrans")
            elif (before, token.value) == ("block", "title"):
                tag = "<title>"  # the template that is extended has it around the block
            before = token.value if token.type == "name" else token.type
            if token.type == "variable_begin":
                filter_name = "" if is_in_sentence else _filter_for(tag)
                yield token
                if filter_name:
                    yield Token(token.lineno, "lparen", "(")
                continue
            if token.type == "variable_end" and filter_name:
                for kind, text in (("rparen", ")"), ("pipe", "|"), ("name", filter_name)):
                    yield Token(token.lineno, kind, text)
            yield token


def _filter_for(tag: str) -> str:
    """What a value gets that stands after this last tag, or in it."""
    if ">" not in tag or _HAS_DIRECTION in tag or tag.startswith("<textarea"):
        return ""
    return "in_marks" if tag.startswith(_PLAIN) else "in_element"
