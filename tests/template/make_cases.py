#!/usr/bin/env python3
"""Writes tests/template/data/cases.json: small templates for every construct with what jinja2 makes of
them, set up as transformers does. Usage: make_cases.py > tests/template/data/cases.json

A case is [template, name of the input, text]; where jinja2 refuses, the text is null and a fourth
entry holds a part of the message that raise_exception gave ("" for other errors).
"""
import datetime
import json
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


def add(text, inputs=ALL):
    for template in text:
        CASES.append((template, inputs))


# Expressions, printed one by one.
EXPRESSIONS = r"""
1 + 2 * 3 - 4
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7 / 2
2 ** 10
2 ** -1
7.5 // 2
-7.5 % 2
1.0 / 3
1e3
1_000
10 ** 15
0.1 + 0.2
-n
+f
- -3
n + f
n * m
s + "!"
"a" ~ 1 ~ none ~ true ~ 2.5
"a" "b" 'c'
s * 2
l + [4]
(1, 2) + (3,)
l * 2
2 * (1,)
1 < 2 < 3
1 < 2 > 5
n == 7.0
true == 1
"a" < "b"
[1, 2] < [1, 3]
(1, 2) == (1, 2)
[1] == (1,)
{"a": 1} == {"a": 1.0}
big == big
big > 1
big
n != 7
1 in l
"W" in s
"a" not in d
3 not in l
not n
not not e
n and e
e or "x"
nil or zero or "z"
n or 1/0
s if n else e
s if zero
"y" if undefined_name else "n"
undefined_name
undefined_name is defined
d.nope
d.nope is undefined
d["nope"] | default("D")
e | default("D")
e | default("D", true)
nil | d("x")
undefined_name | default
undefined_name == other_undefined
undefined_name | length
undefined_name | list
undefined_name is iterable
undefined_name is sequence
undefined_name is callable
s[0]
s[-1]
s[99]
u[1]
u[-1]
u[4:9]
s[1:4]
s[:-3]
s[::2]
s[::-1]
s[5:1:-2]
s[100:]
l[0]
l[-1]
l[1:]
l[::-1]
l[-2:]
l[:99]
range(10)[2:5]|list
range(10)[::-3]|list
range(3)
range(1, 10, 4)
range(5, 0, -2)|list
range(0)|list
l.0
nested.1.0
d.a
d["a"]
d.a[1]
d.c.y
d.items is callable
d["items"] is defined
d.keys() | list
d.values() | list
d.items() | list
d.keys()
d.items()
d.values()
d.get("a")
d.get("zz")
d.get("zz", 5)
d.items()|first
d | items | list
d | dictsort
d | dictsort(reverse=true)
d.c | dictsort(by="key")
{"b": 1, "A": 2} | dictsort
{"b": 1, "A": 2} | dictsort(case_sensitive=true)
{"b": 1, "A": 2} | dictsort(false, "value")
"a" in d
d | length
l | length
s | length
u | length
u | count
d | list
d | first
l | first
l | last
s | last
emptyl | first
emptyl | first is defined
range(4) | last
l | sum
people | sum(attribute="age")
people | sum("age", 10)
l | sort
l | sort(reverse=true)
words | sort
words | sort(case_sensitive=true)
people | sort(attribute="age") | map(attribute="name") | list
people | sort(attribute="name,age") | map(attribute="name") | list
people | map(attribute="x.y", default="-") | list
people | map(attribute="x.y") | list
nested | map(attribute=0) | list
nested | map("first") | list
nested | map("join", "-") | list
words | map("upper") | join(",")
words | unique | list
words | unique(case_sensitive=true) | list
words | min
words | max
words | max(case_sensitive=true)
l | min
people | max(attribute="age")
emptyl | max
l | join
l | join("-")
mixed | join("|")
people | join(", ", attribute="name")
s | join(".")
l | reverse | list
s | reverse
d | reverse | list
mixed | select | list
mixed | reject | list
mixed | select("string") | list
mixed | reject("string") | list
l | select("gt", 1) | list
l | select(">=", 2) | list
l | select("odd") | list
l | select("divisibleby", 3) | list
l | reject("in", [1, 2]) | list
people | selectattr("age", "equalto", 4) | list
people | selectattr("x") | list
people | selectattr("x", "defined") | list
people | rejectattr("x", "defined") | map(attribute="name") | list
people | selectattr("x.y", "eq", 1) | map(attribute="name") | list
people | selectattr("age", ">", 3) | map(attribute="name") | join("+")
l | map("string") | join("")
l | string
s | upper
s | lower
u | upper
u | lower
u | title
u | capitalize
s | title
"hello-world (foo) [bar] {baz} <qux> it's" | title
"hELLO wORLD" | capitalize
"hello world it's 3rd" .title()
u.title()
"\u01c6x \ufb01 \u0149 \u1f80".upper()
"\u01c6x \ufb01".title()
"\u0130\u0391\u03a3 \u03a3 \u0391\u03a3.".lower()
ws | trim
ws.strip() | length
s | trim("Hd")
"xxaxx".strip("x")
"xxaxx".lstrip("x")
"xxaxx".rstrip("x")
"\u00e4a\u00e4".strip("\u00e4")
s | replace("l", "L")
s | replace("l", "L", 1)
s.replace("l", "")
s.replace("", "-")
"aaa".replace("aa", "b")
s.replace("l", "L", 2)
12345 | replace(3, "x")
s.split()
s.split(", ")
s.split("l")
s.split("l", 1)
s.rsplit("l", 1)
s.split("zz")
" a  b c ".split()
" a  b c ".split(none, 1)
" a  b c ".rsplit(none, 1)
" a  b c ".split(" ")
"a,b,c".split(",", maxsplit=1)
s.split(", ")[1]
s.split("o")[-1].strip("d")
lines.splitlines()
lines.splitlines(true)
"a\x0bb\x1cc\u2028d".splitlines()
s.startswith("He")
s.startswith(("x", "He"))
s.startswith("l", 2)
s.endswith("ld")
s.endswith("lo", 0, 5)
s.find("o")
s.find("o", 5)
s.find("zz")
s.rfind("o")
u.find("\u03a3")
s.index("W")
s.count("l")
s.count("")
"," .join(words)
"".join(["a", "b"])
s.partition(", ")
s.rpartition("o")
s.partition("zz")
s.rpartition("zz")
s.removeprefix("Hello")
s.removesuffix("World")
s.upper().lower()
"abc".isalpha()
"a1".isalnum()
"12".isdigit()
"".isdigit()
"1.2".isdecimal()
" \t".isspace()
"ABC".isupper()
"A1".islower()
u.isupper()
"abc".isascii()
"{} and {}".format(1, "b")
"{1}{0}{{x}}".format("a", "b")
"%s-%d-%05.1f|%5s|%-5s|%%" % ("a", 3, 2.25, "r", "l")
"%s" % "x"
"%r" % ["a'b"]
"%s %s" | format("a", 1)
"%03d" % 7
"%.3f" % 1.0005
l.index(2)
l.count(1)
(1, 2, 1).count(1)
3.7 | int
"42" | int
" 42 " | int
"4.9" | int
"x" | int
"x" | int(default=-1)
"ff" | int(base=16)
"0x1f" | int(0, 16)
nil | int
true | int
"1_000" | int
"1.5" | float
"x" | float
"x" | float(1.0)
" 1e3 " | float
3 | float
m | abs
-2.5 | abs
2.5 | round
3.5 | round
2.675 | round(2)
2.5 | round(0, "ceil")
2.55 | round(1, "floor")
7 | round
1234.5678 | round(2)
floats
floats | tojson
g
h
1e100
f
-0.0
1.0
100000000000000000000.0
mixed
d
people[0]
[1, (2,), (), [], {}]
[none, true, undefined_name]
["it's", 'say "x"', "both ' and \""]
[esc]
[u]
"a\nb" | string
d | string
mixed | tojson
d | tojson
d | tojson(indent=2)
d | tojson(indent=0)
nested | tojson(indent=4)
emptyd | tojson(indent=2)
emptyl | tojson(indent=2)
d | tojson(separators=(",", ":"))
d | tojson(sort_keys=true)
d | tojson(true, none, none, true)
{"b": 1, "a": {"d": 1, "c": 2}} | tojson(sort_keys=true, indent=1)
esc | tojson
esc | tojson(ensure_ascii=true)
{1: 2, none: 3, true: 4, 2.5: 5} | tojson
(1, 2) | tojson
d | tojson(indent="\t")
"<a&'\">" | e
"<a>" | escape | string
"<a>" | safe
("<a>" | safe) + "<b>"
"<b>" + ("<a>" | safe)
("<a>" | safe) ~ "<b>"
("<a>" | safe) | upper
"<a>" | e | e
"a\nb\n\nc" | indent
"a\nb\n\nc" | indent(2, true)
"a\nb\n\nc" | indent(width=2, blank=true)
"a\nb" | indent("> ")
n is number
s is string
d is mapping
l is sequence
l is iterable
d is sequence
s is sequence
n is iterable
d.items() is sequence
d.items() is iterable
(l | map("string")) is sequence
(l | map("string")) is iterable
t is boolean
n is boolean
t is number
t is integer
n is integer
f is float
f is integer
big is integer
t is true
no is false
n is true
nil is none
nil is not none
none is none
n is odd
n is even
n is divisibleby 7
n is divisibleby(2)
n is eq 7
n is equalto(7)
n is ne 8
n is gt 3
n is lessthan 3
n is ge 7
n is le 6
n is in l
1 is in l
"a" is in "abc"
s is lower
"abc" is lower
"ABC" is upper
t is sameas true
nil is sameas none
range is callable
n is callable
("x"|safe) is escaped
"x" is escaped
n is defined and n is number
n is defined or nope.x
(n is string) or (n is integer)
not n is string
n is not string and s is string
dict(a=1, b="x")
dict({"a": 1}, b=2)
dict([["x", 1], ["y", 2]])
namespace(a=1).a
namespace({"q": 2}).q
"A" if n > 5 else "B" if n > 3 else "C"
[n, [f]][1][0]
{"a": {"b": "c"}}.a.b
{"a": 1, "a": 2}
{1: "x", 1.0: "y", true: "z"}
("a", "b")[1]
()
(1,)
1,
1, 2
[1, 2,]
{"a": 1,}
d.c.x is none
"\x41\u00e9\101\t\\n\'"
'a\qb'
"a\
b"
s["upper"]()
d["b"]
d[undefined_name]
people[1]["name"]
people[1].x.y
people[2].x.y is defined
messages is defined
tools is none
tools is defined
documents
add_generation_prompt
bos_token ~ eos_token
strftime_now("%Y-%m-%d %H:%M:%S")
strftime_now("%d %b %Y, %A %B %a %j %p %I %y %-d %-m %e %% %D %T %F %X %x %c %f")
strftime_now("")
n if n else 1/0
(s ~ n)[0:3] | upper
s|upper|lower|title
-n|abs
-1 ** 2
2 ** 3 ** 2
1 - 2 - 3
2 + 3 * 4 ** 2 // 5 % 7
s.upper
loop is defined
raise_exception is defined
true and false or true
not true == false
"a" in "abc" and "d" not in "abc"
mixed[5:] + [0]
l == [3, 1, 2]
s in [s, 1]
none in mixed
1.0 in l
"k" in mixed[6]
d.c == {"x": none, "y": "q\"'"}
"é" < "z"
[[1, 2], [0]] | sort
["b", "a"] | sort | first
[3, 1] | map("abs") | sum
words | list | length
(words | join).split("A")
words[1:3] | join("/")
u.split("\u03a3")
u.replace("\u03a3", "S")
s | attr("upper")
d | attr("b") is defined
" x ".strip() == "x"
"ab" ~ ("c" if zero else "d")
"abc"[1:][0]
"a%b" | replace("%", "%%")
"caf\u00e9" | length
n ~ ""
"%s" % d.a
"%s|%s" % (1, [2])
1 == 1.0
"1" == 1
true > false
[1, 2, 3] | select("in", [2, 3]) | map("string") | join
items
d.items
"x" * 0
"x" * -1
l is not sameas l
"" is string
e is sameas e
""" .strip("\n").split("\n")
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
    "d.a.b.c", "nil.x.y", "n.x.y", "s.nope()", "d.c.get()", "loop.index", "undefined_name[1:]", "{'a': 1} < {'b': 2}", "1 < none", "'{} {}'.format(1)", "'{'.format(1)",
    "(1).append", "l.append", "d.get", "undefined_name | map('upper') | list | first + 1", "people | map(attribute='x.y.z') | list", "people | selectattr('x.y.z') | list",
]
for expression in ERRORS:
    CASES.append(("a{{ " + expression + " }}b", ALL))

