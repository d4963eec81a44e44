"""Say in the words of the language, and at its place, what the JSON Schema's validator has found.

Of the schema's own keywords `x-hint`, `x-message`, `x-keys`, `x-code` and `x-later` are read here; its `$comment` says
what they mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Related, Span
from backupspec.document import Mapping, Node, Scalar, Sequence, plain
from backupspec.key_places import belongs, of_kinds
from backupspec.language import INVENTORY, Language, Schema
from backupspec.source import shortened
from backupspec.suggest import did_you_mean

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_SECRET = ("passphrase", "credential")
"""Keys at which a passphrase may have been pasted, which must not be repeated where messages go: into logs."""
_PASSWORDS = frozenset({"password", "passwd", "pass", "passphrase", "secret", "pw"})
_NAME_IT = (
    "no inventory holds a secret: write `credential: NAME` (a-z, 0-9 and `-`), and put it on the host into the first "
    "line of /etc/backupspec/credentials/NAME, mode 0600; one that stood here is known to others now"
)
_YES, _NO = ("yes", "on", "True", "TRUE", "Yes", "On", "y"), ("no", "off", "False", "FALSE", "No", "Off", "n")


# Where an error is ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A node with its logical path, and the key that leads to it (none for the root and for items of a list)."""

    node: Node
    where: str
    key: str | None
    key_span: Span | None
    name: str
    language: Language

    @property
    def head(self) -> Span:
        """Where to point when the node as a whole is meant: at its key, or at its first line."""
        if self.key_span is not None:
            return self.key_span
        if isinstance(self.node, Mapping) and self.node.entries:
            return self.node.entries[0].key_span
        return self.node.span

    @property
    def span(self) -> Span:
        """Where to point when the value is meant; one that is not there is shown at its key."""
        return self.head if isinstance(self.node, Mapping | Sequence) or self.node.value is None else self.node.span


def _locate(root: Mapping, error: ValidationError, language: Language) -> _Place:
    place = _Place(root, "", None, None, language.whole, language)
    for step in error.absolute_path:
        node = place.node
        if isinstance(node, Mapping) and isinstance(step, str):
            entry = node.entry(step)
            if entry is None:
                break
            where = f"{place.where}.{step}".removeprefix(".")
            place = _Place(entry.value, where, step, entry.key_span, f"`{step}`", language)
        elif isinstance(node, Sequence) and isinstance(step, int):
            name = f"item {step + 1} of {place.name}"
            place = _Place(node.items[step], f"{place.where}[{step}]", None, None, name, language)
        else:
            break
    if (
        "propertyNames" in error.absolute_schema_path
        and isinstance(place.node, Mapping)
        and isinstance(error.instance, str)
    ):
        entry = place.node.entry(error.instance)
        if entry is not None:
            name = f"the name `{shortened(entry.key)}`"
            return _Place(
                Scalar(entry.key, entry.key_span),
                f"{place.where}.{entry.key}".removeprefix("."),
                entry.key,
                entry.key_span,
                name,
                language,
            )
    return place


# What an error says ---------------------------------------------------------------------------------------------------


def explain_error(error: ValidationError, root: Mapping, language: Language = INVENTORY) -> Iterator[Diagnostic]:
    """Give the findings behind one error of the validator: at least one, each with a place."""
    place = _locate(root, error, language)
    schema: Schema = error.schema if isinstance(error.schema, dict) else {}
    if "x-message" in schema:
        yield _about_keys(schema, place)
        return
    match error.validator:
        case "oneOf" | "anyOf" if error.context:
            yield from _explain_choice(error, place, schema, root)
        case "additionalProperties":
            yield from _unknown_keys(place, schema)
        case "required":
            yield from _missing_keys(place, schema)
        case "uniqueItems":
            yield from _repeated(place, schema)
        case _:
            yield _about_value(error, place, schema)


def _about_value(error: ValidationError, place: _Place, schema: Schema) -> Diagnostic:
    """Give the finding of an error about one value; its hint is the nearest way out, else the schema's own."""
    match error.validator:
        case "type":
            expected = (
                [error.validator_value] if isinstance(error.validator_value, str) else _listed(error.validator_value)
            )
            told = "BS102", _wrong_type(place, expected), _type_hint(place, expected, schema)
        case "const" | "enum":
            told = _impossible(error, place, schema)
        case "pattern":
            told = _malformed(error, place, schema)
        case "minimum" | "maximum":
            relation = "less" if error.validator == "minimum" else "more"
            told = "BS106", f"{place.name}: {error.instance} is {relation} than {error.validator_value}", ""
        case "minItems" | "minProperties" | "minLength" | "maxItems" | "maxProperties" | "maxLength":
            told = "BS107", _wrong_length(error, place), ""
        case "not" | "dependentRequired" | None:
            told = "BS112", f"{place.name} is not possible here", ""
        case _:
            told = "BS100", f"{place.name} does not fit the schema: {shortened(error.message)}", ""
    code, message, hint = told
    hint = hint or schema.get("x-hint", "") or schema.get("description", "")
    code = code if error.validator == "type" else schema.get("x-code", code)
    return diagnose(code, message, place.span, hint=hint, where=place.where)


