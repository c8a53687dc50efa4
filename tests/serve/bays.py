#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks come into a bay by HTTP, from a folder that the service was told of, or empty ones.

usage: bays.py URL TOKEN-FILE FOLDER LOG    FOLDER: of the disks, empty; LOG: what the service says. Its VM b has a disk behind root
port 1 and a bay behind port 2, and nobody in it has the slots on. Empty disks have up to 2 MiB.
"""
import os
import sys

import requests

from checks import expect

URL, TOKEN_FILE, FOLDER, LOG = sys.argv[1:]
with open(TOKEN_FILE, encoding='ascii') as token:
    TOKEN = token.readline().strip()
BAY = '/v1/vms/b/slots/2'


def ask(method, path, status, **more):
    answer = requests.request(method, URL + path, headers={'Authorization': 'Bearer ' + TOKEN}, timeout=60, **more)
    expect(answer.status_code == status, method, path, more, answer.status_code, answer.text)
    return answer


def slot(number=2):
    return [s for s in ask('GET', '/v1/vms/b/devices', 200).json()['slots'] if s['slot'] == number][0]


def make(name, size, mode=0o600):
    with open(os.open(f'{FOLDER}/{name}', os.O_WRONLY | os.O_CREAT, mode), 'wb') as out:
        out.truncate(size)


def test_disks_of_the_folder_are_told_and_nothing_else():
    make('b.img', 4096)
    make('a.img', 8192)
    make('.hidden', 512)
    make('two words', 512)
    os.symlink('/etc/passwd', FOLDER + '/link')
    os.symlink('a.img', FOLDER + '/inside')
    os.mkdir(FOLDER + '/folder')
    os.mkfifo(FOLDER + '/pipe')
    expect(ask('GET', '/v1/disks', 200).json() == {
        'disks': [{'name': 'a.img', 'size': 8192}, {'name': 'b.img', 'size': 4096}], 'scratch': 2 << 20}, 'disks')


def test_what_is_not_in_the_folder_is_not_given():
    for name, status in (('.hidden', 404), ('link', 404), ('inside', 404), ('folder', 404), ('pipe', 404), ('nothing', 404), ('..', 404),
                         ('.', 404), ('../serve/token', 400), ('/etc/passwd', 400), ('two words', 400), ('', 400), ('a' * 200, 400)):
        for keep in False, True:
            ask('PUT', BAY, status, json={'disk': name, 'keep': keep})
    for body in ({'scratch': 0}, {'scratch': -512}, {'scratch': 513}, {'scratch': '1M'}, {'scratch': 4 << 20}, {'keep': True},
                 {'disk': 'a.img', 'scratch': 512}, {'scratch': 512, 'keep': True}, {'disk': 1}, {'file': 'a.img'}):
        ask('PUT', BAY, 400, json=body)
    make('odd', 1000)
    for name in 'odd', 'empty':
        make(name, 1000 if name == 'odd' else 0)
        expect('multiple of 512' in ask('PUT', BAY, 409, json={'disk': name}).json()['detail'], name)
    ask('PUT', BAY, 409) # the bay is empty
    expect(slot() == {'slot': 2, 'holds': 'bay', 'name': 'bay', 'attached': False, 'size': 0}, slot())


def test_a_disk_comes_into_a_bay_and_another_one_after_it():
    for body, size in (({'disk': 'a.img'}, 8192), ({'scratch': 1 << 20}, 1 << 20), ({'disk': 'b.img', 'keep': True}, 4096)):
        ask('PUT', BAY, 204, json=body)
        expect(slot() == {'slot': 2, 'holds': 'bay', 'name': 'bay', 'attached': True, 'size': size}, slot())
        ask('PUT', BAY, 409, json={'disk': 'a.img'})
        ask('DELETE', BAY, 204)
    for body in None, {}:
        ask('PUT', BAY, 204, json=body) # what it has
        expect(slot()['size'] == 4096 and slot()['attached'], slot())
        ask('DELETE', BAY, 204)
    expect('bay' in ask('PUT', '/v1/vms/b/slots/1', 409, json={'disk': 'a.img'}).json()['detail'], 'the disk of the scenario')
    ask('PUT', '/v1/vms/b/slots/3', 409, json={'disk': 'a.img'})
    ask('PUT', '/v1/vms/z/slots/2', 409, json={'disk': 'a.img'})
    with open(LOG, encoding='utf-8') as log:
        lines = [line for line in log.read().splitlines() if ', slot ' in line]
    expect(lines == ['nestor serve: b, slot 2: a.img', 'nestor serve: b, slot 2: an empty disk', 'nestor serve: b, slot 2: b.img, kept'], lines)


def main():
    test_disks_of_the_folder_are_told_and_nothing_else()
    test_what_is_not_in_the_folder_is_not_given()
    test_a_disk_comes_into_a_bay_and_another_one_after_it()
    print('bays: ok')


main()