# Statements and white space.
add(r"""
{% if n %}yes{% endif %}|
{% if e %}x{% elif n > 100 %}y{% elif n %}z{% else %}w{% endif %}|
{% for x in l %}{{ x }},{% endfor %}|
{% for x in emptyl %}x{% else %}none{% endfor %}|
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}|
{% for x in l %}{{ loop.cycle("a", "b") }}{{ loop.changed(x > 1) }}{% endfor %}|
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}|
{% for k, v in d | dictsort %}{{ k }}{% endfor %}|
{% for k in d %}{{ k }}{% endfor %}|
{% for a, b in nested %}{{ a }}-{{ b }} {% endfor %}|
{% for (a, b) in nested %}{{ a + b }} {% endfor %}|
{% for i, (a, b) in [(1, (2, 3)), (4, (5, 6))] %}{{ i }}{{ a }}{{ b }} {% endfor %}|
{% for c in "a\u00e9b" %}[{{ c }}]{% endfor %}|
{% for x in range(3) %}{{ x }}{% endfor %}|
{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.last }}{% endfor %}|
{% for x in l if x > 9 %}{{ x }}{% else %}E{% endfor %}|
{% for x in l if loop is defined %}{{ x }}{% endfor %}|
{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}|
{% for x in l %}{% set outer = loop %}{% for y in l %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}|
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}|
{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}E{% endfor %}|
{% for x in l %}{% break %}{% else %}E{% endfor %}|
{% for x in l %}{% continue %}{% else %}E{% endfor %}|
{% for x in undefined_name %}x{% else %}E{% endfor %}|
{% for x in l recursive_not_used %}{% endfor %}
{% for x in n %}{% endfor %}|
{% for a, b in l %}{% endfor %}|
{% for a, b, c in nested %}{% endfor %}|
{% set x = 1 %}{{ x }}|
{% set x, y = 1, 2 %}{{ x }}{{ y }}|
{% set a = 1, 2 %}{{ a }}|
{% set (a, b) = [3, 4] %}{{ a }}{{ b }}|
{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}|
{% set x = 1 %}{% if n %}{% set x = 2 %}{% endif %}{{ x }}|
{% if zero %}{% set x = 2 %}{% endif %}{{ x is defined }}|
{% if zero %}{% set n = 2 %}{% endif %}{{ n }}|
{% if n %}{% set n = 2 %}{% endif %}{{ n }}|
{% for i in l %}{% if i == 1 %}{% set n = i %}{% endif %}{{ n }}{% endfor %}{{ n }}|
{% for i in l %}{{ n }}{% set n = i %}{{ n }}{% endfor %}|
{% for i in l %}{% set q = i %}{% endfor %}{{ q is defined }}|
{% for i in l %}{{ q is defined }}{% set q = i %}{% endfor %}|
{% for i in l %}{% if loop.first %}{% set q = i %}{% endif %}{{ q }}{% endfor %}|
{% for n in l %}{{ n }}{% endfor %}{{ n }}|
{% for s in s[:2] %}{{ s }}{% endfor %}{{ s }}|
{% set ns = namespace(x=0, y="a") %}{% for i in l %}{% set ns.x = ns.x + i %}{% set ns.y = ns.y ~ i %}{% endfor %}{{ ns.x }}{{ ns.y }}|
{% set ns = namespace() %}{% set ns.a = [1] %}{% set ns.b, ns.c = 2, 3 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns.d is defined }}{{ ns["a"] }}|
{% set d.x = 1 %}|
{% set ns = namespace(items=[1]) %}{{ ns.items }}|
{% set x %}a{{ n }}b{% endset %}{{ x }}{{ x | length }}|
{% set x | upper | trim %}  a{{ n }}b {% endset %}[{{ x }}]|
{% set x %}{% for i in l %}{{ i }}{% endfor %}{% endset %}{{ x }}{{ x is string }}|
{% set x %}{% set y = 5 %}{{ y }}{% endset %}{{ x }}{{ y is defined }}|
{% for i in l %}{% set x %}{{ i }}{% break %}{% endset %}{{ x }}{% endfor %}{{ x is defined }}|
{% filter upper %}abc{{ s }}{% endfilter %}|
{% filter replace("a", "b") | upper %}aXa{% set q = 1 %}{% endfilter %}{{ q is defined }}|
{% with %}{% set w = 1 %}{{ w }}{% endwith %}{{ w is defined }}|
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}|
{% with n = n + 1 %}{{ n }}{% endwith %}{{ n }}|
{% macro m(a, b=2, c="x") %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c="y") }}{{ m(a=5) }}{{ m() }}|
{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}|
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}|
{% macro m(a) %}{{ varargs }}{% endmacro %}{{ m(1, 2, 3) }}|
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}|
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}|
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}|
{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(4) }}|
{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(5) }}|
{% macro m() %}{{ n }}{% set n = 1 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}|
{% macro m() %}{{ later }}{% endmacro %}{% set later = 5 %}{{ m() }}|
{% set v = 1 %}{% macro m() %}{{ v }}{% endmacro %}{% set v = 2 %}{{ m() }}|
{% macro m() %}{% if mode is not defined %}{% set mode = "M" %}{% endif %}{{ mode }}{% endmacro %}{{ m() }}{{ mode is defined }}|
{% macro m() %}{{ caller() }}-{{ caller() }}{% endmacro %}{% call m() %}c{{ n }}{% endcall %}|
{% macro m(x) %}{{ caller(x, 2) }}{% endmacro %}{% call(a, b=3) m(7) %}{{ a }}{{ b }}{% endcall %}|
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}|
{% macro m() %}x{% endmacro %}{% call m() %}c{% endcall %}|
{% macro m() %}  x {% endmacro %}[{{ m() | trim }}]{{ m() | length }}{{ m() is string }}{{ m is callable }}|
{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}|
{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}|
{% macro m(l) %}{% for x in l %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}{% endmacro %}{{ m(words) }}{{ m(l=l) }}|
{% macro r(v) %}{% if v is mapping %}{ {%- for k, w in v.items() %}{{ k }}:{{ r(w) }},{% endfor %} }{% else %}{{ v }}{% endif %}{% endmacro %}{{ r(d) }}|
{% generation %}gen {{ n }}{% set g = 1 %}{% endgeneration %}{{ g is defined }}|
{% for x in l %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}|
{% print n %}{% print s, n %}|
{% raw %}{{ n }}{% if %}{% endraw %}|
{% raw -%}  x  {%- endraw %}|
{# comment {{ n }} #}a{#- b -#}  c|
a  {#- x #}  b|
 a  {{- n }}  b {{ n -}}  c|
 a  {%- if n %}  b  {%- endif -%}  c|
{{ "{{" }}{{ '%}' }}{{ "#}" }}|
{{ {"a": {"b": 1}}.a.b }}|
{{ [{"a": 1}] }}|
{%- set x = 1 -%}{{- x -}}|
{% if n == 7 and (s or e) and not zero %}ok{% endif %}|
{% if "a" in d and d.a is not none %}ok{% endif %}|
{%if n%}a{%endif%}{{n}}|
{% set x = {"a": 1, "b": [1, 2, {"c": none}]} %}{{ x }}{{ x.b[2].c }}|
{% for m in people if m.x is defined and m.x.y %}{{ m.name }}{% endfor %}|
{% set a = [] %}{% for i in l %}{% set a = a + [i] %}{% endfor %}{{ a }}|
{% set g = l | map("string") %}{% for i in g %}{{ i }}{% endfor %}{% for i in g %}{{ i }}{% endfor %}|
{% set it = words | select("lower") %}{{ it | list }}{{ it | list }}|
{{ raise_exception("bad " ~ n) }}|
{% for x in l %}{{ x }}{% if x == 1 %}{{ raise_exception("stop at " + (x | string)) }}{% endif %}{% endfor %}|
{% if true %}{% set ns = namespace(a=1) %}{% endif %}{% if true %}{% set ns.a = 2 %}{% endif %}{{ ns.a }}|
{{ l | map("upper") | list if false else "ok" }}|
{% set messages = [1, 2] %}{{ messages }}|
{% for message in people %}{% set content = message.name %}{% if loop.index0 == 1 %}{% set content = content + "!" %}{% endif %}{{ content }} {% endfor %}|
{% set x = namespace(v=l) %}{% set x.v = x.v + [9] %}{{ x.v }}{{ l }}|
{% for i in range(3) %}{% for j in range(i) %}{{ i }}{{ j }},{% else %}none {% endfor %}{% endfor %}|
{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(b=1, a=2) }}|
{{ "a" if e }}{{ ("a" if e) is defined }}|
{{ ("a" if e).x }}|
""".strip("\n").split("\n"))
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
