#!/usr/bin/env python3
"""Checks the known bugs in tests/mutants: that each patch still fits the tree and says what it is.

usage: mutants_test.py SOURCE_ROOT

Builds nothing: scripts/mutation-score does that. Speaks TAP.
"""

import os
import re
import subprocess
import sys
import tempfile

# The rows of the catalogue that the README accounts for.
ROWS = '''
E01 E02 E04 E05 E07 E08 E10 E11 E13 E14 E16 E17 E19 E20 E22 E23 E25 E26 E28 E29 E31 E32 E34 E35 E37 E38
R01 R02 R04 R05 R07 R08 R10 R11 R13 R14 R16 R17 R19 R20 R22 R23 R25 R26 R28 R29 R31 R32 R34 R35 R37 R38
R40 R41 R43 R44 R46 R47
C01 C02 C04 C05 C07 C08 C10 C11 C13 C14 C16 C17 C19 C20
S01 S02 S04 S05 S07 S08 S10 S11 S13 S14 S16 S17 S19 S20 S22 S23
L01 L02 L04 L05 L07 L08 L10 L11 L13 L14 L16 L17 L19 L20
K01 K02 K04 K05 K07 K08 K10 K11 K13 K14 K16 K17 K19 K20 K22 K23 K25 K26
'''.split()

NAME = re.compile(r'^([A-Z]\d\d)(-[a-z0-9]+)+\.patch$')
REMARKS = ('Row', 'Mutant', 'Breaks', 'Tier', 'Seen in')


def apply_offence(root, path):
    """Why the patch does not fit the tree; empty if it does."""
    result = subprocess.run(['git', 'apply', '--check', '-p1', path], cwd=root, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode == 0:
        return ''
    why = result.stdout.strip().splitlines()[0]
    return f'{why}; see scripts/mutation-score --refresh'


def name_offence(name):
    found = NAME.match(name)
    if not found:
        return 'is not named ROW-what-it-does.patch'
    if found.group(1) not in ROWS and found.group(1)[0] != 'D':
        return f'there is no row {found.group(1)}'
    return ''


def remark_offences(name, text):
    head = ''.join(re.findall(r'^#.*\n', text.split('\n--- ')[0] + '\n', re.MULTILINE))
    missing = [f'no remark "{field}"' for field in REMARKS
               if not re.search(rf'^# {field}: \S', head, re.MULTILINE)]
    if not missing and f'# Row: {name[:3]}\n' not in head:
        missing = ['is named after another row than it says']
    return missing


def readme_offences(readme, names):
    """Every row once, and every mutant once, in the row that it is named after."""
    lines = re.findall(r'^\| ([A-Z]\d\d) \| (.*) \|$', readme, re.MULTILINE)
    rows = [row for row, _ in lines]
    offences = [f'row {row} is missing' for row in ROWS if row not in rows]
    offences += [f'row {row} is there twice' for row in sorted(set(rows)) if rows.count(row) > 1]
    for row, text in lines:
        named = re.findall(r'`([A-Z]\d\d-[a-z0-9-]+)`', text)
        offences += [f'row {row} names {name}, which is not there' for name in named
                     if name + '.patch' not in names]
        offences += [f'row {row} does not name {name}' for name in names
                     if name.startswith(row) and name[:-len('.patch')] not in named]
        if not named and len(text.split()) < 5:
            offences.append(f'row {row} has neither a mutant nor a reason')
    offences += [f'{name} has no row' for name in names if name[:3] not in rows]
    return offences


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, what, offences):
        self.count += 1
        self.failed += bool(offences)
        print(f'{"not ok" if offences else "ok"} {self.count} - {what}')
        for offence in offences:
            print(f'# {offence}')

    def finish(self):
        print(f'1..{self.count}')
        return 1 if self.failed else 0


def check_planted(tap, root):
    """This test finds what it looks for."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'planted.patch')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('# Row: E01\n--- a/meson.build\n+++ b/meson.build\n@@ -1 +1 @@\n'
                       "-project('something else')\n+project('mutant')\n")
        tap.check('finds a patch that does not fit',
                  [] if apply_offence(root, path) else ['not found'])
    tap.check('finds wrong names', [
        name for name in ('E01.patch', 'E03-no-row.patch', 'e01-small.patch')
        if not name_offence(name)])
    tap.check('finds missing remarks', [] if len(remark_offences('E01-x.patch', '# Row: E01\n')) ==
              len(REMARKS) - 1 else ['not found'])
    tap.check('finds a row that nobody accounts for',
              [] if readme_offences('| E01 | why not, in five words |\n', []) else ['not found'])


def main():
    root = sys.argv[1]
    folder = os.path.join(root, 'tests', 'mutants')
    names = sorted(name for name in os.listdir(folder) if name.endswith('.patch'))
    tap = Tap()
    for name in names:
        path = os.path.join(folder, name)
        with open(path, encoding='utf-8') as file:
            text = file.read()
        problems = [name_offence(name), apply_offence(root, path)] + remark_offences(name, text)
        tap.check(name[:-len('.patch')], [problem for problem in problems if problem])
    with open(os.path.join(folder, 'README.md'), encoding='utf-8') as file:
        tap.check('the README accounts for every row and mutant',
                  readme_offences(file.read(), names))
    check_planted(tap, root)
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
