#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Events of `nestor serve`: streams that go on where they were, and subscriptions of Redfish, with a stand-in for a run.

usage: events.py NESTOR
"""
import atexit
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import requests

from checks import eventually, expect

NESTOR = sys.argv[1]
FOLDER = tempfile.TemporaryDirectory()
AT = FOLDER.name + '/at'
TOKEN = 'a-token-of-the-test-not-secret'
SUBSCRIPTIONS = '/redfish/v1/EventService/Subscriptions'


class Run:
    """Speaks the protocol of a run, as far as events need it."""

    def __init__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(AT)
        self.listener.listen(16)
        self.links, self.listening = [], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                link = self.listener.accept()[0]
            except OSError:
                return
            self.links.append(link)
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        link.sendall(b'hello version=1\n')
        for line in link.makefile('r'):
            word, number = re.match(r'(\S+) id=(\d+)', line).groups()
            link.sendall(f'answer id={number} status=ok\n'.encode())
            if word == 'events':
                self.listening.append(link)

    def tell(self, record):
        for link in self.listening:
            link.sendall(f'event {record}\n'.encode())

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(AT)
        for link in self.links:
            link.shutdown(socket.SHUT_RDWR)


class Serve:
    def __init__(self, *options, listen='127.0.0.1:0'):
        self.process = subprocess.Popen([NESTOR, 'serve', '--at', AT, '--listen', listen, '--token-file', FOLDER.name + '/token',
                                         *options], stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.url = self.process.stdout.readline().rsplit(' ', 1)[-1].strip()
        expect(self.url, 'it does not serve')

    def ask(self, method, path, **more):
        headers = {'Authorization': 'Bearer ' + TOKEN, **more.pop('headers', {})}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **more)

    def subscribe(self, url, **more):
        return self.ask('POST', SUBSCRIPTIONS, json={'Destination': url, 'Protocol': 'Redfish', **more})

    def subscriptions(self):
        return [m['@odata.id'] for m in self.ask('GET', SUBSCRIPTIONS).json()['Members']]

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=60)


class Stream:
    def __init__(self, serve, path='/v1/events', last=None):
        self.answer = serve.ask('GET', path, stream=True, headers={'Last-Event-ID': last} if last else {})
        expect(self.answer.status_code == 200, path, self.answer.status_code)
        self.lines = self.answer.iter_lines(decode_unicode=True)
        expect(next(self.lines).startswith(':'), 'no comment at first')

    def next(self):
        """The fields of the next event; None: the stream has ended."""
        fields = {}
        for line in self.lines:
            if not line and fields:
                return fields
            if line and not line.startswith(':'):
                key, value = line.split(': ', 1)
                fields[key] = value
        return None


class Destination(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent; a path begins with the statuses that it answers, the last one for ever."""
    got = {}

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        got = self.got.setdefault(self.path, [])
        statuses = self.path.split('/')[1].split('-')
        status = int(statuses[min(len(got), len(statuses) - 1)])
        got.append(json.loads(body))
        if status == 0:
            time.sleep(60)
        self.send_response(status)
        self.send_header('Location', '/200/elsewhere')
        self.end_headers()

    def log_message(self, *_):
        pass


def destination():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Destination)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f'http://127.0.0.1:{server.server_port}'


def test_a_stream_goes_on_where_it_was(run, s):
    first = Stream(s)
    for i in range(3):
        run.tell(f'vm-start vm=a tsc={i}')
    seen = [first.next() for _ in range(3)]
    expect([json.loads(e['data']) for e in seen] == [{'vm': 'a', 'tsc': i} for i in range(3)], seen)
    expect({e['event'] for e in seen} == {'vm-start'}, seen)
    again = Stream(s, last=seen[0]['id'])
    expect([again.next(), again.next()] == seen[1:], 'what it missed')
    fresh = Stream(s)
    run.tell('vm-end vm=a kind=stopped tsc=9')
    for stream in (again, fresh, first):
        expect(stream.next()['event'] == 'vm-end', 'what comes now')
    expect(json.loads(Stream(s, last='5-1').next()['data'])['tsc'] == 0, 'after another server: all that is kept')
    for i in range(600):
        run.tell(f'vm-start vm=a tsc={i}')
        last = first.next()  # who reads along misses nothing
        expect(json.loads(last['data'])['tsc'] == i, last)
    late = Stream(s, last=seen[0]['id'])
    expect(json.loads(late.next()['data'])['tsc'] == 600 - 256, 'as many as are kept')
    for stream in (first, again, fresh, late):
        stream.answer.close()


