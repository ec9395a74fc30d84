#!/usr/bin/env python3
"""Replays the plans in tests/seeds, which once failed: each must run clean.

usage: seeds_test.py LOCKSTEP_SIM SOURCE_ROOT

Speaks TAP: one line for each plan.
"""

import os
import subprocess
import sys


def complaint(program, path):
    """What is wrong with a run of the plan; empty if nothing."""
    run = subprocess.run([program, 'run', '--plan', path], stdin=subprocess.DEVNULL, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    if run.returncode == 0 and 'verdict     clean\n' in run.stdout:
        return ''
    return f'exit code {run.returncode}\n{run.stdout}'


def main():
    program, root = sys.argv[1:]
    folder = os.path.join(root, 'tests', 'seeds')
    plans = sorted(name for name in os.listdir(folder) if name.endswith('.plan'))
    failed = 0
    for number, name in enumerate(plans, 1):
        wrong = complaint(program, os.path.join(folder, name))
        failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
        for line in wrong.splitlines():
            print(f'# {line}')
    print(f'1..{len(plans)}')
    return 0 if plans and failed == 0 else 1


if __name__ == '__main__':
    sys.exit(main())
