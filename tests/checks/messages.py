#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What L0 warns of, and its errors, stand on a page: who meets one on a server looks it up there.

Of each log_warn and log_error of the hypervisor's a piece of the text, or what a table of docs/hardware.md
quotes of it, is in docs/. Texts that come from elsewhere ("'%s': %s") have nothing to look for, and those of
self-tests nobody meets.
"""
import re
import subprocess
import sys

PIECE = 10  # characters that tell a text from others
CALL = re.compile(r'\blog_(?:warn|error)\((.*?)\);', re.S)
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
CONVERSION = re.compile(r'%[-+ #0-9.*]*[hljzt]*[a-zA-Z]|\\.')
QUOTED = re.compile(r'"([^"\n]+)"')


def tracked(*patterns):
    return subprocess.check_output(['git', 'ls-files', *patterns], text=True).split()


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def text_of(call):
    """The format of a call: its literals up to the first argument."""
    return ''.join(LITERAL.findall(call))


def main():
    pages = ' '.join(re.sub(r'\s+', ' ', read(p)) for p in tracked('docs/*.md'))
    cells = [line.split('|')[1] for line in read('docs/hardware.md').splitlines() if line.startswith('|')]
    quoted = {q for cell in cells for q in QUOTED.findall(cell)}
    count = missing = 0
    for path in tracked('hypervisor/*.c'):
        for call in CALL.findall(read(path)):
            text = text_of(call)
            pieces = [p.strip(" ,:;.()'") for p in CONVERSION.split(text)]
            pieces = [p for p in pieces if len(p) >= PIECE]
            if not pieces or text.startswith('selftest: '):
                continue
            count += 1
            if not any(p in pages for p in pieces) and not any(q in text for q in quoted):
                print(f'{path}: no page has the message: {text}')
                missing += 1
    if count == 0:
        sys.exit('messages.py: no messages found')
    sys.exit(missing != 0)


main()
