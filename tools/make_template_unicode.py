#!/usr/bin/env python3
"""Writes runtime/template/unicode_tables.inc: what Python's str methods know about characters.

Usage: tools/make_template_unicode.py > runtime/template/unicode_tables.inc
"""
import sys
import unicodedata

LAST = 0x110000
SURROGATES = range(0xD800, 0xE000)


def ranges(mapping):
    """[first, last, step, delta] of a map from code point to code point."""
    out = []
    for cp in sorted(mapping):
        delta = mapping[cp] - cp
        if out:
            first, last, step, d = out[-1]
            gap = cp - last
            if d == delta and gap in (1, 2) and (step in (0, gap)):
                out[-1] = [first, cp, gap, d]
                continue
        out.append([cp, cp, 0, delta])
    return out


def number(n):
    """A variable-length number: seven bits a byte, the lowest first."""
    data = []
    while n >= 128:
        data.append(n & 127 | 128)
        n >>= 7
    return data + [n]


def case_table(name, convert, skip):
    simple, special = {}, []
    for cp in range(LAST):
        if cp in SURROGATES:
            continue
        to = convert(chr(cp))
        if to == skip(chr(cp)):
            continue
        if len(to) == 1:
            simple[cp] = ord(to)
        else:
            special.append((cp, [ord(c) for c in to]))
    # For each run: code points since the end of the run before, steps behind its first one << 1 |
    # (0: each code point, 1: every second), delta << 1 | sign; as variable-length numbers.
    data, end = [], 0
    for first, last, step, delta in ranges(simple):
        step = max(step, 1)
        for n in (first - end, (last - first) // step << 1 | step - 1, abs(delta) << 1 | (delta < 0)):
            data += number(n)
        end = last + 1
    write(f"constexpr uint8_t k{name}Ranges[]", [str(b) for b in data], 20)
    write(f"constexpr CaseSpecial k{name}Specials[]",
          [f"{{{cp:#x}, {{{', '.join(hex(c) for c in (to + [0, 0])[:3])}}}}}"
           for cp, to in special], 3)


def write(declaration, items, per_line):
    print(declaration + " = {")
    for i in range(0, len(items), per_line):
        print("    " + ", ".join(items[i:i + per_line]) + ",")
    print("};")


def property_table(name, test):
    """Lengths of alternating runs without and with the property, as variable-length numbers."""
    data, run, state = [], 0, False
    for cp in range(LAST + 1):
        now = cp < LAST and test(chr(cp))
        if now != state or cp == LAST:
            data += number(run)
            run, state = 0, now
        run += 1
    write(f"constexpr uint8_t k{name}[]", [str(b) for b in data], 20)


def is_cased(c):
    """What str.title() and the final sigma call cased."""
    return c.lower() != c or c.upper() != c or c.title() != c or c.islower() or c.isupper()


def is_upper(c):  # as the runtime computes them from the tables
    return (c.lower() != c and c.upper() == c) or (c.isupper() and c.lower() == c)


def is_lower(c):
    return is_cased(c) and not is_upper(c) and not (c.lower() != c and c.upper() != c)


for cp in range(LAST):
    assert is_upper(chr(cp)) == chr(cp).isupper(), hex(cp)
    assert is_lower(chr(cp)) == chr(cp).islower(), hex(cp)

print("// Written by tools/make_template_unicode.py; Unicode " + unicodedata.unidata_version + ".")
print("// clang-format off")
same = lambda c: c
case_table("Upper", str.upper, same)
case_table("Lower", str.lower, same)
case_table("Title", str.title, str.upper)
property_table("Printable", str.isprintable)
property_table("UpperOnly", lambda c: c.isupper() and c.lower() == c)
property_table("Cased", is_cased)
print("// clang-format on")
sys.stdout.flush()
