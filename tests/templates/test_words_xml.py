from __future__ import annotations

import subprocess
from xml.etree import ElementTree

import pytest
from hypothesis import given

from backupspec.words import AppArmorFolder, Unrepresentable, XmlAttribute, XmlComment, XmlText
from tests.templates.hostile import NASTY, accepted, texts


@given(texts)
def test_an_attribute_arrives_as_it_was_written(text: str) -> None:
    try:
        word = XmlAttribute(text)
    except Unrepresentable:
        assert not text.isprintable()
        return
    tree = ElementTree.fromstring(f"<a b={word} c='d'><e f={word}/></a>")  # noqa: S314 - what we have just written
    assert tree.attrib == {"b": text, "c": "d"}
    assert [each.attrib for each in tree] == [{"f": text}]


@given(texts)
def test_text_arrives_as_it_was_written(text: str) -> None:
    try:
        word = XmlText(text)
    except Unrepresentable:
        assert not text.isprintable()
        return
    tree = ElementTree.fromstring(f"<a><b>{word}</b><c/></a>")  # noqa: S314 - as above
    assert [(each.tag, each.text or "") for each in tree] == [("b", text), ("c", "")]


@pytest.mark.parametrize(
    ("kind", "document", "path"), [(XmlAttribute, "<a b={}/>", "/a/@b"), (XmlText, "<a>{}</a>", "/a")]
)
def test_a_real_parser_agrees(kind: type[XmlAttribute | XmlText], document: str, path: str) -> None:
    made = accepted(kind, list(NASTY))
    assert len(made) > 15
    for text, word in made:
        ran = subprocess.run(
            ["xmllint", "--noout", "--xpath", f"string({path})", "-"],
            input=document.format(word).encode(),
            capture_output=True,
            check=True,
        )
        assert ran.stdout.decode().removesuffix("\n") == text


@given(texts)
def test_a_comment_ends_where_it_should(text: str) -> None:
    try:
        word = XmlComment(text)
    except Unrepresentable:
        return
    assert [each.tag for each in ElementTree.fromstring(f"<a>{word}<b/></a>")] == ["b"]  # noqa: S314 - as above


@pytest.mark.parametrize("bad", ["a--b", "ends with -", "two\nlines"])
def test_a_comment_refuses_what_would_end_it(bad: str) -> None:
    with pytest.raises(Unrepresentable):
        XmlComment(bad)


@pytest.mark.parametrize("bad", ["/a*", '/a"b', "/a{b,c}", "/@{HOME}", "/a[b]", "/a\\b", "relative", "/a^b", "/a?"])
def test_a_folder_with_a_sign_of_apparmor_is_refused(bad: str) -> None:
    with pytest.raises(Unrepresentable):
        AppArmorFolder(bad)


def test_a_folder_is_quoted_with_all_below_it() -> None:
    assert str(AppArmorFolder("/srv/it's $HOME 100% & more")) == '"/srv/it\'s $HOME 100% & more/**"'
