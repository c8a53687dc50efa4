#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of a page's console blocks in one shell, and looks for the output that it has.

tutorial.py PAGE. Of a command's output the lines shown must be there, in this order, among others; numbers may differ,
"..." stands for anything.
"""
import os
import re
import signal
import subprocess
import sys

LIMIT = 120
MARK = 'end-of-command-'
# What runs may not read the commands that follow.
SHELL = 'exec 9<&0 </dev/null; while IFS= read -r -u 9 line; do eval "$line"; done'


def commands(page):
    block, found = False, []
    for line in open(page, encoding='utf-8').read().split('\n'):
        if line.startswith('```'):
            block = line == '```console'
        elif block and line.startswith('$ '):
            found.append((line[2:], []))
        elif block and line:
            found[-1][1].append(line.rstrip())
    return found


def pattern(line):
    """Numbers of any size and base, and the spaces that they leave."""
    parts = re.split(r'(0x[0-9a-f]+|\d+|\.\.\.| +)', line)
    out = ''
    for part in parts:
        if part == '...':
            out += '.*'
        elif re.fullmatch(r'0x[0-9a-f]+', part):
            out += '0x[0-9a-f]+'
        elif part.isdigit():
            out += r'\d+'
        elif part and not part.strip():
            out += ' +'
        else:
            out += re.escape(part)
    return re.compile(out + r'\s*')


def read_until(shell, mark):
    lines = []
    for line in shell.stdout:
        if line.startswith(mark):
            return lines, int(line[len(mark):])
        lines.append(line.rstrip('\n'))
    return lines, -1


def main(page):
    shell = subprocess.Popen(['timeout', str(LIMIT), 'bash', '-c', SHELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, bufsize=1, start_new_session=True)
    try:
        return follow(shell, page)
    finally: # what runs in the background, too
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


def follow(shell, page):
    ran = 0
    for number, (command, expected) in enumerate(commands(page)):
        print('$', command, flush=True)
        mark = f'{MARK}{number} '
        shell.stdin.write(f'{command}\necho "{mark}$?"\n')
        shell.stdin.flush()
        lines, status = read_until(shell, mark)
        print('\n'.join(lines))
        left = iter(lines)
        for want in expected:
            if not any(pattern(want).fullmatch(line) for line in left):
                print(f'FAIL not said: {want}')
                return 1
        if status == -1:
            print('FAIL the shell ended, after its limit perhaps')
            return 1
        ran += 1
    return 0 if ran else 1


sys.exit(main(sys.argv[1]))
