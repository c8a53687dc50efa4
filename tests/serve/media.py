#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Virtual media and the boot device of a VM by Redfish, as OpenStack's sushy drives them.

usage: media.py URL TOKEN-FILE OUTPUT PORT    OUTPUT: what the run prints. Its VM bios has SeaBIOS, a
disk that it boots from, which resets and then powers off, and an empty CD-ROM drive. Media may be
fetched from http://127.0.0.1:PORT/ok, up to 1 MiB.
"""
import http.server
import sys
import threading
import time

import requests
import sushy
from sushy import auth, exceptions

from checks import expect, expect_raises

URL, TOKEN_FILE, OUTPUT, PORT = sys.argv[1:]
with open(TOKEN_FILE, encoding='ascii') as token:
    TOKEN = token.readline().strip()


FROM_CD = (sushy.BootSource.CD, sushy.BootSourceOverrideEnabled.CONTINUOUS)
NOTHING = (sushy.BootSource.NONE, sushy.BootSourceOverrideEnabled.DISABLED)


def said(text, times=1, seconds=180):
    """The run has printed it so often."""
    until = time.time() + seconds
    while True:
        with open(OUTPUT, encoding='latin-1') as out:
            if out.read().count(text) >= times:
                return
        expect(time.time() < until, 'not', times, 'times within', seconds, 's:', text)
        time.sleep(0.2)


class Images(http.server.BaseHTTPRequestHandler):
    """A server of media: one that is good, and what is wrong in each way."""

    def do_GET(self):
        FETCHED.append(self.path)
        size, redirect = SIZES.get(self.path, 0), self.path == '/ok/redirect'
        self.send_response(302 if redirect else 401 if self.path == '/ok/secret' else 200 if size else 404)
        if redirect:
            self.send_header('Location', '/ok/good.iso')
        if size and self.path != '/ok/endless':
            self.send_header('Content-Length', str(size))
        self.end_headers()
        try:
            for _ in range(size // 4):
                self.wfile.write(b'\5' * 4)
            self.wfile.write(b'\5' * (size % 4))
        except OSError:
            pass  # it has had enough

    def log_message(self, *_):
        pass


SIZES = {'/ok/good.iso': 40960, '/ok/odd': 2049, '/ok/large': 4 << 20, '/ok/endless': 4 << 20, '/okay/good.iso': 40960}
FETCHED = []


def disks(system, session):
    """A disk is a drive and a volume, and what is not there is not found."""
    storage = system.storage.get_members()
    expect([s.identity for s in storage] == ['virtio'], storage)
    drive = storage[0].drives[0]
    expect(drive.json['CapacityBytes'] > 0 and drive.json['CapacityBytes'] % 512 == 0, drive.json)
    volumes = storage[0].volumes.get_members()
    expect([v.identity for v in volumes] == [drive.identity] and
           volumes[0].capacity_bytes == drive.json['CapacityBytes'], volumes)
    expect(requests.get(URL + storage[0].path + '/Drives/nothing', auth=session, timeout=60).status_code == 404, 'nothing')


def fetches(drive):
    """What is fetched and what is not; and that a drive keeps what it has when that fails."""
    at = 'http://127.0.0.1:' + PORT
    server = http.server.ThreadingHTTPServer(('127.0.0.1', int(PORT)), Images)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for path, why in (('/ok/nothing', 'status 404'), ('/ok/secret', 'status 401'), ('/ok/odd', 'multiple of 2048'),
                      ('/ok/redirect', 'not followed'), ('/ok/large', '1048576'), ('/ok/endless', '1048576')):
        e = expect_raises(exceptions.BadRequestError, lambda: drive.insert_media(at + path), path)
        expect(why in str(e), path, e)
    tried = len(FETCHED)
    for image in (at + '/okay/good.iso', at + '/ok/../okay/good.iso', at + '/ok/%2e%2e/okay/good.iso',
                  'http://user@127.0.0.1:' + PORT + '/ok/good.iso', 'http://localhost:' + PORT + '/ok/good.iso',
                  'file:///etc/hostname', 'ftp://127.0.0.1/ok/good.iso', 'boot', ''):
        expect_raises(exceptions.BadRequestError, lambda: drive.insert_media(image), image)
    expect(len(FETCHED) == tried, FETCHED)
    drive.refresh(force=True)
    expect(drive.image == 'nestor:boot', drive.json)
    drive.insert_media(at + '/ok/good.iso')
    drive.refresh(force=True)
    expect(drive.inserted and drive.image == at + '/ok/good.iso' and drive.image_name == 'good.iso' and
           drive.connected_via == sushy.ConnectedVia.URI, drive.json)
    drive.eject_media()
    drive.refresh(force=True)
    expect(not drive.inserted and drive.image is None, drive.json)
    server.shutdown()
    server.server_close()
    e = expect_raises(exceptions.BadRequestError, lambda: drive.insert_media(at + '/ok/good.iso'), 'no server')
    expect('cannot be fetched' in str(e), e)
    drive.insert_media('nestor:boot')
    drive.refresh(force=True)


def boot_of(system):
    system.refresh(force=True)
    return system.boot.target, system.boot.enabled


def media(system):
    """The drive of the manager, and the same of the system; what it may be given and may not."""
    drives = system.managers[0].virtual_media.get_members()
    expect([d.identity for d in drives] == ['cdrom0'], drives)
    drive = drives[0]
    expect(not drive.inserted and drive.image is None, drive.json)
    expect(sushy.VirtualMediaType.CD in drive.media_types, drive.media_types)
    for image in 'nestor:', 'nestor:a b', 'nestor:../boot':
        e = expect_raises(exceptions.BadRequestError, lambda: drive.insert_media(image), image)
        expect('image of the run' in str(e), e)
    expect_raises(exceptions.ResourceNotFoundError, lambda: drive.insert_media('nestor:nothing'))
    drive.insert_media('nestor:boot')
    drive.refresh()
    expect(drive.inserted and drive.image == 'nestor:boot' and drive.image_name == 'boot' and
           drive.write_protected, drive.json)
    answer = requests.get(URL + system.path + '/VirtualMedia/cdrom0', auth=('any', TOKEN), timeout=60)
    expect(answer.json()['Image'] == 'nestor:boot', answer.text)
    fetches(drive)
    return drive


def conditions(system):
    """A change of what is not as it was any more is refused. Nothing else changes meanwhile: it is off."""
    state(system, sushy.PowerState.OFF)
    url, who = URL + system.path, ('any', TOKEN)
    etag = requests.get(url, auth=who, timeout=60).headers['ETag']
    body = {'Boot': {'BootSourceOverrideTarget': 'Hdd', 'BootSourceOverrideEnabled': 'Once'}}

    def patch(**headers):
        return requests.patch(url, json=body, auth=who, timeout=60, headers=headers).status_code

    expect(patch(**{'If-Match': etag}) == 204, etag)
    expect(patch(**{'If-Match': etag}) == 412, etag)
    expect(patch(**{'If-Match': '*'}) == 204 and patch() == 204)
    for wrong in ({'Boot': {}}, {'Boot': 1}, {}, {'Boot': {'BootSourceOverrideTarget': 'Usb'}},
                  {'Boot': {'BootSourceOverrideEnabled': 'Never'}}, {'Boot': {'BootOrder': []}},
                  {'Name': 'x'}):
        answer = requests.patch(url, json=wrong, auth=who, timeout=60)
        expect(answer.status_code == 400 and 'error' in answer.json(), wrong, answer.text)
    system.set_system_boot_options(*FROM_CD)
    expect(boot_of(system) == FROM_CD, boot_of(system))
    system.set_system_boot_options(enabled=sushy.BootSourceOverrideEnabled.DISABLED)
    expect(boot_of(system) == NOTHING, boot_of(system))


def boots(system, drive):
    """Once from the CD, and then from the disk again, as the scenario says."""
    allowed = system.get_allowed_system_boot_source_values()
    expect(allowed == {sushy.BootSource.NONE, sushy.BootSource.HDD, sushy.BootSource.CD}, allowed)
    once = (sushy.BootSource.CD, sushy.BootSourceOverrideEnabled.ONCE)
    system.set_system_boot_options(*once)
    expect(boot_of(system) == once, boot_of(system))
    restart(system)
    said('Booting from DVD/CD...')
    said('boot sector: WRONG')  # it is the disk's, and finds nothing behind itself
    expect(boot_of(system) == NOTHING, boot_of(system))
    restart(system)
    said('boot sector: was written before')
    drive.eject_media()
    drive.refresh()
    expect(not drive.inserted and drive.image is None, drive.json)


def restart(system):
    """It powers off by itself."""
    state(system, sushy.PowerState.OFF)
    system.reset_system(sushy.ResetType.ON)


def state(system, wanted):
    for _ in range(200):
        system.refresh(force=True)
        if system.power_state == wanted:
            return
        time.sleep(0.1)
    expect(False, system.power_state, 'is not', wanted)


def main():
    root = sushy.Sushy(URL + '/redfish/v1', auth=auth.BasicAuth('admin', TOKEN), verify=False)
    system = root.get_system('/redfish/v1/Systems/bios')
    processors = system.processors.summary
    expect(processors.count == 1 and processors.architecture == sushy.ProcessorArchitecture.X86, processors)
    linux = root.get_system('/redfish/v1/Systems/linux')
    interfaces = linux.ethernet_interfaces.get_members()
    expect(len(interfaces) == 1 and interfaces[0].mac_address.count(':') == 5, interfaces)
    expect(linux.ethernet_interfaces.summary, linux.ethernet_interfaces.summary)
    for path, kind in (('Systems/bios/VirtualMedia/cdrom0', 'VirtualMedia'),
                       ('Managers/bios/VirtualMedia/cdrom0', 'VirtualMedia'),
                       ('Systems/linux/EthernetInterfaces/0', 'EthernetInterface')):
        answer = requests.get(URL + '/redfish/v1/' + path, auth=('any', TOKEN), timeout=60).json()
        expect(answer['@odata.id'] == '/redfish/v1/' + path and answer['@odata.type'].endswith('.' + kind) and
               answer['Id'] and answer['Name'], answer)
    disks(system, ('any', TOKEN))
    conditions(system)
    boots(system, media(system))
    print('media: ok')


main()
