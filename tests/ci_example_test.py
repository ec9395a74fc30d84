#!/usr/bin/env python3
"""Checks the workflow that users copy: that it is YAML of the right shape, and that its commands parse.

usage: ci_example_test.py LOCKSTEP_SIM SOURCE_ROOT

Hunts are run with --dry-run; of scripts, every option must be in their --help. Speaks TAP.
"""

import os
import re
import shlex
import subprocess
import sys

import yaml


def commands_of(workflow):
    """Every command line of every job, with the workflow's own expressions replaced by a number."""
    for job in workflow['jobs'].values():
        for step in job['steps']:
            for line in re.sub(r'\$\{\{[^}]*\}\}', '7', step.get('run', '')).splitlines():
                if line.strip():
                    yield shlex.split(line)


def run(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)


def offence_of_command(command, program, root):
    """Why the command would not be understood; empty if it would."""
    if os.path.basename(command[0]) == 'lockstep-sim':
        result = run([program, *command[1:], '--dry-run'])
        return '' if result.returncode == 0 else result.stdout
    if not command[0].startswith('scripts/') or not os.path.exists(os.path.join(root, command[0])):
        return f'there is no {command[0]}'
    known = run([os.path.join(root, command[0]), '--help']).stdout
    for word in command[1:]:
        if word.startswith('--') and not re.search(rf'{re.escape(word)}\b', known):
            return f'{command[0]} has no {word}'
    return ''


def offence_of_workflow(workflow):
    """What a workflow needs and this one lacks; empty if nothing. YAML 1.1 reads `on` as true."""
    triggers = workflow.get(True, {})
    if 'push' not in triggers or 'cron' not in triggers.get('schedule', [{}])[0]:
        return 'it does not run on every push and on a schedule'
    hunts = [command for command in commands_of(workflow) if 'hunt' in command]
    if not any('--require-probes' in command for command in hunts):
        return 'no hunt requires the probes'
    for name, job in workflow['jobs'].items():
        uploads = [step['with']['path'] for step in job['steps']
                   if step.get('uses', '').startswith('actions/upload-artifact@')]
        outs = [command[command.index('--out') + 1] for command in commands_of({'jobs': {name: job}})
                if '--out' in command]
        if not outs or uploads != outs:
            return f'{name} uploads {uploads}, but its hunts write {outs}'
    return ''


def main():
    program, root = sys.argv[1:]
    with open(os.path.join(root, 'docs', 'ci', 'lockstep-chaos.yml'), encoding='utf-8') as file:
        workflow = yaml.safe_load(file)
    results = [('the workflow has what it needs', offence_of_workflow(workflow))]
    for command in commands_of(workflow):
        results.append((' '.join(command), offence_of_command(command, program, root)))

    # What must be found: a check that cannot fail checks nothing.
    for planted in ('build/sim/lockstep-sim hunt --seeds 5 --no-such-option',
                    'build/sim/lockstep-sim hunt --time never', 'scripts/build --no-such-option',
                    'scripts/no-such-script'):
        found = offence_of_command(planted.split(), program, root)
        results.append((f'planted: {planted}', '' if found else 'not found'))
    del workflow['jobs']['nightly']
    results.append(('planted: no nightly hunt',
                    '' if offence_of_workflow(workflow) else 'not found'))

    for number, (name, wrong) in enumerate(results, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {name.replace('#', '')}")
        for line in wrong.splitlines():
            print(f'# {line}')
    print(f'1..{len(results)}')
    return 1 if any(wrong for _, wrong in results) else 0


if __name__ == '__main__':
    sys.exit(main())
