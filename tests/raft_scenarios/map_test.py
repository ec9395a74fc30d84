#!/usr/bin/env python3
"""Checks README.md, which says where each scenario of other Raft implementations is told.

usage: map_test.py SOURCE_ROOT

Every test that the table names exists in the file beside it, every story of this directory is
named, each row says one thing, and the counts at the end are those of the rows. Speaks TAP.
"""

import os
import re
import sys
import tempfile

FOLDER = os.path.join('tests', 'raft_scenarios')
TEST = re.compile(r'^(?:TEST|TEST_F|RC_GTEST_PROP)\(\s*(\w+),\s*(\w+)', re.MULTILINE)
KINDS = {'told in this directory': 0, 'told elsewhere before': 0, 'do not apply': 0, 'left out': 0}


def tests_of(path):
    if not os.path.isfile(path):
        return set()
    with open(path, encoding='utf-8') as source:
        return {f'{suite}.{name}' for suite, name in TEST.findall(source.read())}


def scenarios_in(cell):
    """How many a row names: "a; b; c (6)" are eight."""
    return sum(int(number.group(1)) if (number := re.search(r'\((\d+)\)$', name.strip())) else 1
               for name in cell.split(';'))


def complaints(folder):
    with open(os.path.join(folder, 'README.md'), encoding='utf-8') as readme:
        text, _, end = readme.read().partition('## Counts')
    found, named, counts = [], set(), dict(KINDS)
    for line in text.splitlines():
        row = re.match(r'^\| (.+) \| (.+) \|$', line)
        if not row or row.group(1) in ('Scenario', '---'):
            continue
        names, here = row.groups()
        if here.startswith('does not apply: '):
            kind = 'do not apply'
        elif here.startswith('left out: '):
            kind = 'left out'
        else:
            kind = 'told elsewhere before'
            for reference in here.split('<br>'):
                match = re.match(r'^`([\w./]+)`: (\w+\.\w+)$', reference)
                if not match:
                    found.append(f'{names}: cannot read "{reference}"')
                elif match.group(2) not in tests_of(os.path.join(folder, match.group(1))):
                    found.append(f'{names}: no test {match.group(2)} in {match.group(1)}')
                else:
                    named.add(match.group(2))
                    if '/' not in match.group(1):
                        kind = 'told in this directory'
        counts[kind] += scenarios_in(names)
    for file in sorted(os.listdir(folder)):
        if file.endswith('_test.cc'):
            found += [f'{file}: {test} is not in the table'
                      for test in sorted(tests_of(os.path.join(folder, file)) - named)]
    for kind, count in counts.items():
        if f'| {kind} | {count} |' not in end:
            found.append(f'there are {count} scenarios that are {kind}, and README.md says else')
    if f'Of {sum(counts.values())} scenarios' not in end:
        found.append(f'there are {sum(counts.values())} scenarios, and README.md says else')
    return found


def check_planted():
    """Wrong tables that must be found."""
    missed = []
    table = ('| Scenario | Here |\n| --- | --- |\n| a; b (2) | `x_test.cc`: Suite.Story |\n'
             '## Counts\n| Of 3 scenarios | |\n| told in this directory | 3 |\n'
             '| told elsewhere before | 0 |\n| do not apply | 0 |\n| left out | 0 |\n')
    plants = {
        'nothing': (table, 'TEST(Suite, Story) {\n', False),
        'a test that is gone': (table, '// TEST(Suite, Story) {\n', True),
        'a story that is not named': (table, 'TEST(Suite, Story) {\nTEST_F(Suite, Other) {\n', True),
        'a wrong count': (table.replace('b (2)', 'b'), 'TEST(Suite, Story) {\n', True),
        'a row without a test': (table.replace('`x_test.cc`: ', ''), 'TEST(Suite, Story) {\n', True),
    }
    for what, (readme, source, wrong) in plants.items():
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (('README.md', readme), ('x_test.cc', source)):
                with open(os.path.join(folder, name), 'w', encoding='utf-8') as out:
                    out.write(text)
            if bool(complaints(folder)) != wrong:
                missed.append(f'{what}: {complaints(folder)}')
    return missed


def main():
    folder = os.path.join(sys.argv[1], FOLDER)
    failed = 0
    for number, (what, found) in enumerate((('the table is true', complaints(folder)),
                                            ('finds planted mistakes', check_planted())), 1):
        failed += bool(found)
        print(f'{"not ok" if found else "ok"} {number} - {what}')
        for complaint in found:
            print(f'#   {complaint}')
    print('1..2')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
