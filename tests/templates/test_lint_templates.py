from __future__ import annotations

from pathlib import Path

import pytest

from backupspec.data import data_folder
from backupspec.lint_templates import lint, lint_source, main

HEAD = "#!/bin/sh\n{{ title }}\nset -eu\n"


def _complaints(name: str, source: str) -> list[str]:
    head = HEAD if name.endswith(".sh.j2") else ""
    return [str(complaint) for complaint in lint_source(name, head + source)]


def test_the_templates_of_this_repository_pass() -> None:
    assert [str(complaint) for complaint in lint(data_folder("templates"))] == []


GLUED = "the value is glued to its neighbour; around it may stand white space and"
QUOTED = "the value stands inside quotes, which it brings itself"
COMMENT = "a value in a comment; print a Comment on a line of its own"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('echo "{{ x }}"\n', f"4:7: {QUOTED}"),
        ("echo '{{ x }}'\n", f"4:7: {QUOTED}"),
        ('echo "a\n$(id)b {{ x }}"\n', f"5:8: {QUOTED}"),
        ("echo it\\'s '{{ x }}'\n", f"4:13: {QUOTED}"),
        ("# about {{ x }}\n", f"4:9: {COMMENT}"),
        ("true # about {{ x }}\n", f"4:14: {COMMENT}"),
        ("cat <<END\n{{ x }}\nEND\n", "5:1: a value in a here-document, where no quoting protects it"),
        ("cat <<-'END'\n\ta {{ x }}\n\tEND\n", "5:4: a value in a here-document, where no quoting protects it"),
        ("echo a{{ x }}\n", f"4:7: {GLUED} `NAME=`"),
        ("echo {{ x }}a\n", f"4:6: {GLUED} `NAME=`"),
        ('echo "a"{{ x }}\n', f"4:9: {GLUED} `NAME=`"),
        ("echo $(id){{ x }}\n", f"4:11: {GLUED} `NAME=`"),
        ("echo {% if y %}a{% endif %}{{ x }}\n", f"4:28: {GLUED} `NAME=`"),
        ("echo \\{{ x }}\n", "4:7: the value stands behind a backslash"),
        ("echo ${{ x }}\n", f"4:7: {GLUED} `NAME=`"),
        ("cat <<{{ x }}\n", f"4:7: {GLUED} `NAME=`"),
        ("echo `id`\n", "4:6: a backtick; write `$( )`"),
        ('echo "a\n', "4:8: a quote is not closed in this file"),
        ("{% raw %}{{ x }}{% endraw %}\n", "4:1: `{% raw %}`: what a template prints must be visible to this check"),
        ("{% filter upper %}a{% endfilter %}\n", "4:1: `{% filter %}`: only"),
        ("{% autoescape true %}a{% endautoescape %}\n", "4:1: `{% autoescape %}`: only"),
        ("echo\n{% if x %}\n", "5:1: not a template: "),
        ("{% macro m() %}a{% endmacro %}\n", "4:1: `{% macro %}`: only"),
        ("echo {{ x | safe }}\n", "4:6: `{{ }}` takes a name such as `job.path` and nothing else"),
        ("echo {{ 'literal' }}\n", "4:6: `{{ }}` takes a name such as `job.path` and nothing else"),
        ("echo {{ x ~ y }}\n", "4:6: `{{ }}` takes a name such as `job.path` and nothing else"),
        ("echo {{ f(x) }}\n", "4:6: `{{ }}` takes a name such as `job.path` and nothing else"),
        ("echo {{ x.__class__ }}\n", "4:6: `{{ }}` takes a name such as `job.path` and nothing else"),
        ("{% set x = 'a' %}\n", "4:1: a literal in `{% set %}`; fixed text stands in the template itself"),
        ("{% if x | length %}{% endif %}\n", "4:1: a filter; the plan makes values ready, templates only print them"),
        ("{% for x in f(y) %}{% endfor %}\n", "4:1: a call; the plan makes values ready, templates only print them"),
        ("{% if x._y %}{% endif %}\n", "4:1: a name with a leading underscore"),
        ("{% include x %}\n", "4:1: `{% include %}` takes the name of one *.sh.j2, in quotes"),
        ("{% include 'a.unit.j2' %}\n", "4:1: `{% include %}` takes the name of one *.sh.j2, in quotes"),
    ],
)
def test_a_script_keeps_each_value_a_word_of_its_own(source: str, complaint: str) -> None:
    found = _complaints("x.sh.j2", source)
    assert found
    assert found[0].startswith(f"x.sh.j2:{complaint}")


