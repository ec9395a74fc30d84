#!/usr/bin/env python3
"""Checks scripts/compare-traces with made-up simulators: that it finds a difference, and where it is.

usage: compare_traces_test.py SOURCE_ROOT

Speaks TAP.
"""

import os
import subprocess
import sys
import tempfile

# Like `lockstep-sim run --seed N [--trace]`, with a bug in the one that is to differ.
SIMULATOR = '''#!/bin/bash
seed=$3
event() { [[ ${trace:-} == yes ]] && echo "$1"; }
[[ ${4:-} == --trace ]] && trace=yes
echo "a simulator run --seed $seed"
event "0.000000  n1   starts"
event "0.100000  n1   now leader"
if [[ $seed == BAD_SEED ]]; then
  event "BAD_LINE"
  hash=BAD_HASH
fi
event "0.300000  n1   stops"
echo "trace hash  ${hash:-0123456789abcdef}"
'''


def simulator(folder, name, bad_seed, bad_line='', bad_hash='fedcba9876543210'):
    path = os.path.join(folder, name)
    text = SIMULATOR.replace('BAD_SEED', bad_seed).replace('BAD_LINE', bad_line)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text.replace('BAD_HASH', bad_hash))
    os.chmod(path, 0o755)
    return path


def compare(root, *programs):
    command = [os.path.join(root, 'scripts', 'compare-traces'), '--seeds', '5']
    for program in programs:
        command += ['--program', program]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=60)
    return result.returncode, result.stdout


def main():
    root = sys.argv[1]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        good = simulator(folder, 'good', 'none')
        also_good = simulator(folder, 'also-good', 'none')
        bad = simulator(folder, 'bad', '3', '0.200000  n2   votes for itself')
        silent = simulator(folder, 'silent', '4', '0.200000  n2   same', 'fedcba9876543211')
        told = simulator(folder, 'told', '4', '0.200000  n2   same', 'fedcba9876543212')
        crash = simulator(folder, 'crash', 'none')

        code, text = compare(root, good, also_good)
        results.append(('equal traces pass', code == 0 and '5 passed, 0 failed' in text, text))
        code, text = compare(root, good, also_good, bad)
        results.append(('one different seed is found', code == 1 and '4 passed, 1 failed' in text
                        and 'seed 3:' in text, text))
        results.append(('the first different event is shown',
                        'in line 3 of' in text and 'n2   votes for itself' in text
                        and '0.300000  n1   stops' in text and 'now leader' in text, text))
        code, text = compare(root, silent, told)
        results.append(('a difference that no line tells is said to be one',
                        code == 1 and 'what differs is in no line' in text, text))
        os.chmod(crash, 0o644)
        code, text = compare(root, good, crash)
        results.append(('a program that does not run fails all seeds', code == 1
                        and '0 passed, 5 failed' in text, text))
    for number, (name, good_result, text) in enumerate(results, 1):
        print(f"{'ok' if good_result else 'not ok'} {number} - {name}")
        if not good_result:
            for line in text.splitlines():
                print(f'# {line}')
    print(f'1..{len(results)}')
    return 0 if all(result[1] for result in results) else 1


if __name__ == '__main__':
    sys.exit(main())
