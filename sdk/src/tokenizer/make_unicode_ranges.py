#!/usr/bin/env python3
"""Writes unicode_ranges.h: the letters and numbers of Unicode 16.0, which pre-tokenisers ask for.

The tables are part of the repository because token ids depend on them: PCRE2 and ICU follow the
distribution (Unicode 14 and 15 on Debian 12), Hugging Face's `tokenizers` 0.23 follows Oniguruma
(16.0), and what is a letter in one is none in the other.

    pip install unicodedataplus==16.0.0.post1 && python make_unicode_ranges.py
"""

from pathlib import Path

import unicodedataplus as unicode

HEADER = """\
#pragma once

// Made by make_unicode_ranges.py from Unicode {version}: do not edit.

#include <cstdint>

namespace saffron::tokenizer_detail {{

struct CodeRange {{
  std::uint32_t first, last;
}};

"""


def ranges(category):
    found = []
    for code in range(0x110000):
        if not unicode.category(chr(code)).startswith(category):
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def table(name, category):
    lines, line = [], "   "
    for first, last in ranges(category):
        item = f" {{0x{first:X}, 0x{last:X}}},"
        if len(line) + len(item) > 100:
            lines.append(line)
            line = "   "
        line += item
    body = "\n".join(lines + [line])
    return (
        f"// clang-format off\nconstexpr CodeRange {name}[] = {{\n{body}\n}};\n// clang-format on\n"
    )


text = HEADER.format(version=unicode.unidata_version)
text += table("kLetters", "L") + "\n" + table("kNumbers", "N")
text += "\n}  // namespace saffron::tokenizer_detail\n"
Path(__file__).with_name("unicode_ranges.h").write_text(text)
