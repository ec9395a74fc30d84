#!/usr/bin/env python3
"""Puts the page, its style and its scripts together and writes them as C++ (page_template.h).

usage: embed.py PAGE.html PAGE.css SCRIPT.js... OUTPUT.cc
"""

import sys


def main():
    html, css, *scripts = (open(path, encoding='utf-8').read() for path in sys.argv[1:-1])
    js = '\n'.join(scripts)
    for text, end in ((css, '</style'), (js, '</script')):
        if end in text.lower():
            sys.exit(f'embed.py: "{end}" would end the element that holds it')
    page = html
    for mark, text in (('/* page.css */', css), ('/* page.js */', js)):
        if page.count(mark) != 1:
            sys.exit(f'embed.py: {sys.argv[1]} must hold "{mark}" once')
        page = page.replace(mark, text)
    parts = page.split('STORY_DATA')
    if len(parts) != 2:
        sys.exit(f'embed.py: {sys.argv[1]} must hold STORY_DATA once, and nothing else may')
    with open(sys.argv[-1], 'w', encoding='ascii') as out:
        out.write('#include "sim/story/page_template.h"\n\nnamespace lockstep::sim::story {\n')
        for name, part in zip(('Head', 'Tail'), parts):
            # Bytes one by one: compilers need not take string literals of this length.
            data = part.encode()
            out.write(f'static const char {name}[] = {{')
            for at in range(0, len(data), 32):
                out.write('\n' + ','.join(str(b - 256 if b > 127 else b) for b in data[at:at + 32]) + ',')
            out.write(f'}};\nconst std::string_view kPage{name}({name}, sizeof({name}));\n')
        out.write('}  // namespace lockstep::sim::story\n')


if __name__ == '__main__':
    main()