def _impossible(error: ValidationError, place: _Place, schema: Schema) -> tuple[str, str, str]:
    limit = error.validator_value
    possible = [_flow(each) for each in ([limit] if error.validator == "const" else _listed(limit))]
    near = did_you_mean(error.instance, possible) if isinstance(error.instance, str) else ""
    # Another number is another thing, not a slip of the pen: borg 1.2.4 is not 1.4.
    if near and _digits(str(error.instance)) != _digits(near):
        near = ""
    shown = "this" if place.key in _SECRET else _shown(error.instance)
    listed = "possible: " + ", ".join(f"`{each}`" for each in possible)
    return "BS104", f"{shown} is not possible for {place.name}", near or schema.get("x-hint", "") or listed


def _malformed(error: ValidationError, place: _Place, schema: Schema) -> tuple[str, str, str]:
    if place.key in _SECRET:
        return "BS109", f"this is no name for `{place.key}`", _NAME_IT if place.key == "credential" else ""
    shown = _shown(error.instance)
    if "propertyNames" in error.absolute_schema_path:
        return "BS109", f"malformed name {shown}", ""
    title = schema.get("title", "")
    kind = f"{title[:1].lower()}{title[1:]}" if title else f"{place.name}:"
    return "BS105", f"malformed {kind} {shown}", ""


def _wrong_length(error: ValidationError, place: _Place) -> str:
    if not error.instance:
        return f"{place.name} is empty"
    keyword = str(error.validator)
    parts = {"Items": "items", "Length": "characters", "Properties": "keys"}[keyword[3:]]
    return f"{place.name} has {'fewer' if keyword.startswith('min') else 'more'} than {error.validator_value} {parts}"


def _about_keys(schema: Schema, place: _Place) -> Diagnostic:
    """Give the finding of a rule that the schema words itself, at the first of the keys it is about."""
    entries = [
        entry
        for key in schema.get("x-keys", ())
        if isinstance(place.node, Mapping) and (entry := place.node.entry(key))
    ]
    span = entries[0].key_span if entries else place.span
    related = tuple(Related(f"`{entry.key}` is here", entry.key_span) for entry in entries[1:])
    where = f"{place.where}.{entries[0].key}".removeprefix(".") if entries else place.where
    return diagnose(
        schema.get("x-code", "BS112"),
        schema["x-message"],
        span,
        hint=schema.get("x-hint", ""),
        where=where,
        related=related,
    )


def _unknown_keys(place: _Place, schema: Schema) -> Iterator[Diagnostic]:
    known = sorted(schema.get("properties", {}))
    later = place.language.schema.get("x-later", ())
    inside = f"in `{place.where}`" if place.where else "at the top level"
    for entry in place.node if isinstance(place.node, Mapping) else ():
        if entry.key in known:
            continue
        hint = _secret_hint(entry.key, known) or of_kinds(entry.key, known, place.language)
        hint = hint or did_you_mean(entry.key, known) or did_you_mean(entry.key.lower().replace("-", "_"), known)
        hint = hint or belongs(entry.key, place.language.schema)
        if not hint:
            allowed = ", ".join(f"`{key}`" for key in known)
            hint = f"allowed here: {allowed}" if known else schema.get("x-hint", "")
        if entry.key in later:
            hint = "take it out: what this version cannot compile it does not accept"
        message = (
            f"`{shortened(entry.key)}` is for a later version"
            if entry.key in later
            else f"unknown key `{shortened(entry.key)}` {inside}"
        )
        where = f"{place.where}.{entry.key}".removeprefix(".")
        yield diagnose(schema.get("x-code", "BS101"), message, entry.key_span, hint=hint, where=where)


def _secret_hint(key: str, known: list[str]) -> str:
    """Give the way out for whoever wants to write a password itself."""
    return _NAME_IT if "credential" in known and key.lower() in _PASSWORDS else ""


def _missing_keys(place: _Place, schema: Schema) -> Iterator[Diagnostic]:
    present = {entry.key for entry in place.node} if isinstance(place.node, Mapping) else set()
    for key in schema["required"]:
        if key not in present:
            inner = _resolved(schema.get("properties", {}).get(key, {}), place.language)
            example = next(iter(inner.get("examples", ())), None)
            told = f"add `{key}: …`" if "x-kinds" not in schema else schema["x-hint"]
            hint = told if example is None else f"add `{key}: {_flow(example)}`, for example"
            message = f"{place.name} needs `{key}`"
            yield diagnose(schema.get("x-code", "BS103"), message, place.head, hint=hint, where=place.where)


