#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of `nestor serve` in a headless Chromium, by keyboard, on runs of its own.

usage: page.py NESTOR SCENARIO FOLDER [ports]

VMs of the scenario: a, with an L2 that its L1 is busy with (tests/boot/managed.c); b, which tells what is typed (typed.c); c, to which much is
refused (explained.c). Pictures of it go to FOLDER: light.png, dark.png. With `ports` another scenario, of a VM linux on the network lan, with a
named port `agent` whose lines come back, and `log`, which the run has a place for.
"""
import atexit
import base64
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import time
import zlib

os.environ['NO_PROXY'] = os.environ['no_proxy'] = '127.0.0.1,localhost'
from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from checks import eventually, expect, fail  # noqa: E402

NESTOR, SCENARIO, FOLDER = sys.argv[1:4]
AT = FOLDER + '/at'
TOKEN = 'a-token-of-the-test-not-secret'


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()


def start_run(*more):
    with open(FOLDER + '/run', 'ab') as log:
        run = subprocess.Popen([NESTOR, 'run', SCENARIO, '--explain', '--manage', AT, '--timeout', '150', *more],
                               stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    atexit.register(end, run)
    eventually('the run listens', lambda: nestor('ps').returncode == 0)
    return run


def nestor(*words):
    return subprocess.run([NESTOR, *words, '--at', AT], capture_output=True, text=True, timeout=60, check=False)


class Serve:
    def __init__(self, listen='127.0.0.1:0'):
        path = FOLDER + '/token'
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), 'w', encoding='ascii') as out:
            out.write(TOKEN + '\n')
        self.process = subprocess.Popen([NESTOR, 'serve', '--at', AT, '--listen', listen, '--token-file', path,
                                         '--disks-from', FOLDER + '/disks', '--scratch-limit', '2G'],
                                        stdout=subprocess.PIPE, text=True)
        atexit.register(end, self.process)
        self.url = self.process.stdout.readline().rsplit(' ', 1)[-1].strip()
        expect(self.url, 'it does not serve')


class Page:
    """A browser with the page, and what its user sees and types."""

    def __init__(self, url):
        options = webdriver.ChromeOptions()
        options.binary_location = '/usr/bin/chromium'
        for word in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-proxy-server',
                     '--window-size=1280,1500', '--user-data-dir=' + FOLDER + '/profile'):
            options.add_argument(word)
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
        self.driver = webdriver.Chrome(options=options, service=Service('/usr/bin/chromedriver'))
        atexit.register(self.driver.quit)
        self.command('Page.addScriptToEvaluateOnNewDocument', source='''window.violations = [];
            document.addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber));''')
        self.url = url
        self.driver.get(url + '/')

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, selector):
        return self.run('const e = document.querySelector(arguments[0]); return e ? e.textContent : null', selector)

    def shows(self, selector):
        return self.run('const e = document.querySelector(arguments[0]); return !!e && e.checkVisibility()', selector)

    def keys(self, *keys):
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def tab(self):
        """The same in less time."""
        for kind in 'rawKeyDown', 'keyUp':
            self.command('Input.dispatchKeyEvent', type=kind, key='Tab', code='Tab', windowsVirtualKeyCode=9)

    def focus(self):
        """The element with the focus, which is seen to have it: its id or its text, and the VM that it is of."""
        what, of, outline = self.run('''const e = document.activeElement, box = e.closest('article');
            return [e.id || (e.closest('.xterm') ? 'xterm' : e.getAttribute('aria-label') || e.textContent), box ? box.querySelector('.name').textContent : '',
                getComputedStyle(e).outlineStyle]''')
        expect(outline != 'none' or what == 'xterm' or len(what) > 100, 'nobody sees that', what, of, 'has the focus')
        return what, of

    def tab_to(self, what, of=''):
        for _ in range(60):
            if self.focus() == (what, of):
                return
            if self.focus()[0] == 'xterm': # Tab is for the VM
                self.leave()
            else:
                self.tab()
        fail('the keyboard does not come to', what, of)

    def leave(self):
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(']').key_up(Keys.CONTROL).perform()

    def state(self, vm):
        return self.run('''const box = [...document.querySelectorAll('article')].find((b) =>
            b.querySelector('.name').textContent === arguments[0]); return box && box.querySelector('.state').textContent''', vm)

    def terminal(self):
        return self.run('''return [...document.querySelectorAll('#console .xterm-rows > div')].map((d) => d.textContent.trimEnd()).join('\\n')''')


def rate(text):
    return float((text or '-').replace(',', '').replace('-', 'nan'))


# ---- tests

def test_a_wrong_token_is_told_and_the_right_one_is_kept_in_this_tab_only(page):
    eventually('a token is asked for', lambda: page.shows('#login'))
    expect(page.focus()[0] == 'token', 'the focus is not where it is needed')
    expect(not page.shows('#nest') and not page.text('#login-error'), page.text('#login-error'))
    page.keys('not-the-token', Keys.ENTER)
    eventually('it is told', lambda: 'not the token' in page.text('#login-error'))
    expect(not page.run('return sessionStorage.getItem("nestor-token")'), 'a wrong token was kept')
    page.keys(TOKEN, Keys.ENTER)
    eventually('the nest', lambda: page.shows('#nest'))
    expect(page.run('return sessionStorage.getItem("nestor-token")') == TOKEN, 'it was not kept')
    expect(page.run('return localStorage.length') == 0 and not page.run('return document.cookie'), 'it is kept elsewhere')
    page.driver.refresh()
    eventually('it need not be typed again', lambda: page.shows('#nest'))


def test_levels_are_boxes_with_figures_that_change(page):
    expect([page.state(vm) for vm in 'abc'] == ['running'] * 3, 'states', [page.state(vm) for vm in 'abc'])
    expect(page.run('return document.querySelectorAll(".l0 .l1 .l2").length') == 3, 'no nested boxes')
    expect(page.text('#no-devices') == 'None.', page.text('#devices'))
    eventually('exits of L0', lambda: rate(page.text('#l0-rate')) > 0)
    before = page.text('#l0-rate')
    eventually('another rate', lambda: page.text('#l0-rate') != before)
    expect(page.text('#detail-name').startswith('a: running, 1 vCPU, 16 MiB'), page.text('#detail-name'))
    eventually('a is in L2 at times', lambda: rate((page.text('#vcpus tbody td:nth-child(4)') or '').rstrip(' %')) > 0)
    shares = [rate(page.text(f'#vcpus tbody td:nth-child({n})').rstrip(' %')) for n in (2, 3, 4)]
    expect(99 < sum(shares) < 101, 'its time is', shares)
    # CPUID in L2 is an exit, and the VMRESUME behind it another one: more without VMCS shadowing
    expect(1.9 < rate(page.text('#vcpus tbody td:nth-child(9)')) < 12, page.text('#vcpus tbody'))
    expect(re.match('[0-9,.]+/s go to L1; L0 takes [0-9.]+ exits for each', page.text('.l2-about')), page.text('.l2-about'))
    expect(any(page.text(f'#exits tbody tr:nth-child({n})').startswith('L2CPUID') for n in (1, 2)), page.text('#exits tbody'))
    expect(page.text('article:nth-child(2) .l2-about') == 'no guest of its own', 'b has an L2')


def test_a_vm_is_paused_and_resumed_by_keyboard(page):
    page.tab_to('Pause', 'a')
    page.keys(Keys.SPACE)
    eventually('a is paused', lambda: page.state('a') == 'paused')
    expect(re.search(r'^a +paused', nestor('ps').stdout, re.M), 'it only says so')
    expect(page.focus() == ('Resume', 'a'), 'the focus is lost:', page.focus())
    page.keys(Keys.ENTER)
    eventually('a runs', lambda: page.state('a') == 'running')
    expect(page.focus() == ('Pause', 'a'), 'the focus is lost:', page.focus())


def test_what_was_refused_is_in_words(page):
    page.tab_to('c', 'c')
    page.keys(Keys.ENTER)
    eventually('what was refused to c', lambda: 'MSR' in page.text('#refusals'))
    expect(re.match('L[12], vCPU 0: ', page.text('#refusals li')), page.text('#refusals li'))


def test_a_console_says_and_takes_what_is_typed(page):
    page.tab_to('b', 'b')
    page.keys(Keys.ENTER)
    eventually('b is chosen', lambda: page.text('#detail-name').startswith('b: '))
    page.tab_to('console-open')
    page.keys(Keys.ENTER)
    eventually('what b has said', lambda: 'typed 2: ready' in page.terminal())
    page.keys("hello 'page' <b>ä</b>", Keys.ENTER)
    eventually('what was typed', lambda: "typed 2: 'hello 'page' <b>ä</b>'" in page.terminal())
    page.keys(Keys.TAB)
    expect(page.focus()[0] == 'xterm', 'Tab is for the VM')
    page.leave()
    expect(page.focus()[0] == 'console-close', 'the keyboard is caught in the console:', page.focus())


def test_what_may_lose_data_is_asked_for_first(page):
    page.tab_to('Stop', 'a')
    page.keys(Keys.ENTER)
    eventually('it is asked', lambda: page.shows('#confirm'))
    expect("Stop 'a'?" in page.text('#confirm-about') and page.focus()[0] == 'confirm-no', page.focus())
    page.keys(Keys.ESCAPE)
    eventually('it is over', lambda: not page.shows('#confirm'))
    expect(page.state('a') == 'running', 'a', page.state('a'))
    page.tab_to('Stop', 'a')
    page.keys(Keys.ENTER)
    eventually('it is asked', lambda: page.shows('#confirm'))
    page.keys(Keys.TAB, Keys.ENTER)
    eventually('a is off', lambda: page.state('a') == 'off')
    eventually('it is told', lambda: "'a' ended" in page.text('#events'))
    expect(page.run('return document.querySelector("#events").getAttribute("aria-live")') == 'polite', 'nobody is told')
    page.tab_to('Start', 'a')
    page.keys(Keys.ENTER)
    eventually('a runs', lambda: page.state('a') == 'running')


def test_media_and_slots_are_changed_by_keyboard(page):
    expect(page.text('#detail-name').startswith('b: '), page.text('#detail-name'))
    eventually('its drive', lambda: page.text('#drives .about') == 'cdrom0: empty')
    page.tab_to('Image for cdrom0 of b')
    page.keys('two')
    page.tab_to('Insert into cdrom0 of b')
    page.keys(Keys.ENTER)
    eventually('it is in', lambda: page.text('#drives .about') == 'cdrom0: two')
    expect('disk=cdrom0 medium=two' in nestor('devices', 'b').stdout, 'it only says so')
    page.tab_to('Eject cdrom0 of b')
    page.keys(Keys.SPACE)
    eventually('it is out', lambda: page.text('#drives .about') == 'cdrom0: empty')
    expect(page.text('#slots .about') == "slot 1: disk 'extra', not attached", page.text('#slots'))
    page.tab_to('Attach slot 1 of b')
    page.keys(Keys.ENTER)
    eventually('it is there', lambda: page.text('#slots .about') == "slot 1: disk 'extra', attached")
    expect(page.focus()[0] == 'Detach slot 1 of b', 'the focus is lost:', page.focus())
    page.keys(Keys.ENTER) # nobody in the VM has the slot on: it goes at once
    eventually('it is gone', lambda: page.text('#slots .about') == "slot 1: disk 'extra', not attached")


def test_a_bay_is_given_disks_by_keyboard(page):
    def slot():
        return page.text('#slots li:nth-child(2) .about')
    eventually('its bay', lambda: slot() == "slot 2: an empty bay 'bay', not attached")
    page.tab_to('Disk for slot 2 of b')
    expect(page.run('return [...document.activeElement.options].map((o) => o.value)') == ['data.img', 'an empty disk of 1 GiB'], 'its disks')
    page.keys('data')
    page.tab_to('Keep what is written to slot 2 of b')
    page.keys(Keys.SPACE)
    page.tab_to('Attach slot 2 of b')
    page.keys(Keys.ENTER)
    eventually('it is there', lambda: slot() == "slot 2: bay 'bay', 1,048,576 bytes, attached")
    expect('volume=bay is=bay size=1048576 readonly=0 port=2' in nestor('devices', 'b').stdout, 'it only says so')
    disk = FOLDER + '/disks/data.img'
    expect(subprocess.run(['flock', '-n', '-s', disk, 'true'], check=False).returncode == 1, 'it is not kept: others may read it')
    page.keys(Keys.ENTER)
    eventually('it is gone', lambda: slot().endswith(', not attached'))
    page.tab_to('Disk for slot 2 of b')
    page.keys('an empty')
    expect(not page.shows('#slots li:nth-child(2) label'), 'an empty disk is kept')
    page.tab_to('Attach slot 2 of b')
    page.keys(Keys.ENTER)
    eventually('the other one', lambda: slot() == "slot 2: bay 'bay', 1,073,741,824 bytes, attached")
    expect(subprocess.run(['flock', '-n', '-x', disk, 'true'], check=False).returncode == 0, 'the first one is still there')
    page.keys(Keys.ENTER)
    eventually('it is gone', lambda: slot().endswith(', not attached'))


def test_a_network_device_is_put_on_another_network_by_keyboard(page):
    def net():
        return page.text('#nets .about')
    eventually('its device', lambda: re.fullmatch('network device 0: lan, [0-9a-f:]{17}, link up', net() or ''))
    page.tab_to('Network for network device 0 of linux')
    expect(page.run('return [...document.activeElement.options].map((o) => o.value)') == ['wan'], 'networks')
    page.tab_to('Move network device 0 of linux')
    page.keys(Keys.ENTER)
    eventually('it is there', lambda: net().startswith('network device 0: wan, '))
    expect('net=0 network=wan ' in nestor('devices', 'linux').stdout, 'it only says so')
    page.tab_to('Link down of network device 0 of linux')
    page.keys(Keys.ENTER)
    eventually('it is down', lambda: net().endswith('link down'))
    expect(page.focus()[0] == 'Link up of network device 0 of linux', page.focus())
    page.keys(Keys.ENTER)
    eventually('it is up', lambda: net().endswith('link up'))


def takes_port():
    """Another client gets the port of the page's, and goes again."""
    client = subprocess.Popen([NESTOR, 'console', 'linux', '--port', 'agent', '--at', AT], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        expect(client.wait(timeout=2) == 72, 'it ended with', client.returncode)
        return False
    except subprocess.TimeoutExpired:
        end(client)
        return True


def test_a_named_port_is_used_by_lines(page):
    with open(FOLDER + '/run', encoding='latin-1') as run:
        eventually('the guest listens', lambda: 'agent: listens' in run.read())
    page.tab_to('console-which')
    expect(page.run('return [...document.activeElement.options].map((o) => o.value)') == ['console', 'port agent', 'port log'], 'ports')
    page.keys('port a')
    page.tab_to('console-open')
    page.keys(Keys.ENTER)
    eventually('it is there', lambda: "Lines go to port 'agent'" in page.text('#console-about'))
    page.keys('one', 'x', Keys.BACKSPACE, ' line', Keys.ENTER)
    eventually('it comes back', lambda: page.terminal().split() == ['one', 'line', 'heard:', 'one', 'line'])
    page.keys('<b>ä', Keys.ENTER)
    eventually('the next one', lambda: page.terminal().rstrip().endswith('heard: <b>ä'))
    expect(not takes_port(), 'another client has it, too')
    page.leave()
    expect(page.focus()[0] == 'console-close', page.focus())
    page.keys(Keys.ENTER)
    eventually('it is free', takes_port)
    page.tab_to('console-which')
    page.keys('port l')
    page.tab_to('console-open')
    page.keys(Keys.ENTER)
    eventually('why not', lambda: 'has a place for' in page.text('#console-about') or page.text('#console-about').endswith('trying again'))
    page.tab_to('console-close')
    page.keys(Keys.ENTER)


def test_a_vm_comes_and_goes_by_keyboard(page):
    page.tab_to('define-name')
    page.keys('a', Keys.ENTER)
    eventually('there is one', lambda: page.text('#problem').startswith('Define: '))
    expect(page.focus()[0] == 'define-name', page.focus())
    page.keys('2')
    page.tab_to('define-do')
    page.keys(Keys.ENTER)
    eventually('it is there', lambda: page.state('a2') == 'off')
    expect(not page.text('#problem') and page.run('return document.querySelector("#define-name").value') == '', page.text('#problem'))
    page.tab_to('Destroy', 'a2')
    page.keys(Keys.ENTER)
    eventually('it is asked', lambda: page.shows('#confirm') and "Destroy 'a2'?" in page.text('#confirm-about'))
    page.keys(Keys.TAB, Keys.ENTER)
    eventually('it is gone', lambda: page.state('a2') is None)
    expect('a2' not in nestor('ps').stdout, 'it only says so')


def test_a_report_is_a_file(page):
    page.command('Browser.setDownloadBehavior', behavior='allow', downloadPath=FOLDER)
    page.tab_to('bundle')
    page.keys(Keys.ENTER)
    eventually('it is asked', lambda: 'stand still' in page.text('#confirm-about') and page.shows('#confirm'))
    page.keys(Keys.TAB, Keys.ENTER)
    path = FOLDER + '/nestor-bundle.tar.gz'
    eventually('it is there', lambda: os.path.exists(path) or fail(page.text('#problem')) if page.text('#problem') else os.path.exists(path))
    with tarfile.open(path) as archive:
        expect('nestor-bundle/a/vcpu0.vmcs12' in archive.getnames(), archive.getnames())


def test_errors_are_shown_as_text(page):
    nestor('pause', 'c')
    page.tab_to('Pause', 'c') if page.state('c') == 'running' else page.tab_to('Resume', 'c')
    page.run('''window.fetched = window.fetch; window.fetch = (path, more) => more.method === 'POST' ?
        fetched('/v1/vms/c/start', more) : fetched(path, more)''')
    page.keys(Keys.ENTER)
    eventually('why not', lambda: "'c': it is not off" in page.text('#problem'))
    page.run('window.fetch = window.fetched')
    nestor('resume', 'c')


def test_ends_of_the_service_and_of_the_run_are_survived(page, serve, run):
    listen = serve.url.rsplit('/', 1)[1]
    end(serve.process)
    eventually('it is told', lambda: 'nestor serve cannot be reached' in page.text('#link'))
    serve = Serve(listen)
    eventually('it is there again', lambda: page.text('#link') == 'connected')
    nestor('quit')
    expect(run.wait(timeout=30) == 0, 'the run ended with', run.returncode)
    eventually('it is told', lambda: 'no run can be reached' in page.text('#link'))
    run = start_run()
    eventually('it is there again', lambda: page.text('#link') == 'connected')
    eventually('the console of the new run', lambda: page.terminal().strip() == 'typed 2: ready')
    eventually('c runs', lambda: page.state('c') == 'running')
    return run


# ---- pictures

def pixels(data):
    """The rows of a PNG file of 8 bits a channel (PNG, 9: filters)."""
    width, height, depth, kind = struct.unpack('>IIBB', data[16:26])
    expect(depth == 8 and kind in (2, 6), 'another PNG:', depth, kind)
    at, packed = 8, b''
    while at < len(data):
        size, name = struct.unpack('>I4s', data[at:at + 8])
        packed += data[at + 8:at + 8 + size] if name == b'IDAT' else b''
        at += size + 12
    raw, step, before, rows = zlib.decompress(packed), 3 if kind == 2 else 4, None, []
    for y in range(height):
        line = bytearray(raw[y * (width * step + 1):(y + 1) * (width * step + 1)])
        how, line = line[0], line[1:]
        before = before or bytearray(len(line))
        for x in range(len(line) if how else 0):
            a, b, c = line[x - step] if x >= step else 0, before[x], before[x - step] if x >= step else 0
            p = a + b - c
            near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[x] = (line[x] + (0, a, b, (a + b) // 2, near)[how]) & 255
        before = line
        rows.append([tuple(line[i:i + 3]) for i in range(0, len(line), step)])
    return rows


def test_both_themes_look_like_something(page):
    for theme, dark in (('light', False), ('dark', True)):
        page.command('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': theme}])
        time.sleep(0.5)
        page.driver.save_screenshot(f'{FOLDER}/{theme}.png')
        rows = pixels(base64.b64decode(page.command('Page.captureScreenshot', clip={
            'x': 0, 'y': 0, 'width': 1280, 'height': 1200, 'scale': 0.25})['data']))
        colours = {}
        for row in rows:
            for pixel in row:
                colours[pixel] = colours.get(pixel, 0) + 1
        ground = max(colours, key=colours.get)
        expect((sum(ground) < 3 * 60) if dark else (sum(ground) > 3 * 220), theme, 'has the ground', ground)
        expect(len(colours) > 100, theme, 'has', len(colours), 'colours')
        share = colours[ground] / sum(colours.values())
        expect(0.2 < share < 0.95, theme, 'is ground to', share)
        many = [c for c, n in colours.items() if n > 150]
        expect(len(many) >= 4, theme, 'has areas of', many)  # ground, and a box in a box in a box


def test_nothing_comes_from_elsewhere_or_goes_there(page):
    expect(page.run('return violations') == [], 'against its policy:', page.run('return violations'))
    urls = set()
    for entry in page.driver.get_log('performance'):
        message = json.loads(entry['message'])['message']
        # what the browser shows before it has the page is its own
        if message['method'] == 'Network.requestWillBeSent' and not message['params']['documentURL'].startswith('chrome:'):
            urls.add(message['params']['request']['url'])
    expect(page.url + '/page.js' in urls and page.url + '/v1/vms' in urls, urls)
    for url in urls:
        expect(url.startswith(page.url + '/'), 'it asks', url)
        expect(TOKEN not in url, 'the token is in', url)
    for entry in page.driver.get_log('browser'):
        expect(entry['level'] != 'SEVERE' or re.search('Failed to load resource|net::ERR', entry['message']), entry)


def ports():
    start_run('--port', f'linux:log=file:{FOLDER}/log')
    page = Page(Serve().url)
    eventually('a token is asked for', lambda: page.shows('#login'))
    page.keys(TOKEN, Keys.ENTER)
    eventually('the nest', lambda: page.shows('#nest'))
    for test in test_a_network_device_is_put_on_another_network_by_keyboard, test_a_named_port_is_used_by_lines:
        test(page)
    test_nothing_comes_from_elsewhere_or_goes_there(page)
    expect(nestor('quit').returncode == 0, 'quit')
    print('page: ok')


def main():
    run, serve = start_run(), Serve()
    start = time.time()
    page = Page(serve.url)
    print(f'{time.time() - start:.1f} s the browser')

    def restarts():
        test_ends_of_the_service_and_of_the_run_are_survived(page, serve, run)
    for test in (test_a_wrong_token_is_told_and_the_right_one_is_kept_in_this_tab_only,
                 test_levels_are_boxes_with_figures_that_change, test_a_vm_is_paused_and_resumed_by_keyboard,
                 test_what_was_refused_is_in_words, test_a_console_says_and_takes_what_is_typed,
                 test_both_themes_look_like_something, test_what_may_lose_data_is_asked_for_first,
                 test_media_and_slots_are_changed_by_keyboard, test_a_bay_is_given_disks_by_keyboard,
                 test_a_vm_comes_and_goes_by_keyboard,
                 test_a_report_is_a_file, test_errors_are_shown_as_text):
        start = time.time()
        test(page)
        print(f'{time.time() - start:.1f} s', test.__name__)
    start = time.time()
    restarts()
    test_nothing_comes_from_elsewhere_or_goes_there(page)
    print(f'{time.time() - start:.1f} s restarts')
    expect(nestor('quit').returncode == 0, 'quit')
    print('page: ok')


ports() if sys.argv[4:] else main()