def test_redfish_has_them_as_its_events(run, s):
    stream = Stream(s, '/redfish/v1/EventService/SSE')
    run.tell('stat vm=a vcpu=0 injected=1')  # which is no event there
    run.tell('vm-end vm=a kind=triple-fault value=0 restart=0 free=1 tsc=1')
    event = stream.next()
    data = json.loads(event['data'])
    one = data['Events'][0]
    expect(data['@odata.type'].startswith('#Event.v1_') and data['Id'] == event['id'], data)
    expect(one['MessageArgs'] == ['a', 'triple-fault'] and one['Message'] == "The VM 'a' has ended: triple-fault.", one)
    expect(one['OriginOfCondition'] == {'@odata.id': '/redfish/v1/Systems/a'} and one['EventType'] == 'StatusChange', one)
    registry, version, name = one['MessageId'].rsplit('.', 2)[0].split('.')[0], '1.0', one['MessageId'].rsplit('.', 1)[1]
    place = s.ask('GET', f'/redfish/v1/Registries/{registry}').json()['Location'][0]['Uri']
    messages = s.ask('GET', place).json()
    expect(messages['RegistryVersion'].startswith(version) and messages['Messages'][name]['NumberOfArgs'] == 2, messages)
    stream.answer.close()


def test_subscriptions_are_sent_what_they_asked_for(run, s, to):
    made = s.subscribe(to + '/200/all', Context='mine')
    expect(made.status_code == 201 and made.headers['Location'].startswith(SUBSCRIPTIONS + '/'), made.text)
    expect(s.ask('GET', made.headers['Location']).json() == made.json(), 'it is another one')
    some = s.subscribe(to + '/200/some', EventTypes=['Alert'])
    expect(some.status_code == 201 and len(s.subscriptions()) == 2, some.text)
    run.tell('vm-start vm=a tsc=1')
    run.tell('explain vm=a rule=EPTP_MEMORY_TYPE count=1 text=no')
    eventually('both are sent', lambda: len(Destination.got.get('/200/all', [])) == 2 and Destination.got.get('/200/some'))
    expect([e['Events'][0]['MessageId'] for e in Destination.got['/200/all']] ==
           ['NestorEvent.1.0.VMStarted', 'NestorEvent.1.0.GuestRefused'], Destination.got)
    expect(Destination.got['/200/all'][0]['Context'] == 'mine', Destination.got)
    expect([e['Events'][0]['EventType'] for e in Destination.got['/200/some']] == ['Alert'], Destination.got)
    for one in (made, some):
        expect(s.ask('DELETE', one.headers['Location']).status_code == 204, one.headers)
        expect(s.ask('DELETE', one.headers['Location']).status_code == 404, one.headers)
    expect(s.subscriptions() == [], s.subscriptions())