def _resolved(schema: Schema, language: Language) -> Schema:
    """Give a node of the schema with what it refers to; what stands beside the reference wins."""
    while "$ref" in schema:
        target = language.schema["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = target | {key: value for key, value in schema.items() if key != "$ref"}
    return schema


def _repeated(place: _Place, schema: Schema) -> Iterator[Diagnostic]:
    first: dict[str, Span] = {}
    for number, item in enumerate(place.node if isinstance(place.node, Sequence) else ()):
        key = json.dumps(plain(item), sort_keys=True)
        if key not in first:
            first[key] = item.span
            continue
        related = (Related("first named here", first[key]),)
        message, hint = f"{_shown(plain(item))} stands twice in {place.name}", "delete one of them"
        yield diagnose(
            schema.get("x-code", "BS108"),
            message,
            item.span,
            hint=hint,
            where=f"{place.where}[{number}]",
            related=related,
        )


# Choices --------------------------------------------------------------------------------------------------------------


def _explain_choice(error: ValidationError, place: _Place, schema: Schema, root: Mapping) -> Iterator[Diagnostic]:
    """Explain the branch that the author most likely meant; when none has the type, say which types there are."""
    branches: dict[object, list[ValidationError]] = {}
    for each in error.context or ():
        branches.setdefault(each.relative_schema_path[0], []).append(each)
    fitting = [errors for errors in branches.values() if not any(_is_mistyped(each) for each in errors)]
    if fitting:
        for each in min(fitting, key=_distance):
            yield from explain_error(each, root, place.language)
        return
    mistyped = [each for errors in branches.values() for each in errors if _is_mistyped(each)]
    expected = list(dict.fromkeys(str(each.validator_value) for each in mistyped))
    own = (each.schema.get("x-hint", "") for each in mistyped if isinstance(each.schema, dict))
    hint = schema.get("x-hint") or next((each for each in own if each), "") or schema.get("description", "")
    yield diagnose(
        schema.get("x-code", "BS102"), _wrong_type(place, expected), place.span, hint=hint, where=place.where
    )


def _is_mistyped(error: ValidationError) -> bool:
    return error.validator == "type" and not error.relative_path


def _distance(errors: list[ValidationError]) -> tuple[int, int]:
    """Measure how far a value is from a branch: first a wrong `kind:`-like key, then the number of errors."""
    wrong = sum(error.validator in ("const", "enum") and len(error.relative_path) <= 1 for error in errors)
    return wrong, len(errors)


def _listed(values: object) -> list[Any]:
    return values if isinstance(values, list) else []


# Words ----------------------------------------------------------------------------------------------------------------


def _wrong_type(place: _Place, expected: list[str]) -> str:
    wanted = " or ".join(_KINDS.get(each, each) for each in expected)
    match place.node:
        case Scalar(value=None):
            return f"{place.name} has no value; it must be {wanted}"
        case Scalar() if place.key in _SECRET:
            return f"{place.name} must be {wanted}"
        case Scalar(value=bool() as value):
            found = f"`{str(value).lower()}`"
        case Scalar(value=int() as value):
            found = f"the number {value}"
        case Scalar(value=value):
            found = f"the text {_shown(value)}"
        case Sequence():
            found = "a list"
        case _:
            found = "a mapping"
    return f"{place.name} must be {wanted}, not {found}"


def _type_hint(place: _Place, expected: list[str], schema: Schema) -> str:
    """Give the way out of a wrong type that the schema would accept, or nothing."""
    value = place.node.value if isinstance(place.node, Scalar) else None
    if value is None or place.key in _SECRET:
        return ""
    if "boolean" in expected and value in (*_YES, *_NO):
        return f"write `{'true' if value in _YES else 'false'}`"
    if "integer" in expected and isinstance(value, str) and value.isascii() and value.isdigit():
        return f"write it without quotes: `{value}`"
    if "string" in expected and not isinstance(value, str):
        if not Draft202012Validator(schema).is_valid(_flow(value)):
            return ""
        return f'put it in quotes: `"{_flow(value)}"`'
    return (
        f"write `[{_flow(value)}]`"
        if "array" in expected and isinstance(value, str) and value == shortened(value)
        else ""
    )


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _flow(value: object) -> str:
    """Give a value as one would write it in the inventory, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(_flow(each) for each in value) + "]"
        case _:
            return str(value)


def _shown(value: object) -> str:
    return f"`{shortened(_flow(value))}`"
