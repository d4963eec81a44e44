"""Check: Document -> Diagnostics: the inventory's JSON Schema, and what no schema is asked about."""

from __future__ import annotations

from collections.abc import Iterator

from backupspec.catalogue import diagnose
from backupspec.diagnostic import Diagnostic, Diagnostics, Span
from backupspec.document import Document, Mapping, Node, Scalar, Sequence, plain
from backupspec.language import INVENTORY, Language
from backupspec.shape import explain_error
from backupspec.source import character_name, holds_private_key, unfit_character


def check(document: Document) -> Diagnostics:
    """Give everything in which the document differs from the schema, sorted by place, each with one; never raises."""
    return judge(document.root, INVENTORY)


def judge(root: Mapping, language: Language) -> Diagnostics:
    """Give everything in which a text differs from the schema of its language, as `check` does for the inventory."""
    found = list(_unfit(root, ""))
    private = tuple(each for each in found if each.code == "BS111")
    if private:  # whatever else is said might repeat it
        return private
    spoilt = {each.span for each in found}
    for error in language.validator.iter_errors(plain(root)):
        found.extend(each for each in explain_error(error, root, language) if each.span not in spoilt)
    mistyped = {each.span for each in found if each.code == "BS102"}
    kept = {
        (each.code, each.message, each.span): each
        for each in found
        if each.code != "BS104" or each.span not in mistyped
    }
    return tuple(sorted(kept.values(), key=lambda each: (each.span, each.code, each.message)))


def _unfit(node: Node, where: str) -> Iterator[Diagnostic]:
    """Refuse control characters and private keys in every key and value."""
    match node:
        case Scalar(value=str() as text):
            yield from _unfit_text(text, node.span, where)
        case Sequence():
            for number, item in enumerate(node):
                yield from _unfit(item, f"{where}[{number}]")
        case Mapping():
            for entry in node:
                inner = f"{where}.{entry.key}".removeprefix(".")
                inner = where if holds_private_key(entry.key) else inner
                yield from _unfit_text(entry.key, entry.key_span, inner)
                yield from _unfit(entry.value, inner)
        case Scalar():
            pass


def _unfit_text(text: str, span: Span, where: str) -> Iterator[Diagnostic]:
    if holds_private_key(text):
        hint = (
            "make a new key pair, for this one is known to others now; put the public half here (`ssh-ed25519 AAAA…`)"
        )
        yield diagnose("BS111", "a private key stands in the inventory", span, hint=hint, where=where)
        return
    character = unfit_character(text)
    if character is not None:
        hint = "write the value on one line, without escapes such as `\\n`"
        yield diagnose(
            "BS110", f"the value holds the character {character_name(character)}", span, hint=hint, where=where
        )
