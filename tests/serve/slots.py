#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A device of the machine goes from one VM to another by HTTP.

usage: slots.py URL TOKEN-FILE    Its VMs a and b have the same one behind root port 1; a has it, and gives what it is asked for.
"""
import sys

import requests

from checks import eventually, expect

URL, TOKEN_FILE = sys.argv[1:]
with open(TOKEN_FILE, encoding='ascii') as token:
    TOKEN = token.readline().strip()


def ask(method, path, status, **more):
    answer = requests.request(method, URL + path, headers={'Authorization': 'Bearer ' + TOKEN}, timeout=60, **more)
    expect(answer.status_code == status, method, path, more, answer.status_code, answer.text)
    return answer


def slot(vm):
    return ask('GET', f'/v1/vms/{vm}/devices', 200).json()['slots'][0]


def device(holder):
    return {'slot': 1, 'holds': 'device', 'name': 'pci:00:02.0', 'attached': False} | ({'holder': holder} if holder else {})


expect(slot('a') == device('a') | {'attached': True}, slot('a'))
expect(slot('b') == device('a'), slot('b'))
expect("'a' has it" in ask('PUT', '/v1/vms/b/slots/1', 409).json()['detail'], 'who has it')
ask('DELETE', '/v1/vms/b/slots/1', 409)
ask('DELETE', '/v1/vms/a/slots/1', 204)
eventually('a has given it', lambda: slot('a') == device(None))
ask('PUT', '/v1/vms/b/slots/1', 204)
expect(slot('a') == device('b'), slot('a'))
ask('DELETE', '/v1/vms/b/slots/1?force=2', 400)
ask('DELETE', '/v1/vms/b/slots/1?force=1', 204)
expect(slot('b') == device(None), slot('b'))
ask('PUT', '/v1/vms/a/slots/1', 204)
