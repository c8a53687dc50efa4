# SPDX-License-Identifier: Apache-2.0
"""What the tests of `nestor serve` share: ways to fail."""
import sys
import time


def fail(*what):
    print('FAIL', *what)
    sys.exit(1)


def expect(holds, *what):
    if not holds:
        fail(*what)


def expect_raises(kind, do, *what):
    try:
        do()
    except kind as e:
        return e
    return fail('no', kind, *what)


def eventually(what, holds, seconds=60):
    until = time.time() + seconds
    while not holds():
        expect(time.time() < until, 'not within', seconds, 's:', what)
        time.sleep(0.1)
