#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Redfish of `nestor serve` by OpenStack's client, sushy, and by walking all links.

usage: redfish.py URL TOKEN-FILE    the run has VMs a, b (which obeys its power button) and c
"""
import sys
import time
import xml.etree.ElementTree

import requests
import sushy
from sushy import auth, exceptions

from checks import expect, expect_raises

URL = sys.argv[1]
with open(sys.argv[2], encoding='ascii') as token:
    TOKEN = token.readline().strip()


# Properties that DMTF's JSON schemas (DSP8010 2025.4) require, "required" of the definition that @odata.type names, beside
# @odata.id, @odata.type, Name and Id: Chassis.v1_15_0, ServiceRoot.v1_9_0, EventDestination.v1_10_0,
# MessageRegistryFile.v1_1_0; ComputerSystem.v1_20_0, EthernetInterface.v1_9_0, EventService.v1_7_0, Manager.v1_11_0,
# Memory.v1_9_0, Processor.v1_16_0, Session.v1_3_0, SessionService.v1_1_8, AccountService.v1_3_0,
# ManagerAccount.v1_3_0, Role.v1_2_4, Storage.v1_7_0, Drive.v1_7_0, Volume.v1_3_0, TaskService.v1_2_0 and VirtualMedia.v1_4_0 no others.
# Of collections: Name, Members, Members@odata.count.
REQUIRED = {
    'Chassis': {'ChassisType'},
    'ServiceRoot': {'Links'},
    'ComputerSystem': set(), 'EthernetInterface': set(), 'Manager': set(), 'Processor': set(), 'Session': set(),
    'SessionService': set(), 'TaskService': set(), 'VirtualMedia': set(), 'EventService': set(), 'Memory': set(),
    'AccountService': set(), 'ManagerAccount': set(), 'Role': set(), 'Storage': set(), 'Drive': set(), 'Volume': set(),
    'EventDestination': {'Context', 'SubscriptionType'}, 'MessageRegistryFile': {'Languages', 'Location', 'Registry'},
}
COLLECTION = {'Members', 'Members@odata.count'}


def walk():
    """Each resource is where it says that it is, and has what all must have."""
    seen, left = {}, ['/redfish/v1/']
    while left:
        path = left.pop()
        if path in seen:
            continue
        answer = requests.get(URL + path, auth=('any', TOKEN), timeout=60)
        expect(answer.status_code == 200, path, answer.status_code, answer.text)
        expect(answer.headers['OData-Version'] == '4.0', path, answer.headers)
        seen[path] = answer.json()
        expect(seen[path]['@odata.id'] == path, path, seen[path])
        kind = seen[path]['@odata.type'].split('.')[-1]
        needs = {'@odata.id', '@odata.type', 'Name'} | (
            COLLECTION if kind.endswith('Collection') else {'Id'} | REQUIRED[kind])
        expect(needs <= set(seen[path]), path, 'lacks', needs - set(seen[path]))
        expect(kind.endswith('Collection') != ('Id' in seen[path]), path, seen[path])
        members = seen[path].get('Members', [])
        expect(len(members) == seen[path].get('Members@odata.count', 0), path, seen[path])
        left += links(seen[path])
    kinds = {r['@odata.type'].split('.')[-1] for r in seen.values()}
    expect({'ServiceRoot', 'ComputerSystem', 'Manager', 'Chassis', 'SessionService', 'TaskService', 'TaskCollection',
            'Processor', 'VirtualMediaCollection', 'EthernetInterfaceCollection', 'EventService', 'Memory',
            'AccountService', 'ManagerAccountCollection', 'Role', 'Storage', 'VolumeCollection',
            'EventDestinationCollection', 'MessageRegistryFile'} <= kinds, kinds)


def links(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == '@odata.id':
                yield inner
            else:
                yield from links(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from links(inner)


def open_documents():
    """What clients read before they have a token; all else needs one."""
    for path in '/redfish', '/redfish/v1/odata', '/redfish/v1':
        expect(requests.get(URL + path, timeout=60).status_code == 200, path)
    metadata = requests.get(URL + '/redfish/v1/$metadata', timeout=60)
    expect(metadata.headers['Content-Type'] == 'application/xml', metadata.headers)
    xml.etree.ElementTree.fromstring(metadata.content)
    answer = requests.get(URL + '/redfish/v1/Systems', timeout=60)
    expect(answer.status_code == 401 and 'error' in answer.json(), answer.text)
    answer = requests.get(URL + '/redfish/v1/Systems?$expand=.', auth=('any', TOKEN), timeout=60)
    expect(answer.status_code == 501, answer.text)


def state(system, wanted):
    for _ in range(150):
        system.refresh(force=True)
        if system.power_state == wanted:
            return
        time.sleep(0.1)
    expect(False, system.name, 'is', system.power_state, 'not', wanted)


def lives(root):
    systems = {s.name: s for s in root.get_system_collection().get_members()}
    expect(sorted(systems) == ['a', 'b', 'c'], systems)
    a, b, c = (systems[name] for name in 'abc')
    expect(a.power_state == sushy.PowerState.ON, a.power_state)
    expect(a.system_type == sushy.SystemType.VIRTUAL, a.system_type)
    expect(a.json['MemorySummary']['TotalSystemMemoryGiB'] == 1 / 64, a.json)
    expect(a.json['ProcessorSummary']['LogicalProcessorCount'] == 1, a.json)
    wanted = {sushy.ResetType.ON, sushy.ResetType.FORCE_OFF, sushy.ResetType.GRACEFUL_SHUTDOWN,
              sushy.ResetType.FORCE_RESTART, sushy.ResetType.NMI}
    expect(wanted <= set(a.get_allowed_reset_system_values()), a.get_allowed_reset_system_values())
    expect([m.identity for m in a.managers] == ['a'], a.managers)
    expect([ch.identity for ch in a.chassis] == ['nest'], a.chassis)
    c.reset_system(sushy.ResetType.NMI)
    c.reset_system(sushy.ResetType.FORCE_OFF)
    state(c, sushy.PowerState.OFF)
    c.reset_system(sushy.ResetType.FORCE_OFF)  # it is already
    expect_raises(exceptions.HTTPError, lambda: c.reset_system(sushy.ResetType.FORCE_RESTART), 'off')
    c.reset_system(sushy.ResetType.ON)
    state(c, sushy.PowerState.ON)
    c.reset_system(sushy.ResetType.FORCE_RESTART)
    state(c, sushy.PowerState.ON)
    b.reset_system(sushy.ResetType.GRACEFUL_SHUTDOWN)
    state(b, sushy.PowerState.OFF)
    b.reset_system(sushy.ResetType.ON)
    state(b, sushy.PowerState.ON)
    target = a.path + '/Actions/ComputerSystem.Reset'
    for kind, wanted in ('Pause', 'Paused'), ('Resume', 'On'):
        expect(root._conn.post(target, data={'ResetType': kind}).status_code == 204, kind)
        a.refresh(force=True)
        expect(a.json['PowerState'] == wanted, kind, a.json)
    expect_raises(exceptions.BadRequestError,
                  lambda: root._conn.post(target, data={'ResetType': 'Explode'}))
    expect_raises(exceptions.ResourceNotFoundError, lambda: root.get_system('/redfish/v1/Systems/z'))


def sessions():
    """A session is begun, seen, used and ended; a wrong password begins none."""
    root = sushy.Sushy(URL + '/redfish/v1', auth=auth.SessionAuth('admin', TOKEN), verify=False)
    members = root.get_session_service().sessions.get_members()
    expect([s.username for s in members] == ['admin'], members)
    secret = root._auth.get_session_key()
    with_it = {'X-Auth-Token': secret}
    expect(requests.get(URL + '/v1/vms', headers=with_it, timeout=60).status_code == 200, 'session')
    root._auth.close()
    expect(requests.get(URL + '/v1/vms', headers=with_it, timeout=60).status_code == 401, 'it goes on')
    expect_raises(exceptions.AccessError, lambda: sushy.Sushy(
        URL + '/redfish/v1', auth=auth.SessionAuth('admin', TOKEN + 'x'), verify=False))


def main():
    open_documents()
    walk()
    sessions()
    lives(sushy.Sushy(URL + '/redfish/v1', auth=auth.BasicAuth('admin', TOKEN), verify=False))


main()
