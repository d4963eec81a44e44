from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupspec.words import MySqlAccount, SqlName, SqlTexts, Unrepresentable
from tests.templates.hostile import accepted, texts


@given(values=st.lists(texts, min_size=1, max_size=10))
def test_a_name_of_postgresql_is_one_quoted_identifier(values: list[str]) -> None:
    for value, word in accepted(SqlName, values):
        inside = str(word)[1:-1]
        assert str(word) == f'"{inside}"'
        assert inside.replace('""', "").count('"') == 0
        assert inside.replace('""', '"') == value


def test_an_account_of_mysql_has_its_user_and_its_host_in_quotes() -> None:
    assert str(MySqlAccount("backupspec", "localhost")) == "'backupspec'@'localhost'"
    assert str(MySqlAccount("it's\\", "%")) == "'it''s\\\\'@'%'"


@given(values=st.lists(texts, min_size=1, max_size=10))
def test_a_list_of_texts_is_as_long_as_it_was_and_each_is_quoted(values: list[str]) -> None:
    for value, word in accepted(lambda text: SqlTexts((text, "it's", text)), values):
        first = str(word)[: (len(str(word)) - len(", 'it''s', ")) // 2]
        assert str(word) == f"{first}, 'it''s', {first}"
        inside = first[1:-1]
        assert first == f"'{inside}'"
        assert "'" not in inside.replace("''", "")
        assert inside.replace("''", "'") == value


@pytest.mark.parametrize("texts", [(), ("a\\",), ("a\nb",)])
def test_texts_that_servers_read_in_different_ways_are_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(Unrepresentable):
        SqlTexts(texts)


def test_the_empty_user_is_refused_who_would_be_anybody() -> None:
    for make in (lambda: SqlName(""), lambda: MySqlAccount("", "localhost")):
        with pytest.raises(Unrepresentable):
            make()
