#!/usr/bin/env python3
"""Writes tests/template/data/cases.json: small templates for every construct with what jinja2 makes of
them, set up as transformers does. Usage: make_cases.py > tests/template/data/cases.json

A case is [template, name of the input, text]; where jinja2 refuses, the text is null and a fourth
entry holds a part of the message that raise_exception gave ("" for other errors).
"""
import datetime
import json
import os
import sys

import jinja2
import transformers.utils.chat_template_utils as utils


class FixedTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 5, 14, 7, 9)


utils.datetime = FixedTime
HOST = {"bos_token": "<s>", "eos_token": "</s>"}
INPUTS = {
    "none": {},
    "chat": {
        "messages": [
            {"role": "system", "content": "  Be nice. "},
            {"role": "user", "content": "Hello <b>'W\u00f6rld'</b>"},
            {"role": "assistant", "content": "Hi!", "reasoning_content": "hm"},
            {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image"}]},
        ],
        "add_generation_prompt": True,
    },
    "data": {
        "n": 7, "m": -3, "zero": 0, "f": 2.5, "g": 1e16, "h": 1e-7, "big": 123456789012345678901234567890,
        "t": True, "no": False, "nil": None, "s": "Hello, World", "e": "", "u": "\u00c4\u00d6 stra\u00dfe \u03a3\u039f\u03a6\u039f\u03a3 \ud83d\ude00",
        "ws": " \t\n x y \u00a0", "lines": "a\nb\r\nc\n\nd", "l": [3, 1, 2], "words": ["b", "A", "c", "a"],
        "d": {"b": 1, "a": [1, 2], "c": {"x": None, "y": "q\"'"}}, "nested": [[1, 2], [3, 4]],
        "people": [{"name": "Bo", "age": 3, "x": {"y": 1}}, {"name": "al", "age": 5, "x": {"y": 0}}, {"name": "Cy", "age": 4}],
        "esc": "tab\t nl\n q\" b\\ \u0001 \u007f \u00e9 \u2028 \ud83d\ude00 </x>", "floats": [0.1, 100.0, 1e22, 1.5e-5, 123456.789, -0.0, 1e15, 12345678901234567.0],
        "items": "shadow", "mixed": [1, "a", None, True, 2.0, [1], {"k": 1}], "emptyl": [], "emptyd": {},
    },
}
ALL = "data"
CASES = []


def read(name):
    """The lines of a file of templates or expressions."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", name)
    with open(path, encoding="utf-8") as file:
        return file.read().strip("\n").split("\n")


def add(text, inputs=ALL):
    for template in text:
        CASES.append((template, inputs))


# Expressions, printed one by one.
EXPRESSIONS = read("expressions.txt")
for expression in EXPRESSIONS:
    if expression.startswith("s.upper") and expression == "s.upper":
        continue
    if expression in ("d.items", "range(3) is x", "l is not sameas l", 's | attr("upper")'):
        continue
    CASES.append(("{{ " + expression + " }}", ALL))

ERRORS = [
    "1 / 0", "1 // 0", "1 % 0", "undefined_name.x", "undefined_name['x']", "undefined_name()", "undefined_name + 1", "1 + undefined_name",
    "d.nope.deeper", "s + 1", "1 + s", "[1] + (1,)", "1 < 'a'", "none < 1", "l | sort(attribute='x') + 1", "mixed | sort", "1 in 5", "1 in s",
    "s()", "d.pop('a')", "l.append(1)", "l.sort()", "d.update({})", "d.a.append", "s.index('zz')", "l[::0]", "l['a':]", "d[1:]", "n[0:1]",
    "range(10**9)", "range(0, 1, 0)", "range()", "range('a')", "n | length", "(l | map('string')) | length", "(l|map('string'))|last", "5 | list", "none | join",
    "n | items", "s | dictsort", "[1, 'a'] | max", "'x' | abs", "undefined_name | abs", "undefined_name | int", "undefined_name | dictsort", "undefined_name | tojson",
    "range | tojson", "{(1,): 2} | tojson", "{[1]: 2}", "{{}: 1}", "'%d' % 'x'", "'%s %s' % 1", "'%s' % (1, 2)", "s.split('')", "s.split(1)", "s.startswith(1)", "','.join([1])",
    "raise_exception('No way: ' + s)", "raise_exception()", "dict(1)", "dict([[1]])", "namespace(_x=1)", "-s", "- none", "l | first + 1", "'a' * 'b'", "s - 1",
    "d.a.b.c", "nil.x.y", "n.x.y", "s.nope()", "d.c.get()", "loop.index", "undefined_name[1:]", "{'a': 1} < {'b': 2}", "1 < none",
    "(1).append", "l.append", "d.get", "undefined_name | map('upper') | list | first + 1", "people | map(attribute='x.y.z') | list", "people | selectattr('x.y.z') | list",
]
for expression in ERRORS:
    CASES.append(("a{{ " + expression + " }}b", ALL))

# Statements and white space.
add(read("statements.txt"))
add([
    "  {% if n %}\n  a\n  {% endif %}\n b\n",
    "x {% if n %} \n y {% endif %} z\n\n",
    "{% if n %}\n\n a{% endif %}\n",
    "a\n  {%+ if n %}b{% endif %}\n",
    "a\n  {% if n +%}\n b{% endif %}\n",
    "a\n  {#+ c #}\n b\n",
    "  {# c #}\n  {{ n }}\n  {# d #}  e\n",
    "  {% set x = 1 %}  \n{{ x }}\r\n{% set y = 2 %}\r\n{{ y }}\r",
    "a\n\t {% raw %}\n x {% endraw %}\n b\n",
    "a   {%- raw -%}   x   {%- endraw -%}   b",
    "{{ n }}\n", "{{ n }}\n\n", "\n{{ n }}", "", "\n", " ", "plain",
    "{% for x in l %}\n  {{ x }}\n{% endfor %}\n",
    "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\n",
    "{{ n }} {{- ' x' }}\u00a0{{- n }}\u3000{{ n }}",
    "\u00e9{{ n }}\u00e9\n   \u00a0{% if n %}x{% endif %}",
    "a {{ 'multi\nline' }} b\n{{ n }}",
    "{% set x = [\n 1,\n 2\n] %}{{ x }}",
    "{{\n n\n}}",
    "{%- macro a() -%}\n   x\n{%- endmacro -%}\n\n {{ a() }}  ",
    "{% if n %}{% endif %}{# #}{{ '' }}",
])
add([
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m['content'] | trim if m.content is string else '' }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{{ system }}{{ rest | length }}{{ rest[-1].content[0].text }}",
    "{{ messages }}", "{{ messages | tojson }}", "{{ messages | tojson(indent=2) }}",
    "{% for m in messages %}{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}{% endfor %}",
    "{{ messages | map(attribute='role') | join(' ') }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | first }}",
    "{% for m in messages %}{{ m.thinking }}{{ m.reasoning_content }}{% endfor %}",
    "{{ messages[-1].content | selectattr('type', 'eq', 'text') | map(attribute='text') | join }}",
    "{% for m in messages | reverse %}{{ m.role }}{% endfor %}",
    "{{ messages[1].content.split('<b>')[-1].split('</b>')[0] | upper }}",
], "chat")


def run(template, name):
    variables = {"tools": None, "documents": None, "add_generation_prompt": False, **HOST, **json.loads(json.dumps(INPUTS[name]))}
    if "messages" in variables:
        variables["messages"] = utils._alias_reasoning_fields(variables["messages"])
    try:
        text = utils._compile_jinja_template(template).render(**variables)
        text.encode()
        if "<generator" in text or "<function" in text or "<bound method" in text or "built-in method" in text or " object at 0x" in text:
            return None  # an address
        return [template, name, text]
    except jinja2.exceptions.TemplateSyntaxError:
        return None
    except jinja2.exceptions.TemplateError as error:
        message = str(error) if type(error) is jinja2.exceptions.TemplateError else ""
        return [template, name, None, message]
    except Exception:
        return [template, name, None, ""]


if __name__ == "__main__":
    cases = [c for c in (run(*case) for case in CASES) if c]
    inputs = {name: json.dumps(value, ensure_ascii=False) for name, value in INPUTS.items()}  # JSON texts
    sys.stdout.write('{"inputs": ' + json.dumps(inputs, ensure_ascii=True) + ',\n"cases": [\n')
    sys.stdout.write(",\n".join(json.dumps(c, ensure_ascii=True) for c in cases))
    sys.stdout.write("\n]}\n")