@pytest.mark.parametrize(
    "source",
    [
        "X={{ x }}\nexport X={{ x }} Y={{ y }}\n",
        "run {{ x }} --limit={{ n }} --property=LoadCredential={{ c }}; echo done\n",
        'a="$(borg list "$b" {{ x }})" # it\'s fine\n',
        "# it's a \"comment\n{{ comment }}\nrun {{ x }}\n",
        "if [ {{ n }} -gt 3 ]; then (cd {{ x }}) && run; fi >{{ y }}\n",
        "set --{% for p in paths %} {{ p }}{% endfor %}\nx='it'\\''s'\nrun {{ x }}\n",
        "cat <<'END'\nit's \" ` text\nEND\nrun {{ x }}\n",
        "{% for p in paths %}\nrun \\\n    {{ p }} \\\n    --end\n{% endfor %}\n",
        "{% if (a and b) or x is not none %}\nrun {{ x }}\n{% endif %}\n",
    ],
)
def test_what_a_script_may_do_passes(source: str) -> None:
    assert _complaints("x.sh.j2", source) == []


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("x.unit.j2", "[Unit]\nDescription=Job {{ x }}a\n", f"2:17: {GLUED} `Key=`"),
        ("x.unit.j2", 'Environment="A={{ x }}"\n', f"1:16: {QUOTED}"),
        ("x.unit.j2", "Environment=A={{ x }}\n", f"1:15: {GLUED} `Key=`"),
        ("x.unit.j2", "# for {{ x }}\n", f"1:7: {COMMENT}"),
        ("x.unit.j2", "After=backupspec-{{ x }}.service\n", f"1:18: {GLUED} `Key=`"),
        ("x.authorized_keys.j2", 'restrict,command="{{ x }}" {{ key }}\n', f"1:19: {QUOTED}"),
        ("x.authorized_keys.j2", "from={{ x }} {{ key }}\n", f"1:6: {GLUED.removesuffix(' and')} and commas"),
        ("x.sshconfig.j2", "HostName a{{ x }}\n", f"1:11: {GLUED.removesuffix(' and')}"),
        ("x.known_hosts.j2", "[{{ x }}]:22 {{ key }}\n", f"1:2: {GLUED.removesuffix(' and')} and commas"),
        ("x.sysusers.j2", "u bs-{{ x }} - -\n", f"1:6: {GLUED.removesuffix(' and')}"),
        ("x.tmpfiles.j2", "d /srv/{{ x }} 0700\n", f"1:8: {GLUED.removesuffix(' and')}"),
        ("x.patterns.j2", "- sh:{{ x }}\n", "1:6: the value must be the whole line"),
        ("x.md.j2", "Run `{{ x }}`.\n", "1:6: the value stands inside a code span, which it brings itself"),
        (
            "x.md.j2",
            "[a]({{ x }})\n",
            "1:5: the value stands in a link, a tag or an escape, or is glued to another one",
        ),
        ("x.md.j2", "```sh\ncat a{{ x }}\n```\n", f"2:6: {GLUED} `NAME=`"),
        ("x.md.j2", "```{{ x }}\n```\n", "1:4: a value on the line of a fence"),
        (
            "x.xml.j2",
            "<a><b>v{{ x }}</b></a>\n",
            "1:8: between tags stands a comment on a line of its own, or all of an element",
        ),
        ("x.css.j2", "{{ x }}\n", "1:1: no target language has this suffix"),
        ("x.unit.j2", "{%- if x %}\n{% endif %}\n", "1:1: white space control"),
        ("x.unit.j2", "{% if x }\n", "1:1: not a template: "),
    ],
)
def test_each_language_keeps_each_value_in_its_place(name: str, source: str, complaint: str) -> None:
    found = _complaints(name, source)
    assert found
    assert found[0].startswith(f"{name}:{complaint}")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (
            "x.unit.j2",
            "[Service]\nExecStart=+{{ program }}{% for w in words %} {{ w }}{% endfor %}\n{{ name }}={{ value }}\n",
        ),
        ("x.authorized_keys.j2", "{{ restrict }},{% if a is not none %}{{ a }},{% endif %}{{ command }} {{ key }}\n"),
        ("x.known_hosts.j2", "{{ a }},{{ b }} {{ key }}\n"),
        ("x.patterns.j2", "# all\n{% for p in patterns %}\n{{ p }}\n{% endfor %}\n"),
        ("x.md.j2", "# About {{ host }}: {{ code }}, ({{ text }}).\n\n```sh\nrun {{ word }}\n```\n\n| {{ a }} |\n"),
    ],
)
def test_what_the_other_languages_may_do_passes(name: str, source: str) -> None:
    assert _complaints(name, source) == []


