"""What becomes of a text from right to left, by where it stands in a template."""

import pytest

from services.gateway.pages.rendering import _environment
from services.gateway.texts import _
from shared.i18n import reading_in

RIGHT_TO_LEFT = "שרה 3"
IN_ELEMENT = f"<bdi>{RIGHT_TO_LEFT}</bdi>"
IN_MARKS = f"\u2068{RIGHT_TO_LEFT}\u2069"


@pytest.mark.parametrize(
    ("template", "page"),
    [
        ("<p>{{ text }} · 22</p>", f"<p>{IN_ELEMENT} · 22</p>"),
        ("{{ text | upper }}", IN_ELEMENT),
        ("<p>{{ text if text else 1 }}</p>", f"<p>{IN_ELEMENT}</p>"),
        ('<p class="a{% if text %} b{% endif %}">{{ text }}</p>', f'<p class="a b">{IN_ELEMENT}</p>'),
        ('<p dir="auto">{{ text }}</p>{{ text }}', f'<p dir="auto">{RIGHT_TO_LEFT}</p>{IN_ELEMENT}'),
        ('<input value="{{ text }}">', f'<input value="{RIGHT_TO_LEFT}">'),
        ('<li data-a="{{ 1 }}" data-b="{{ text }}">', f'<li data-a="1" data-b="{RIGHT_TO_LEFT}">'),
        ('<textarea rows="{{ 5 }}">{{ text }}</textarea>', f'<textarea rows="5">{RIGHT_TO_LEFT}</textarea>'),
        ("<option>{{ text }} (3)</option>", f"<option>{IN_MARKS} (3)</option>"),
        ("{% block title %}{{ text }}{% endblock %}", IN_MARKS),
        ('{{ _("Switch to %(company)s", company=text) }}', f"Switch to {IN_MARKS}"),
        ('<b title="{{ _("Switch to %(company)s", company=text) }}">', f'<b title="Switch to {IN_MARKS}">'),
        ('{{ ngettext("%(a)s", "%(a)s", 1, a=text) }}', IN_MARKS),
        ("{% trans a=text %}Of {{ a }}!{% endtrans %}", f"Of {IN_MARKS}!"),
        ("{% macro a(b) %}<i>{{ b }}</i>{% endmacro %}<p>{{ a(text) }}</p>", f"<p><i>{IN_ELEMENT}</i></p>"),
        ("<p>{{ sentence }}</p>", f"<p>Switch to {IN_MARKS}</p>"),
    ],
)
def test_it_keeps_apart_from_its_neighbours(template: str, page: str) -> None:
    sentence = _("Switch to %(company)s") % {"company": RIGHT_TO_LEFT}
    assert _environment().from_string(template).render(text=RIGHT_TO_LEFT, sentence=sentence) == page


def test_it_is_escaped_all_the_same() -> None:
    assert _environment().from_string("{{ text }}").render(text="<b>שרה") == "<bdi>&lt;b&gt;שרה</bdi>"


@pytest.mark.parametrize("language", ["en", "fr"])
def test_other_texts_stay_as_they_are(language: str) -> None:
    with reading_in(language):
        page = _environment().from_string("<p>{{ text }}, {{ 3 }}, {{ none }}</p>").render(text="Zoé & 山田")
    assert page == "<p>Zoé &amp; 山田, 3, None</p>"
