#!/usr/bin/env python3
"""Counts test cases in what `meson test` left behind, and names those that failed.

usage: count_tests.py BUILD_DIR [RC_PARAMS [LOGBASE]]

Meson counts one per executable. This counts GoogleTest cases and TAP checks one by one, each script
as one, and an executable that broke without naming a failed case as one failure. It prints each
failure with the command that repeats it, then "cases: N passed, N failed, N skipped".
Exit code: 0 all passed; 1 something failed; 2 there was nothing to count.
"""

import json
import os
import re
import shlex
import sys
import xml.etree.ElementTree as ElementTree

PROJECT = 'lockstep'


def read_cases(junit_path):
    """Cases by Meson's name of the test: {test: [(suite, case, verdict, text)]}."""
    cases = {}
    if not os.path.exists(junit_path):
        return cases
    for suite in ElementTree.parse(junit_path).getroot().iter('testsuite'):
        words = suite.get('name', '').split('.', 2)
        if len(words) < 2 or words[0] != PROJECT:
            continue  # the suite of scripts that report only an exit code
        for case in suite.iter('testcase'):
            broken = case.find('failure')
            if broken is None:
                broken = case.find('error')
            if broken is not None:
                verdict, text = 'failed', broken.get('message') or broken.text or ''
            elif case.find('skipped') is not None or case.get('status') == 'notrun':
                verdict, text = 'skipped', ''
            else:
                verdict, text = 'passed', ''
            suite_name = words[2] if len(words) == 3 else ''
            cases.setdefault(words[1], []).append((suite_name, case.get('name'), verdict, text))
    return cases


def read_runs(json_path):
    with open(json_path, encoding='utf-8', errors='replace') as lines:
        return [json.loads(line) for line in lines]


def shorten(word):
    """A path below the current folder as people would type it; anything else as it is."""
    here = os.getcwd() + os.sep
    return word[len(here):] if word.startswith(here) else word


def tap_details(output, check):
    """The lines a TAP script wrote below a failed check."""
    details, inside = [], False
    for line in output.splitlines():
        if line.startswith('#'):
            details += [line[1:].strip()] if inside else []
        else:
            inside = line == f'not ok {check}'
    return '\n'.join(details)


def main():
    build_dir = shorten(os.path.abspath(sys.argv[1]))
    parameters = 'RC_PARAMS=' + shlex.quote(sys.argv[2]) + ' ' if len(sys.argv) > 2 else ''
    logbase = os.path.join(build_dir, 'meson-logs', sys.argv[3] if len(sys.argv) > 3 else 'testlog')
    cases_of = read_cases(logbase + '.junit.xml')
    with open(os.path.join(build_dir, 'meson-info', 'intro-tests.json'), encoding='utf-8') as tests:
        protocols = {test['name']: test['protocol'] for test in json.load(tests)}
    counts = {'passed': 0, 'failed': 0, 'skipped': 0}
    failures = []
    for run in read_runs(logbase + '.json'):
        name = run['name'].split(' / ')[-1]  # Meson puts the suite in front
        command = shlex.join(shorten(word) for word in run['command'])
        if protocols.get(name) != 'gtest':
            command = f'meson test -C {build_dir} --no-rebuild --verbose {name}'
        cases = cases_of.get(name, [])
        for suite, case, verdict, text in cases:
            counts[verdict] += 1
            if verdict != 'failed':
                continue
            if suite:
                # A parametrised case is known to GoogleTest as Suite.Case/Parameter.
                filter_ = shlex.quote(f'--gtest_filter={suite}.{case}')
                failures.append((f'{name}: {suite}.{case}', text, f'{command} {filter_}'))
            else:
                failures.append((f'{name}: {case}', tap_details(run.get('stdout', ''), case), command))
        named = any(verdict == 'failed' for _, _, verdict, _ in cases)
        if run['result'] not in ('OK', 'SKIP') and not named:
            counts['failed'] += 1
            why = 'did not finish in time' if run['result'] == 'TIMEOUT' else (
                f"ended with {run.get('returncode')} without naming a failed case")
            began = re.findall(r'^\[ RUN      \] (.*)$', run.get('stdout', ''), re.MULTILINE)
            if began:
                why += f', in {began[-1]}'
            failures.append((f'{name}: {why}', run.get('stderr', '')[-600:], command))
        elif not cases and protocols.get(name) != 'gtest':
            counts['skipped' if run['result'] == 'SKIP' else 'passed'] += 1
        elif not cases and 'GTEST_FILTER' not in os.environ:
            counts['failed'] += 1
            failures.append((f'{name}: holds no test case', '', command))

    if sum(counts.values()) == 0:
        print('no test case ran')
        return 2
    if failures:
        print('\nFailed, each with how to repeat it:')
    for title, text, command in failures:
        print(f'  {title}')
        for line in text.strip().splitlines()[:6]:
            print(f'      {line}')
        print(f'    {parameters}{command}')
    print('cases: {passed} passed, {failed} failed, {skipped} skipped'.format(**counts))
    return 1 if counts['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