HTML_NAME = "the value stands in a tag, but not as the value of an attribute"
HTML_GLUED = "the value is glued to its neighbour; it is all that follows `name=`"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("<p title='{{ x }}'>\n", f"1:11: {QUOTED}"),
        ('<p class="a {{ x }}">\n', f"1:13: {QUOTED}"),
        ("<p {{ x }}>\n", f"1:4: {HTML_NAME}"),
        ("<p {{ x }}=1>\n", f"1:4: {HTML_NAME}"),
        ("<h{{ x }}>\n", f"1:3: {HTML_NAME}"),
        ("</h{{ x }}>\n", f"1:4: {HTML_NAME}"),
        ("<{{ x }}>\n", "1:1: a `<` that begins no tag; write `&lt;`"),
        ("1 < 2\n", "1:3: a `<` that begins no tag; write `&lt;`"),
        ("<p title=a{{ x }}>\n", f"1:11: {HTML_GLUED}"),
        ("<p title={{ x }}{{ y }}>\n", f"1:10: {HTML_GLUED}"),
        ('<p title={{ x }}"a">\n', f"1:10: {HTML_GLUED}"),
        ("<p title={{ x }}class=a>\n", f"1:10: {HTML_GLUED}"),
        ("<p style={{ x }}>\n", "1:10: `style` takes no value of a template"),
        ("<a href={{ x }}>\n", "1:9: `href` takes no value of a template"),
        ("<img src={{ x }}>\n", "1:10: `src` takes no value of a template"),
        ("<use xlink:href={{ x }} />\n", "1:17: `xlink:href` takes no value of a template"),
        ("<iframe srcdoc={{ x }}>\n", "1:16: `srcdoc` takes no value of a template"),
        ("<p onclick={{ x }}>\n", "1:4: `onclick` is a script; a page has none"),
        ("<p onclick='f()'>\n", "1:4: `onclick` is a script; a page has none"),
        ("<script>f()</script>\n", "1:1: a page has no script"),
        ("<ScRiPt src=x>\n", "1:1: a page has no script"),
        ("<style>\na { color: {{ x }} }\n</style>\n", "2:12: a value in `<style>`, where nothing can be escaped"),
        ("<style></p>{{ x }}</style>\n", "1:12: a value in `<style>`, where nothing can be escaped"),
        ("<noscript>{{ x }}</noscript>\n", "1:11: a value in `<noscript>`, where nothing can be escaped"),
        ("<!-- about {{ x }} -->\n", "1:12: a value in a comment"),
        ("<!-- > {{ x }}\n", "1:8: a value in a comment"),
        ("&{{ x }}\n", "1:2: the value is glued to a `&`"),
        ("&#{{ x }};\n", "1:3: the value is glued to a `&`"),
        ("<p>{{ x | safe }}</p>\n", "1:4: `{{ }}` takes a name such as `job.path` and nothing else"),
        ("{% autoescape false %}{% endautoescape %}\n", "1:1: `{% autoescape %}`: only"),
    ],
)
def test_a_page_keeps_each_value_where_it_can_be_escaped(source: str, complaint: str) -> None:
    found = _complaints("x.html.j2", source)
    assert found
    assert found[0].startswith(f"x.html.j2:{complaint}")


@pytest.mark.parametrize(
    "source",
    [
        "<!DOCTYPE html>\n<title>{{ a }}</title>\n<p title={{ b }}>{{ c }}: {{ d }}{{ e }} &amp; more</p>\n",
        "<style>a > b { content: '<'; }</style>\n{{ a }}\n",
        "<svg><path class={{ a }} d={{ b }}/><line x1={{ c }}\n y1={{ d }} /><title>{{ e }}</title></svg>\n",
        "{% if a %}<p class='a > b'>{% else %}<p>{% endif %}{{ b }}</p>\n",
        "<!-- > <p {{ -->{{ a }}\n".replace("{{ --", "--"),
    ],
)
def test_what_a_page_may_do_passes(source: str) -> None:
    assert _complaints("x.html.j2", source) == []


@pytest.mark.parametrize(
    "source", ["set -eu\n", "#!/bin/bash\nset -eu\n", "#!/bin/sh\necho\nset -eu\n", "#!/bin/sh\nset -e\n", ""]
)
def test_a_script_begins_with_its_interpreter_and_stops_at_errors(source: str, tmp_path: Path) -> None:
    (tmp_path / "x.sh.j2").write_text(source)
    assert [str(found) for found in lint(tmp_path)] == [
        "x.sh.j2:1:1: a script begins with `#!/bin/sh`, comments, `set -eu`"
    ]


def test_a_part_of_a_script_needs_no_beginning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "part.sh.j2").write_text("echo\n")
    (tmp_path / "whole.sh.j2").write_text("#!/bin/sh\n# about it\n\nset -eu\n{% include 'part.sh.j2' %}\n")
    assert main([str(tmp_path)]) == 0
    (tmp_path / "bad.unit.j2").write_text("A={{ 1 }}\n")
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("bad.unit.j2:1:3: `{{ }}` takes a name")
    assert main([str(tmp_path / "missing")]) == main(["a", "b"]) == 2
