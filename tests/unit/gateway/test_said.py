"""Every sentence that a service refuses with has its words for pages, or a reason why no page shows it."""

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import services
from services.gateway.said import SAID

_ROOT = Path(services.__file__).parents[1]
_FOLDERS = ("services/identity", "services/cases", "services/contracts", "services/notifications", "shared")
# Which argument of these is for people. Of a refusal it is the first.
_SENTENCE_IN = {"at": 2, "FieldError": 2, "PydanticCustomError": 1}

# What no page shows, and why.
_LEFT_IN_ENGLISH = {
    "The API alone has it: pages send what it asks for.": {
        "A part may not have parts of its own.",
        "At most 10 parts are read.",
        "More than 1000 fields are wrong.",
        "More than 1000 fields, or more than 10000 entries of lists.",
        "Name each file once.",
        "Only parts named file are read.",
        "Send HTTP/1.1.",
        "Send If-Match with the ETag you read.",
        "Send a shorter Content-Type.",
        "Send application/json.",
        "Send at least one file, in parts named file.",
        "Send multipart/form-data, with the files in parts named file.",
        "Send the body as it is, not packed.",
        "The body ended early, or is no multipart/form-data.",
        "At most {} bytes are accepted here.",
        "The body ended early, or is not encoded as its headers say.",
        "The body is not valid JSON.",
        "This API token may only read.",
        "This media type is not accepted here.",
        "Use 1 to 255 visible ASCII characters.",
    },
    "The API alone has it: no page does this yet.": {
        "A service contract needs its SAID.",
        "A site belongs to a company: name it too.",
        "A virus was found in this file, so it cannot be downloaded.",
        "Another agent has taken this case.",
        "The end is before the start.",
        "There is a device with this serial number already.",
        "There is a product with this number already.",
        "There is an agreement with this SAID already.",
        "There is no product with this number.",
        "This PIN stands in the list twice.",
        "This file is still being checked for viruses. Please try again in a moment.",
        "This product carries no serial numbers.",
        "This product carries serial numbers: name its devices.",
    },
    "Pages say it in their own words, by its code or status.": {
        "At most {} can be sent at once.",
        "At most {} files can be attached at once.",
        "Enter a date, such as 2026-11-22.",
        "Give {} {} {}.",
        "This file is not there any more, or is attached already.",
        "Sort by one of: {}.",
        "The files may have at most {} together.",
        "There is nothing here.",
        "This PIN is not valid for this case.",
        "This is not known here yet.",
        "Use {} {} character{}.",
    },
    "Nobody is answered with it.": {
        "The company {} cannot have users with the role {}.",  # an operator's command says it
        "The request was refused.",
        "This is no address that a mail can be sent to.",  # the ledger has it by its code
    },
}


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for folder in _FOLDERS:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def _refusals(trees: list[ast.Module]) -> set[str]:
    """The names of all classes of refusals."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {"Refusal"}
    while new := {c.name for c in classes if found & {_name(base) for base in c.bases}} - found:
        found |= new
    return found


def _sentence(node: ast.expr, module: str) -> str:
    """The text of a literal; of what is put into it, the module's constants. Empty for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_sentence(part, module) for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name)):
            return str(getattr(importlib.import_module(module), name, "{}"))
        case ast.FormattedValue():
            return "{}"
    return ""


def _sentences(module: str, tree: ast.Module, refusals: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _name(node.func)
            place = 0 if name in refusals else _SENTENCE_IN.get(name, len(node.args))
            if place < len(node.args):
                yield _sentence(node.args[place], module)
        elif isinstance(node, ast.ClassDef) and node.name in refusals:
            for line in node.body:
                if isinstance(line, ast.Assign | ast.AnnAssign) and line.value is not None:
                    targets = line.targets if isinstance(line, ast.Assign) else [line.target]
                    if "title" in map(_name, targets):
                        yield _sentence(line.value, module)


@cache
def _found() -> frozenset[str]:
    modules = list(_modules())
    refusals = _refusals([tree for _module, tree in modules])
    said = (text for module, tree in modules for text in _sentences(module, tree, refusals))
    return frozenset(text for text in said if " " in text)


def test_every_sentence_of_a_service_has_its_words_for_pages_or_a_reason_to_have_none() -> None:
    found = _found()
    excused = set[str]().union(*_LEFT_IN_ENGLISH.values())
    assert sorted(found - set(SAID) - excused) == []
    assert sorted(excused - found) == []
    assert excused.isdisjoint(SAID)


def test_what_is_found_is_what_services_say() -> None:
    sentences = {
        "This code is wrong or has expired. Check the newest e-mail, or ask for a new code.",  # a title
        "Use at most 1024 bytes.",  # with a constant in it
        "Only a vendor admin may do this.",  # raised
        "This address stands here twice.",  # at a field
        "Use one line only.",  # in a schema
    }
    assert sentences <= _found()