def test_events_go_where_they_may_only(s, to):
    for url in (to.replace('127.0.0.1', '127.0.0.2') + '/200/x', to + '0/200/x', to + '@127.0.0.1/', to + '/200/../x', to + '/200/%2e%2e/x', 'http://127.0.0.1/', 'file:///etc/passwd'):
        answer = s.subscribe(url)
        expect(answer.status_code == 403 and 'error' in answer.json(), url, answer.status_code, answer.text)
    for more in ({'Protocol': 'SNMPv2c'}, {'EventTypes': ['Other']}, {'HttpHeaders': []}, {'Destination': to + '/ x'}):
        expect(s.ask('POST', SUBSCRIPTIONS, json={'Destination': to + '/200/x', 'Protocol': 'Redfish', **more}).status_code == 400, more)
    expect(s.ask('POST', SUBSCRIPTIONS, json={'Destination': to + '/200/x'}).status_code == 400, 'without a protocol')
    for bad in ('http://h/?x', 'http://h/../x', 'file:///tmp', 'ftp://h/', 'http://u@h/', 'http:///x', 'x'):
        done = subprocess.run([NESTOR, 'serve', '--at', AT, '--events-to', bad, '--listen', 'unix:' + FOLDER.name + '/no'],
                              capture_output=True, text=True, timeout=10, check=False)
        expect(done.returncode == 64 and '--events-to' in done.stderr, bad, done)


def test_a_destination_that_does_not_take_them_holds_nobody_up(run, s, to):
    """A silent one, one that comes to its senses, one that never does, and one that leads elsewhere."""
    for path in ('/0/silent', '/500-200/late', '/503/never', '/302/away', '/200/good'):
        expect(s.subscribe(to + path).status_code == 201, path)
    start = time.time()
    run.tell('vm-start vm=b tsc=1')
    eventually('the good one has it', lambda: Destination.got.get('/200/good'), 30)
    eventually('the late one has it', lambda: len(Destination.got.get('/500-200/late', [])) == 2, 60)
    run.tell('vm-gone vm=b free=1 tsc=1')
    eventually('the good one has both', lambda: len(Destination.got['/200/good']) == 2, 30)
    expect(len(s.subscriptions()) >= 3, 'the silent one is over: it was waited for')
    eventually('two are given up', lambda: len(s.subscriptions()) == 3, 90)
    expect(len(Destination.got['/503/never']) == 3 and len(Destination.got['/302/away']) == 3, Destination.got)
    expect('/200/elsewhere' not in Destination.got, 'it was led away')
    expect([e['Events'][0]['MessageId'].rsplit('.')[-1] for e in Destination.got['/500-200/late']] ==
           ['VMStarted', 'VMStarted', 'VMGone'], Destination.got['/500-200/late'])
    for _ in range(5):
        expect(s.subscribe(to + '/200/more').status_code == 201, 'one more')
    expect(s.subscribe(to + '/200/more').status_code == 503, 'too many')


def test_another_run_is_followed_too(run, s, to):
    stream = Stream(s)
    run.end()
    expect(stream.next() is None, 'it goes on without a run')
    eventually('no run, no stream', lambda: s.ask('GET', '/v1/events', stream=True).status_code == 503)
    run = Run()
    eventually('there is a run again', lambda: run.listening)
    run.tell('vm-start vm=new tsc=1')
    eventually('the subscription goes on', lambda: Destination.got['/200/good'][-1]['Events'][0]['MessageArgs'] == ['new'], 60)


def main():
    with open(os.open(FOLDER.name + '/token', os.O_WRONLY | os.O_CREAT, 0o600), 'w', encoding='ascii') as out:
        out.write(TOKEN + '\n')
    run, to = Run(), destination()
    s = Serve('--events-to', f'http://10.0.0.1/,{to}/')
    for test in (lambda: test_a_stream_goes_on_where_it_was(run, s), lambda: test_redfish_has_them_as_its_events(run, s),
                 lambda: test_subscriptions_are_sent_what_they_asked_for(run, s, to),
                 lambda: test_events_go_where_they_may_only(s, to),
                 lambda: test_a_destination_that_does_not_take_them_holds_nobody_up(run, s, to),
                 lambda: test_another_run_is_followed_too(run, s, to)):
        start = time.time()
        test()
        print(f'{time.time() - start:.1f} s', test.__code__.co_names[0])
    start = time.time()
    expect(s.end() == 0 and time.time() - start < 9, 'its end took', time.time() - start)  # the silent one has it still
    print('events: ok')


main()
