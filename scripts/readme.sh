#!/bin/bash
# Runs the commands that README.md shows, in order, in one shell, and compares their output with what
# the README says: as many lines, each with the same first word. Numbers and details are of the run.
#
# usage: scripts/readme.sh [--update]
#
#   --update  write the real output into README.md instead of comparing
#   --help
#
# A block that begins with ```console is run: lines with "$ " are commands, those below their output.
# Ends with "N passed, N failed", one per command. Exit code: 0 if nothing failed.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

update=false
while (($# > 0)); do
  case $1 in
    --update) update=true ;;
    -h | --help) print_help; exit 0 ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift
done

cd "$root"
UPDATE=$update exec python3 - <<'PYTHON'
import os
import re
import subprocess
import sys
import tempfile

MARK = '---- end of command %d, exit code '


def blocks_of(lines):
    """[(first line, last line)) of what stands inside each console block."""
    begin = None
    for number, line in enumerate(lines):
        if begin is None and line == '```console':
            begin = number + 1
        elif begin is not None and line == '```':
            yield begin, number
            begin = None


def commands_of(lines, begin, end):
    """[(command, [output lines])]; a command goes on over lines that end with a backslash."""
    commands, going_on = [], False
    for line in lines[begin:end]:
        if line.startswith('$ ') or going_on:
            if going_on:
                commands[-1][0].append(line)
            else:
                commands.append(([line[2:]], []))
            going_on = line.endswith('\\')
        else:
            commands[-1][1].append(line)
    return commands


def shape(lines):
    """What must be equal: how many lines, and the first word of each but for its numbers. The rest
    (times, hashes, what a seed happens to do) belongs to the run."""
    return [re.sub(r'\d[\d,.:]*', '#', (line.split() or [''])[0]) for line in lines]


def run(commands):
    """[(exit code, [output lines])], of one shell that runs them all. What is left of it is ended."""
    with tempfile.TemporaryDirectory() as folder:
        script = ['exec 2>&1 </dev/null; set -o pipefail', f'TMPDIR={folder}; export TMPDIR',
                  # Background programs must not keep our pipe open, nor live on.
                  "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"]
        for number, (command, _) in enumerate(commands):
            script += command + [f'echo "{MARK % number}$?"']
        result = subprocess.run(['bash', '-c', '\n'.join(script)], capture_output=True, text=True,
                                timeout=1800, check=False)
        outputs, rest = [], result.stdout
        for number in range(len(commands)):
            output, found, rest = rest.partition(MARK % number)
            if not found:
                break
            code, _, rest = rest.partition('\n')
            outputs.append((int(code), output.splitlines()))
        return outputs


def main():
    with open('README.md', encoding='utf-8') as readme:
        lines = readme.read().splitlines()
    blocks = list(blocks_of(lines))
    commands = [command for block in blocks for command in commands_of(lines, *block)]
    outputs = run(commands)
    passed = failed = 0
    for (command, expected), (code, output) in zip(commands, outputs):
        same = shape(expected) == shape(output) or os.environ['UPDATE'] == 'true'
        if code == 0 and same:
            passed += 1
            continue
        failed += 1
        print('$ ' + '\n'.join(command))
        print(f'exit code {code}; it printed:' if code else 'it printed:')
        print('\n'.join('    ' + line for line in output))
        if not same:
            print('and README.md says:')
            print('\n'.join('    ' + line for line in expected))
    failed += len(commands) - len(outputs)
    if os.environ['UPDATE'] == 'true' and not failed:
        results = iter(zip(commands, outputs))
        new, at = [], 0
        for begin, end in blocks:
            new += lines[at:begin]
            for _ in commands_of(lines, begin, end):
                (command, _), (_, output) = next(results)
                new += ['$ ' + command[0]] + command[1:] + output
            at = end
        with open('README.md', 'w', encoding='utf-8') as readme:
            readme.write('\n'.join(new + lines[at:]) + '\n')
        print('README.md now shows what its commands print')
    if failed:
        print('scripts/readme.sh --update writes what the commands print into README.md')
    print(f'{passed} passed, {failed} failed')
    return 1 if failed or not commands else 0


sys.exit(main())
PYTHON
