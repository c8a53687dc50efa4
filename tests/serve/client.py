#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of `nestor serve`, against a run of tests/boot/managed.c: a (with L2), b (button), c.

usage: client.py NESTOR SOCKET FOLDER COUNTER PROMTOOL    COUNTER: where a's counter is, in hexadecimal
"""
import atexit
import copy
import io
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time

import jsonschema
import requests
from prometheus_client.parser import text_string_to_metric_families

from checks import eventually, expect, fail

NESTOR, AT, FOLDER, COUNTER, PROMTOOL = sys.argv[1:]
TOKEN = 'a token of the test, not secret'.replace(' ', '-')
OPENAPI = '/usr/share/openapi-specification/schemas/v3.0/schema.json'


class Serve:
    """A server of its own, and requests to it."""

    def __init__(self, *options, listen='127.0.0.1:0', verify=None, stderr=None):
        self.command = [NESTOR, 'serve', '--at', AT, '--listen', listen, *options]
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        atexit.register(self.process.kill)
        self.url = self.process.stdout.readline().rsplit(' ', 1)[-1].strip()
        expect(self.url, 'it does not serve:', *self.command)
        self.verify = verify

    def ask(self, method, path, token=TOKEN, timeout=60, **more):
        headers = more.pop('headers', {})
        if token:
            headers = {'Authorization': 'Bearer ' + token, **headers}
        return requests.request(method, self.url + path, headers=headers, timeout=timeout,
                                verify=self.verify, **more)

    def get(self, path, status=200, **more):
        answer = self.ask('GET', path, **more)
        expect(answer.status_code == status, path, answer.status_code, answer.text)
        return answer

    def files(self):
        folder = f'/proc/{self.process.pid}/fd/'
        return [os.readlink(folder + f) for f in os.listdir(folder) if os.path.islink(folder + f)]

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=60)


def token_file():
    path = FOLDER + '/token'
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), 'w', encoding='ascii') as out:
        out.write(TOKEN + '\n')
    return path


# ---- the document, and answers that are as it says

class Document:
    def __init__(self, document):
        self.document = document
        self.asked = set()

    def check(self):
        """It is OpenAPI, by the schema of 3.0, whose features are all that it uses, and its schemas
        are JSON Schema as 3.1 has it."""
        with open(OPENAPI, encoding='utf-8') as schema:
            jsonschema.Draft4Validator(json.load(schema)).validate(
                {**copy.deepcopy(self.document), 'openapi': '3.0.3'})
        expect(self.document['openapi'].startswith('3.1.'), 'openapi:', self.document['openapi'])
        for schema in self.document['components']['schemas'].values():
            jsonschema.Draft202012Validator.check_schema(schema)
        names = [o['operationId'] for _, _, o in self.operations()]
        expect(len(names) == len(set(names)), 'an operationId is there twice')

    def operations(self):
        for path, methods in self.document['paths'].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def find(self, method, path):
        for m, template, operation in self.operations():
            pattern = re.sub(r'\\{[a-z]+\\}', '[^/]+', re.escape(template))
            if m == method and re.fullmatch(pattern, path):
                return operation
        return fail('not in the document:', method, path)

    def validate(self, method, path, answer):
        operation = self.find(method, path.split('?')[0])
        self.asked.add(operation['operationId'])
        responses = operation['responses']
        response = responses.get(str(answer.status_code))
        if not response:
            expect(answer.status_code >= 400, method, path, 'gives', answer.status_code)
            response = self.document['components']['responses']['Problem']
        kind = answer.headers.get('Content-Type', '').split(';')[0]
        if 'content' not in response:
            expect(not answer.content, method, path, 'has content')
            return
        expect(kind in response['content'], method, path, 'is', kind)
        if kind.endswith('json'):
            schema = {**response['content'][kind]['schema'],
                      'components': self.document['components']}
            jsonschema.Draft202012Validator(schema).validate(answer.json())


def test_answers_are_as_the_document_says(s, doc):
    vcpu = '/v1/vms/a/vcpus/0'

    def ask(method, path, status, **more):
        answer = s.ask(method, path, **more)
        expect(answer.status_code == status, method, path, answer.status_code, answer.text)
        doc.validate(method, path, answer)
        return answer

    vms = ask('GET', '/v1/vms', 200).json()['vms']
    expect([v['name'] for v in vms] == ['a', 'b', 'c'], vms)
    expect(ask('GET', '/v1/vms/a', 200).json() == vms[0], 'a is not as in the list')
    ask('GET', '/v1/version', 200)
    ask('GET', '/v1/openapi.json', 200, token=None)
    stat = ask('GET', vcpu + '/stat', 200).json()
    expect(stat['figures']['nested_entries'] == 1 and stat['figures']['ticks_l2'] > 0, stat)
    expect(any(e['level'] == 2 for e in stat['exits']), 'no exits of L2')
    registers = ask('GET', vcpu + '/registers', 200).json()
    expect(registers['level'] == 2 and registers['current'], registers)
    expect('rax' in registers['registers'] and 'cs' in registers['segments'], registers)
    outer = ask('GET', vcpu + '/registers?level=1', 200).json()
    expect(outer['level'] == 1 and not outer['current'], outer)
    ask('GET', '/v1/vms/b/vcpus/0/registers?level=2', 409)
    for level in '', '?level=1', '?level=2':
        fields = {f['field'] for f in ask('GET', vcpu + '/vmcs' + level, 200).json()['fields']}
        expect({'GUEST_RIP', 'HOST_RIP', 'GUEST_CR3'} <= fields, fields)
    ask('GET', '/v1/vms/b/vcpus/0/vmcs?level=2', 409)
    query = f'{vcpu}/memory?at=0x100000&size=1000'
    words = ask('GET', query, 200).json()
    octets = ask('GET', query, 200, headers={'Accept': 'application/octet-stream'})
    expect(bytes.fromhex(words['data']) == octets.content and len(octets.content) == 1000,
           'bytes differ from words')
    ask('GET', f'{vcpu}/memory?at=0x70000000&size=1&physical=1', 404)
    ask('PUT', f'{vcpu}/memory?at={COUNTER}&level=2', 204, data=b'\0\0\0\0\0\1\0\0', **typed('application/octet-stream'))
    expect(counter(s) >> 40 == 1, 'the counter was not written:', counter(s))
    ask('PUT', f'{vcpu}/memory?at={int(COUNTER, 0) + 7}', 204, json={'data': '01'})
    expect(counter(s) >> 40 == 0x10001, 'the counter was not written:', counter(s))
    answer = ask('PUT', f'{vcpu}/memory?at=0xffffc0&physical=1', 404, data=bytes(4096), **typed('application/octet-stream'))
    expect('after 64 bytes that were written' in answer.json()['detail'], answer.text)
    all_stat = ask('GET', '/v1/vms/a/stat', 200).json()
    expect(all_stat['state'] == 'running' and [v['vcpu'] for v in all_stat['vcpus']] == [0], all_stat)
    expect(all_stat['vcpus'][0]['figures']['nested_entries'] == 1 and any(
        e['level'] == 2 for e in all_stat['vcpus'][0]['exits']), all_stat)
    expect(ask('GET', '/v1/vms/a/explain', 200).json() == {'vm': 'a', 'refusals': []}, 'a was refused something')
    ask('POST', '/v1/vms/a/balloon', 409, json={'target': 1 << 20})
    answer = ask('POST', '/v1/bundle', 200, timeout=60)
    expect('nestor-bundle.tar.gz' in answer.headers['Content-Disposition'], answer.headers)
    names = tarfile.open(fileobj=io.BytesIO(answer.content)).getnames()
    expect({'nestor-bundle/a/vcpu0.vmcs12', 'nestor-bundle/c/vcpu0.regs'} <= set(names), names)
    expect({v['state'] for v in s.get('/v1/vms').json()['vms']} == {'running'}, 'the bundle stopped one')
    expect('anon_inode:[signalfd]' not in s.files(), 'a bundle takes the signals for the end of the service')
    ask('GET', '/metrics', 200)
    events = s.ask('GET', '/v1/events', stream=True)
    doc.asked.update(('EVENTS', 'CONSOLE'))
    expect(events.headers['Content-Type'] == 'text/event-stream', events.headers)
    for method, path, status in (
            ('pause', 'c', 204), ('pause', 'c', 409), ('resume', 'c', 204), ('reset', 'c', 204),
            ('powerdown', 'b', 204), ('start', 'a', 409)):
        ask('POST', f'/v1/vms/{path}/{method}', status, timeout=30)
    eventually('c runs again', lambda: s.get('/v1/vms/c').json()['state'] == 'running')
    ask('POST', '/v1/vms/c/nmi', 204)
    ask('POST', '/v1/vms/c/nmi', 204, json={'vcpu': 0})
    ask('POST', '/v1/vms/c/stop', 204)
    eventually('b and c are off', lambda: [v['state'] for v in s.get('/v1/vms').json()['vms']] ==
               ['running', 'off', 'off'])
    expect(ask('GET', '/v1/vms/c/stat', 200).json()['vcpus'] == [], 'c is off and has figures')
    ask('POST', '/v1/vms/c/console', 204, json={'text': 'x' * 200})
    ask('POST', '/v1/vms/c/console', 204, data=bytes(range(256)), **typed('application/octet-stream'))
    ask('POST', '/v1/vms/b/start', 204)
    ask('POST', '/v1/vms/c/start', 204)
    # These VMs have neither drives nor networks nor firmware: tests/serve/media.py has them.
    ask('PATCH', '/v1/vms/b', 204, json={'weight': 300, 'cpus': '0'})
    ask('PATCH', '/v1/vms/b', 409, json={'cpus': '63'})
    ask('PATCH', '/v1/vms/b', 400, json={'cpus': '0,'})
    b = ask('GET', '/v1/vms/b', 200)
    expect(b.json()['weight'] == 300, 'the weight')
    as_it_is = {'headers': {'If-Match': b.headers['ETag']}, 'json': {'weight': 200}}
    ask('PATCH', '/v1/vms/b', 204, **as_it_is)
    ask('PATCH', '/v1/vms/b', 412, **as_it_is)
    ask('PATCH', '/v1/vms/b', 204, json={'weight': 100, 'cpus': '0-63'})
    expect(ask('GET', '/v1/vms/a/devices', 200).json() == {'vm': 'a', 'media': [], 'links': [], 'slots': [], 'disks': [], 'ports': []}, 'devices')
    expect(ask('GET', '/v1/images', 200).json() == {'images': []}, 'images')
    expect(ask('GET', '/v1/disks', 200).json() == {'disks': [], 'scratch': 0}, 'disks')
    ask('PUT', '/v1/vms/a/boot', 409, json={'device': 'disk'})
    ask('PUT', '/v1/vms/a/boot', 400, json={'device': 'tape'})
    ask('PUT', '/v1/vms/a/media/cdrom0', 404, json={'image': 'none'})
    ask('DELETE', '/v1/vms/a/media/cdrom0', 404)
    ask('PUT', '/v1/vms/a/links/0', 404, json={'up': False})
    ask('PUT', '/v1/vms/a/links/0', 404, json={'network': 'lan', 'up': True})
    expect(ask('GET', '/v1/networks', 200).json() == {'networks': []}, 'networks')
    ask('PUT', '/v1/vms/a/slots/1', 404)
    ask('PUT', '/v1/vms/a/slots/1', 400, json={'disk': 'data.img'})
    ask('PUT', '/v1/vms/a/slots/1', 400, json={'scratch': 512})
    ask('PUT', '/v1/vms/a/slots/1', 404, json={'network': 'lan'})
    ask('DELETE', '/v1/vms/a/slots/1', 404)
    ask('GET', '/v1/vms/a/ports/agent', 404)
    ask('POST', '/v1/vms/a/ports/agent', 404, json={'text': 'x'})
    like_c = {'name': 'd', 'like': 'c', 'settings': {'weight': 7}}
    ask('POST', '/v1/vms', 404, json={'name': 'd', 'like': 'z'})
    ask('POST', '/v1/vms', 400, json={'name': 'd'})
    ask('POST', '/v1/vms', 409, json={'name': 'a', 'like': 'c'})
    ask('POST', '/v1/vms', 409, json={'name': 'd', 'like': 'c', 'settings': {'memory': '3M'}})
    answer = ask('POST', '/v1/vms', 204, json=like_c)
    expect(answer.headers['Location'] == '/v1/vms/d', answer.headers)
    d = ask('GET', '/v1/vms/d', 200).json()
    expect(d['state'] == 'off' and d['weight'] == 7, d)
    ask('POST', '/v1/vms', 409, json=dict(like_c, name='e'))
    ask('POST', '/v1/vms/d/start', 204)
    eventually('d runs', lambda: s.get('/v1/vms/d').json()['state'] == 'running')
    ask('DELETE', '/v1/vms/z', 404)
    ask('DELETE', '/v1/vms/d', 204)
    eventually('d is gone', lambda: s.ask('GET', '/v1/vms/d').status_code == 404)
    missing = {o['operationId'] for _, _, o in doc.operations()} - doc.asked
    expect(not missing, 'nobody asked for', missing)
    check_events(events)


def read_console(s, since):
    with s.ask('GET', f'/v1/vms/c/console?since={since}', stream=True) as answer:
        expect(answer.headers['Content-Type'] == 'text/event-stream', answer.headers)
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith('data: '):
                data = json.loads(line[len('data: '):])
                return data['at'], bytes.fromhex(data['data'])
    return fail('the console ended')


def test_a_console_is_seen_from_any_byte_on(s):
    at, all_of_it = read_console(s, 0)
    expect(at == 0 and all_of_it.startswith(b'managed: counter=0x'), at, all_of_it)
    expect(read_console(s, 9) == (9, all_of_it[9:]), 'from byte 9 on')
    expect(read_console(s, 1 << 40) == (0, all_of_it), 'as after a run before')
    expect(s.ask('GET', '/v1/vms/z/console').status_code == 404, 'the console of nobody')


def check_events(events):
    seen, name = [], None
    for line in events.iter_lines(decode_unicode=True):
        if line.startswith('event: '):
            name = line[len('event: '):]
        elif line.startswith('data: '):
            seen.append((name, json.loads(line[len('data: '):])['vm']))
        if {('vm-end', 'b'), ('vm-start', 'b'), ('vm-end', 'c'), ('vm-start', 'c')} <= set(seen):
            break
    events.close()
    expect(seen[0] == ('vm-end', 'c'), seen)


def typed(kind):
    return {'headers': {'Content-Type': kind}}


def test_problems_have_their_status(s, doc):
    memory = '/v1/vms/a/vcpus/0/memory'
    for method, path, status, more in (
            ('GET', '/v1/vms', 401, {'token': None}),
            ('GET', '/v1/vms', 401, {'token': TOKEN[:-1]}),
            ('GET', '/v1/nothing', 401, {'token': None}),
            ('GET', '/v1/nothing', 404, {}),
            ('GET', '/v1/vms/z', 404, {}),
            ('GET', '/v1/vms/a%20b', 404, {}),
            ('POST', '/v1/vms/z/stop', 404, {}),
            ('GET', '/v1/vms/a/vcpus/5/stat', 404, {}),
            ('DELETE', '/v1/vms', 405, {}),
            ('POST', '/v1/vms/z/console', 404, {'json': {'text': 'x'}}),
            ('POST', '/v1/vms/a/console', 415, {'data': b'x', **typed('text/plain')}),
            ('PUT', memory + '?at=1', 400, {}),
            ('PUT', memory + '?at=0xffffffffffffffff', 400, {'json': {'data': '0000'}}),
            ('GET', memory, 400, {}),
            ('GET', memory + '?at=1&size=0', 400, {}),
            ('GET', memory + '?at=0xffffffffffffffff&size=2', 400, {}),
            ('GET', '/v1/vms?level=1', 400, {}),
            ('POST', '/v1/vms/a/nmi', 400, {'json': {'vcpu': 999}}),
            ('POST', '/v1/vms/a/nmi', 400, {'data': b'{', **typed('application/json')}),
            ('POST', '/v1/vms/a/nmi', 415, {'data': b'{}', **typed('text/plain')}),
            ('POST', '/v1/vms/a/nmi', 413, {'data': b' ' * 100000}),
            ('POST', '/v1/vms/a/nmi', 413, {'data': iter([b' ' * 9000, b' ' * 9000])})):
        answer = s.ask(method, path, **more)
        expect(answer.status_code == status, method, path, answer.status_code, answer.text)
        expect(answer.headers['Content-Type'] == 'application/problem+json', method, path)
        problem = answer.json()
        jsonschema.Draft202012Validator(doc.document['components']['schemas']['Problem']).validate(problem)
        expect(problem['status'] == status, problem)
        expect((status == 405) == ('Allow' in answer.headers), method, path, 'Allow')
        expect((status == 401) == ('WWW-Authenticate' in answer.headers), method, path)


def samples(s):
    text = s.get('/metrics').text
    judged = subprocess.run([PROMTOOL, 'check', 'metrics'], input=text, capture_output=True, text=True, timeout=60, check=False)
    expect(judged.returncode == 0 and not judged.stderr, 'promtool:', judged.stdout, judged.stderr)
    out = {}
    for family in text_string_to_metric_families(text):
        expect(family.documentation and family.type in ('counter', 'gauge', 'histogram'), family)
        for sample in family.samples:
            expect((family.type == 'counter') == sample.name.endswith('_total'), sample)
            expect((family.type == 'histogram') == sample.name.endswith(('_bucket', '_count')), sample)
            key = sample.name, tuple(sorted(sample.labels.items()))
            expect(key not in out, 'twice:', key)
            out[key] = sample.value
    return out


def check_histograms(all_samples):
    """Each has the same bounds, grows with them, and has as many as there were exits."""
    histograms, exits = {}, {}
    for (name, labels), value in all_samples.items():
        labels = dict(labels)
        bound = float(labels.pop('le', 'nan'))
        key = tuple(sorted(labels.items()))
        if name == 'nestor_vcpu_exit_ticks_bucket':
            histograms.setdefault(key, {})[bound] = value
        elif name == 'nestor_vcpu_exits_total':
            exits[key] = value
    expect({dict(key)['level'] for key in histograms} >= {'1', '2'}, histograms)
    for key, buckets in histograms.items():
        bounds = sorted(buckets)
        counts = [buckets[bound] for bound in bounds]
        expect(len(bounds) == 15 and bounds[0] == 127 and bounds[-1] == float('inf'), key, bounds)
        expect(counts == sorted(counts) and counts[-1] > 0, key, counts)
        expect(all_samples['nestor_vcpu_exit_ticks_count', key] == counts[-1], key)
        if dict(key)['level'] != '0':  # asked for a moment later; an exit under way is in none of them yet
            expect(exits.get(key, 0) - 1 <= counts[-1] <= 2 * exits.get(key, 0) + 1000, key, exits.get(key), counts)


def test_metrics_are_those_of_the_run(s):
    def of(name, **labels):
        return name, tuple(sorted(labels.items()))
    first, then = samples(s), samples(s)
    expect(first[of('nestor_vcpu_nested_entries_total', vm='a', vcpu='0', result='entered')] == 1, first)
    expect(first[of('nestor_vm_state', vm='a', state='running')] == 1, first)
    expect(first[of('nestor_vm_memory_bytes', vm='a')] == 16 << 20, first)
    ticks = of('nestor_vcpu_ticks_total', vm='a', vcpu='0', level='2')
    expect(first[ticks] > 0, 'L2 has not run')
    eventually('L2 goes on', lambda: samples(s)[ticks] > first[ticks])
    expect(any(n == 'nestor_vcpu_exits_total' and dict(k)['level'] == '2' for n, k in first), first)
    check_histograms(first)
    for key, value in first.items():
        if key[0].endswith('_total') and dict(key[1])['vm'] == 'a':
            expect(then[key] >= value, key, 'goes back')


# ---- who is in the way

def connect(s):
    host, port = s.url.rsplit('/', 1)[1].split(':')
    return socket.create_connection((host, int(port)), timeout=30)


def test_nobody_is_stopped_by_who_asks_nothing(s):
    idle = []
    for _ in range(7):
        idle += [connect(s) for _ in range(50)]
        time.sleep(0.1)
    for i, one in enumerate(idle):
        try:
            one.sendall(b'GET /v1/vms HTTP/1.1\r\nHost: x\r\n'[:i % 30])
        except OSError:
            pass  # it has been cut off
    start = time.time()
    for _ in range(5):
        s.get('/v1/vms')
    expect(time.time() - start < 10, 'it took', time.time() - start)
    for one in idle:
        one.close()


def half_a_request(s):
    """A client that is alive, a byte a second, and never comes to its end."""
    one = connect(s)
    one.sendall(b'GET /v1/vms HTTP/1.1\r\nX: ')

    def go_on():
        try:
            while True:
                one.sendall(b'y')
                time.sleep(1)
        except OSError:
            pass
    threading.Thread(target=go_on, daemon=True).start()
    return one


def test_who_asks_slowly_is_cut_off(one, since):
    try:
        one.settimeout(15)
        expect(one.recv(1) == b'', 'it got an answer')
    except ConnectionError:
        pass
    except TimeoutError:
        fail('it is still there after', time.time() - since, 's')


def test_what_is_too_much_ends_its_connection_alone(s):
    for data in (b'GET /' + b'a' * 200000 + b' HTTP/1.1\r\n\r\n',
                 b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 40000 + b'\r\n',
                 b'\0' * 100000, b'\x16\x03\x01\x02\x00\x01\x00' * 1000,
                 b'POST /v1/vms/a/nmi HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ' + TOKEN.encode() +
                 b'\r\nContent-Length: 18446744073709551615\r\n\r\n'):
        with connect(s) as one:
            try:
                one.sendall(data)
                one.shutdown(socket.SHUT_WR)
                answer = one.recv(100)
                expect(not answer or re.match(rb'HTTP/1.1 4\d\d ', answer), data[:20], answer)
            except OSError:
                pass  # cut off while it sent: as good
    s.get('/v1/vms')


def counter(s):
    return int.from_bytes(s.get(f'/v1/vms/a/vcpus/0/memory?at={COUNTER}&size=8&level=2', headers={
        'Accept': 'application/octet-stream'}).content, 'little')


def test_its_end_and_beginning_are_noticed_by_no_vm(s, token):
    """Killed under load, and begun again at the same place."""
    listen = s.url.rsplit('/', 1)[1]
    stop, good = threading.Event(), [0, 0]

    def load():
        while not stop.is_set():
            try:
                if s.ask('GET', '/v1/vms/c/vcpus/0/vmcs').status_code == 200:
                    good[round_of[0]] += 1
            except requests.exceptions.RequestException:
                time.sleep(0.05)

    round_of = [0]
    before, vms = counter(s), s.get('/v1/vms').json()
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually('there is load', lambda: good[0] > 3)
    s.end(signal.SIGKILL)
    round_of[0] = 1
    again = Serve('--token-file', token, listen=listen)
    eventually('it answers again', lambda: good[1] > 3)
    stop.set()
    for thread in threads:
        thread.join()
    expect(again.get('/v1/vms').json() == vms, 'a VM has noticed it')
    expect(counter(again) > before, 'a stands still')
    return again


# ---- other ways in

def test_redfish_is_driven_by_a_stock_client(s, token):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'redfish.py')
    expect(subprocess.run([sys.executable, script, s.url, token], timeout=60, check=False).returncode == 0,
           'redfish')


def refuses(why, *options):
    done = subprocess.run([NESTOR, 'serve', '--at', AT, *options], capture_output=True, text=True,
                          timeout=10, check=False)
    expect(done.returncode == 64 and why in done.stderr, options, done)


def test_what_is_not_safe_is_refused(token):
    refuses('--token-file', '--listen', '127.0.0.1:0')
    refuses('no loopback address', '--listen', '0.0.0.0:0', '--token-file', token)
    refuses('need each other', '--tls-cert', token, '--token-file', token)
    refuses('must be ADDRESS:PORT', '--listen', 'localhost:80', '--token-file', token)
    refuses('can be read by others', '--token-file', '/etc/passwd')
    refuses('/etc/passwd:1: must be NAME ROLE', '--tokens', '/etc/passwd')


def test_tokens_have_names_and_roles():
    roles = ('read', 'operate', 'admin')
    with open(FOLDER + '/tokens', 'w', encoding='ascii') as out:
        for role in roles:
            digest = hashlib.sha256(f'the-token-of-{role}'.encode()).hexdigest()
            out.write(f'{role}.one {role} {digest}\n')
    with open(FOLDER + '/tokens.log', 'w', encoding='utf-8') as log:
        s = Serve('--tokens', FOLDER + '/tokens', stderr=log)
    wanted = [('GET', '/v1/vms', 0), ('GET', '/redfish/v1/Systems/a', 0),
              ('POST', '/v1/vms/b/resume', 1), ('GET', '/v1/vms/a/vcpus/0/memory?at=0x100000&size=8', 1),
              ('POST', '/redfish/v1/Systems/b/Actions/ComputerSystem.Reset', 1),
              ('DELETE', '/v1/vms/nobody', 2)]
    for may, role in enumerate(roles):
        for method, path, least in wanted:
            body = {'ResetType': 'On'} if 'redfish' in path and method == 'POST' else None
            status = s.ask(method, path, token=f'the-token-of-{role}', json=body).status_code
            expect((status == 403) == (may < least) and status != 401, role, method, path, status)
    s.get('/v1/vms', status=401)
    s.get('/v1/vms', status=401, token='the-token-of-nobody')
    login = [s.ask('POST', '/redfish/v1/SessionService/Sessions', token=None,
                   json={'UserName': 'x', 'Password': f'the-token-of-{role}'}) for role in roles[:2]]
    expect(login[0].json()['UserName'] == 'read.one', login[0].text)
    s.ask('POST', '/redfish/v1/SessionService/Sessions', token=None, json={'UserName': 'x', 'Password': 'the-token-of-nobody'})
    s.ask('HEAD', '/v1/vms', token='the-token-of-read')
    raw = http.client.HTTPConnection(s.url.split('//')[1], timeout=60)
    raw.request('M\x7fSS', '/v1/vms', headers={'Authorization': 'Bearer the-token-of-read'})
    expect(raw.getresponse().status == 405, 'a method that is none')
    raw.close()
    session = [{'X-Auth-Token': a.headers['X-Auth-Token']} for a in login]
    s.get('/v1/vms', token=None, headers=session[0])
    expect(s.ask('POST', '/v1/vms/b/resume', token=None, headers=session[0]).status_code == 403, 'a session')
    places = [a.headers['Location'] for a in login]
    expect(s.ask('DELETE', places[1], token=None, headers=session[0]).status_code == 403, 'of another')
    expect(s.ask('DELETE', places[0], token=None, headers=session[0]).status_code == 204, 'its own')
    expect(s.ask('DELETE', places[1], token='the-token-of-admin').status_code == 204, 'by an admin')
    accounts = s.get('/redfish/v1/AccountService/Accounts', token='the-token-of-read').json()['Members']
    found = [s.get(m['@odata.id'], token='the-token-of-read').json() for m in accounts]
    expect([(a['UserName'], a['RoleId'], a['Password']) for a in found] ==
           [('read.one', 'ReadOnly', None), ('operate.one', 'Operator', None), ('admin.one', 'Administrator', None)], found)
    role = s.get(found[1]['Links']['Role']['@odata.id'], token='the-token-of-read').json()
    expect(role['AssignedPrivileges'] == ['Login', 'ConfigureSelf', 'ConfigureComponents'], role)
    s.get('/redfish/v1/AccountService/Accounts/nobody', status=404, token='the-token-of-read')
    expect(s.end() == 0, 'its end')
    with open(FOLDER + '/tokens.log', encoding='utf-8') as log:
        said = log.read()
    for line in ('read.one POST /v1/vms/b/resume 403', 'operate.one POST /v1/vms/b/resume 409',
                 '- GET /v1/vms 401', 'admin.one DELETE /v1/vms/nobody 404',
                 'operate.one POST /redfish/v1/SessionService/Sessions 201', '- POST /redfish/v1/SessionService/Sessions 401',
                 'read.one M?SS /v1/vms 405'):
        expect(f'nestor serve: {line}\n' in said, line, said)
    expect('the-token' not in said and 'GET /v1/vms 200' not in said and 'HEAD' not in said, said)


def test_tls_and_unix_sockets_lead_there_too(token):
    key, cert, path = (f'{FOLDER}/{n}' for n in ('key', 'cert', 'socket'))
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                    '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=nestor',
                    '-addext', 'subjectAltName=IP:127.0.0.1'], check=True, capture_output=True)
    s = Serve('--token-file', token, '--tls-cert', cert, '--tls-key', key, verify=cert)
    expect(s.url.startswith('https://'), s.url)
    s.get('/v1/vms')
    s.get('/v1/vms', status=401, token=None)
    expect(s.end() == 0, 'its end')
    s = Serve(listen='unix:' + path)
    curl = ['curl', '-s', '-f', '-m', '20', '--unix-socket', path]
    expect(os.stat(path).st_mode & 0o777 == 0o600, 'others may open it')
    vms = subprocess.run([*curl, 'http://x/v1/vms'], check=True, capture_output=True)
    expect(len(json.loads(vms.stdout)['vms']) == 3, vms)
    expect(s.end() == 0 and not os.path.exists(path), 'its socket is left behind')


def main():
    token = token_file()
    s = Serve('--token-file', token)
    doc = Document(s.get('/v1/openapi.json', token=None).json())
    doc.check()
    slow, since = half_a_request(s), time.time()
    for test in (lambda: test_answers_are_as_the_document_says(s, doc),
                 lambda: test_a_console_is_seen_from_any_byte_on(s),
                 lambda: test_problems_have_their_status(s, doc),
                 lambda: test_redfish_is_driven_by_a_stock_client(s, token),
                 lambda: test_metrics_are_those_of_the_run(s),
                 lambda: test_who_asks_slowly_is_cut_off(slow, since),
                 lambda: test_nobody_is_stopped_by_who_asks_nothing(s),
                 lambda: test_what_is_too_much_ends_its_connection_alone(s),
                 lambda: test_what_is_not_safe_is_refused(token),
                 test_tokens_have_names_and_roles,
                 lambda: test_tls_and_unix_sockets_lead_there_too(token)):
        start = time.time()
        test()
        name = test.__name__ if test.__name__ != '<lambda>' else test.__code__.co_names[0]
        print(f'{time.time() - start:.1f} s', name)
    s = test_its_end_and_beginning_are_noticed_by_no_vm(s, token)
    expect(s.end() == 0, 'its end')
    print('serve: ok')


main()
