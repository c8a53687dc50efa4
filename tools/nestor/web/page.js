// SPDX-License-Identifier: Apache-2.0
// What the page of `nestor serve` does: asks the API for VMs and figures, shows them, and does what its buttons say.
// Whatever a run or a guest says goes into the page as text, never as HTML.
'use strict';

const PERIOD = 2000; // milliseconds between looks
const SLOWEST = 15000; // between tries to connect
const EVENTS = 100; // that are kept
const SHOWN = 20; // reasons and refusals that are shown

const $ = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// ---- the API

let token = sessionStorage.getItem('nestor-token') || '';

// The answer; else an error with the status, 0 if there was none, and what it says.
async function ask(method, path, more = {}) {
	const headers = { ...more.headers };
	let answer;

	if (token)
		headers.Authorization = `Bearer ${token}`;
	try {
		answer = await fetch(path, { method, headers, body: more.body, signal: more.signal,
			credentials: 'omit', cache: 'no-store', redirect: 'error' });
	} catch (e) {
		if (more.signal && more.signal.aborted)
			throw e;
		throw Object.assign(new Error('nestor serve cannot be reached'), { status: 0 });
	}
	if (answer.ok)
		return answer;
	let detail = `status ${answer.status}`;
	try {
		detail = (await answer.json()).detail || detail;
	} catch {
		// of something between us and the service
	}
	throw Object.assign(new Error(detail), { status: answer.status });
}

const get = async (path) => (await ask('GET', path)).json();
const ofVm = (name, what) => `/v1/vms/${encodeURIComponent(name)}/${what}`;

// Lines of a stream of server-sent events, each given as (event, data), until it ends.
async function follow(path, take, signal) {
	const reader = (await ask('GET', path, { signal })).body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '', event = '';

	for (;;) {
		const { value, done } = await reader.read();

		if (done)
			return;
		const lines = (rest + value).split('\n');
		rest = lines.pop();
		for (const line of lines) {
			if (line.startsWith('event: '))
				event = line.slice(7);
			else if (line.startsWith('data: '))
				take(event, JSON.parse(line.slice(6)));
		}
	}
}

// ---- what is told

function tell(text) {
	$('problem').textContent = text;
}

function tellLink(kind, text) {
	if ($('link').textContent !== text)
		$('link').textContent = text;
	$('link').className = kind;
}

const count = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const rate = (n) => n === null ? '-' : n < 10 && n > 0 ? n.toFixed(1) : count.format(n);

// Changes nothing that is as it is: a screen reader is not disturbed, a selection stays.
function put(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

// As many rows as there are texts; `make` makes what one has, `fill` puts its text there.
function fillRows(parent, rows, make, fill) {
	while (parent.children.length > rows.length)
		parent.lastElementChild.remove();
	while (parent.children.length < rows.length)
		parent.append(make());
	rows.forEach((row, i) => fill(parent.children[i], row));
}

function makeRow(classes) {
	const row = document.createElement('tr');

	for (const name of classes) {
		const cell = document.createElement('td');

		cell.className = name;
		row.append(cell);
	}
	return row;
}

// ---- figures

const seen = new Map(); // by VM: its last two answers, and the rates between

const sum = (list, of) => list.reduce((all, one) => all + of(one), 0);

function exitsOf(vcpu) {
	return new Map(vcpu.exits.map((e) => [`${e.level} ${e.reason}`, e.count]));
}

// Of one vCPU, between two answers; null: nothing can be said.
function ratesOf(now, before, seconds) {
	if (!before || seconds <= 0)
		return null;
	const figure = (name) => (now.figures[name] || 0) - (before.figures[name] || 0);
	const was = exitsOf(before), exits = [];

	for (const e of now.exits) {
		const more = e.count - (was.get(`${e.level} ${e.reason}`) || 0);

		exits.push({ level: e.level, reason: e.reason, all: e.count, rate: more / seconds });
	}
	const ticks = [0, 1, 2].map((l) => figure(`ticks_l${l}`)), all = sum(ticks, (t) => t);
	const of = (level) => sum(exits.filter((e) => e.level === level), (e) => e.rate);
	return { shares: ticks.map((t) => all ? t / all : 0), l1: of(1), l2: of(2), exits,
		toL1: figure('nested_exits_to_l1') / seconds };
}

function keep(stat) {
	const last = seen.get(stat.name);
	const same = last && last.stat.restarts === stat.restarts && last.stat.vcpus.length === stat.vcpus.length &&
		stat.vcpus.every((v, i) => (v.figures.ticks_l0 || 0) >= (last.stat.vcpus[i].figures.ticks_l0 || 0));
	const seconds = same ? stat.seconds - last.stat.seconds : 0;

	if (same && seconds < 0.2)
		return;
	seen.set(stat.name, { stat, rates: stat.vcpus.map((v, i) =>
		ratesOf(v, same ? last.stat.vcpus[i] : null, seconds)).filter(Boolean) });
}

const multiplication = (r) => r.toL1 > 0 ? ((r.l1 + r.l2) / r.toL1).toFixed(2) : '';

// ---- the boxes

const acts = [
	{ word: 'pause', label: 'Pause', of: ['running'], or: 'resume' },
	{ word: 'resume', label: 'Resume', of: ['paused'], or: 'pause' },
	{ word: 'powerdown', label: 'Power button', of: ['running'] },
	{ word: 'reset', label: 'Reset', of: ['running', 'paused'],
		ask: (vm) => `Reset '${vm}'? It ends at once; what its guest has not written to a disk is lost.` },
	{ word: 'stop', label: 'Stop', of: ['running', 'paused'],
		ask: (vm) => `Stop '${vm}'? It ends at once; what its guest has not written to a disk is lost.` },
	{ word: 'start', label: 'Start', of: ['off'] },
	{ word: '', method: 'DELETE', label: 'Destroy', of: ['off'],
		ask: (vm) => `Destroy '${vm}'? It is gone for good, with what is on its disks in memory.` },
];

let chosen = '';
let vms = [];

function confirmed(text, word) {
	const dialog = $('confirm');

	return new Promise((done) => {
		const end = (is) => {
			dialog.close();
			done(is);
		};

		put($('confirm-about'), text);
		put($('confirm-yes'), word);
		$('confirm-yes').onclick = () => end(true);
		$('confirm-no').onclick = () => end(false);
		dialog.oncancel = () => done(false);
		dialog.showModal();
		$('confirm-no').focus();
	});
}

async function act(vm, what) {
	if (what.ask && !await confirmed(what.ask(vm), what.label))
		return;
	tell('');
	try {
		await ask(what.method || 'POST', ofVm(vm, what.word));
	} catch (e) {
		tell(`${what.label} '${vm}': ${e.message}`);
		refuse(e);
	}
	look.now();
}

// Buttons stay where they are, and keep the focus, when they have nothing to do; Pause and Resume are one.
function fillActions(group, vm) {
	const list = acts.filter((a) => !a.or || (a.word === 'resume') === (vm.state === 'paused'));

	fillRows(group, list, () => {
		const button = document.createElement('button');

		button.type = 'button';
		return button;
	}, (button, what) => {
		const can = what.of.includes(vm.state);

		put(button, what.label);
		button.setAttribute('aria-disabled', String(!can));
		button.onclick = () => can && act(vm.name, what);
	});
}

function makeBox() {
	return $('vm').content.firstElementChild.cloneNode(true);
}

function fillBox(box, vm) {
	const kept = seen.get(vm.name), rates = kept && kept.rates.length ? kept.rates : null;
	const total = (of) => rates ? sum(rates, of) : null;
	const name = box.querySelector('.name'), l2 = box.querySelector('.l2'), state = box.querySelector('.state');
	const nested = kept && kept.stat.vcpus.some((v) => v.figures.nested_entries > 0);
	const toL1 = total((r) => r.toL1), all = total((r) => r.l1 + r.l2);

	box.setAttribute('aria-label', `VM ${vm.name}`);
	box.classList.toggle('chosen', vm.name === chosen);
	put(name, vm.name);
	name.setAttribute('aria-pressed', String(vm.name === chosen));
	name.title = `Figures, refusals and console of '${vm.name}'`;
	name.onclick = () => choose(vm.name);
	put(state, vm.state);
	state.className = `state ${vm.state}`;
	put(box.querySelector('.l1-rate'), rate(total((r) => r.l1)));
	put(box.querySelector('.l2-rate'), rate(nested ? total((r) => r.l2) : null));
	l2.classList.toggle('empty', !nested);
	put(box.querySelector('.l2-about'), !nested ? 'no guest of its own' :
		`${rate(toL1)}/s go to L1${toL1 ? `; L0 takes ${(all / toL1).toFixed(2)} exits for each` : ''}`);
	const actions = box.querySelector('.actions');
	actions.setAttribute('aria-label', `What can be done with ${vm.name}`);
	fillActions(actions, vm);
}

// ---- one VM

function fillVcpus(rates) {
	fillRows($('vcpus').tBodies[0], rates, () => {
		const row = makeRow(['', '', '', '', 'bar-of', '', '', '', '']), bar = document.createElement('div');

		bar.className = 'bar';
		bar.setAttribute('aria-hidden', 'true');
		bar.append(...[0, 1, 2].map(() => document.createElement('i')));
		row.children[4].append(bar);
		return row;
	}, (row, r) => {
		const cells = row.children;

		put(cells[0], String(rates.indexOf(r)));
		r.shares.forEach((share, i) => {
			put(cells[1 + i], `${(100 * share).toFixed(1)} %`);
			cells[4].firstChild.children[i].style.width = `${100 * share}%`;
		});
		put(cells[5], rate(r.l1));
		put(cells[6], rate(r.l2));
		put(cells[7], rate(r.toL1));
		put(cells[8], multiplication(r));
	});
}

function fillExits(rates) {
	const all = new Map();

	for (const e of rates.flatMap((r) => r.exits)) {
		const key = `${e.level} ${e.reason}`, one = all.get(key) || { ...e, rate: 0, all: 0 };

		one.rate += e.rate;
		one.all += e.all;
		all.set(key, one);
	}
	const list = [...all.values()].sort((a, b) => b.rate - a.rate || b.all - a.all).slice(0, SHOWN);
	fillRows($('exits').tBodies[0], list, () => makeRow(['', 'word', '', '']), (row, e) => {
		put(row.children[0], `L${e.level}`);
		put(row.children[1], e.reason);
		put(row.children[2], rate(e.rate));
		put(row.children[3], count.format(e.all));
	});
}

function fillRefusals(list, why) {
	fillRows($('refusals'), list.slice(-SHOWN).reverse(), () => document.createElement('li'),
		(item, r) => put(item, `L${r.level}, vCPU ${r.vcpu}: ${r.text}`));
	put($('no-refusals'), list.length ? '' : why);
}

// What changes a device; what it said is shown with the name of the button.
async function change(what, method, path, body) {
	tell('');
	try {
		await ask(method, path, body ? { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) } : {});
	} catch (e) {
		tell(`${what}: ${e.message}`);
		refuse(e);
	}
	look.now();
}

function makeDevice(tag) {
	return () => {
		const item = document.createElement('li'), about = document.createElement('span');

		about.className = 'about';
		item.append(about, ...tag.map((name) => {
			const part = document.createElement(name);

			if (name === 'button')
				part.type = 'button';
			return part;
		}));
		return item;
	};
}

// The words of a list that somebody may be about to choose from are left alone while they are the same; the one that is
// chosen stays, wherever it is now.
function fillOptions(select, words) {
	const was = select.value;

	fillRows(select, words, () => document.createElement('option'), put);
	if (select.value !== was && words.includes(was))
		select.value = was;
}

function button(element, label, about, does) {
	put(element, label);
	element.setAttribute('aria-label', `${label} ${about}`);
	element.onclick = does;
}

function fillDrive(images) {
	return (item, drive) => {
		const [select, insert, eject] = item.querySelectorAll('select, button');
		const path = ofVm(chosen, `media/${encodeURIComponent(drive.disk)}`), name = `${drive.disk} of ${chosen}`;

		put(item.firstElementChild, `${drive.disk}: ${drive.image === 'none' ? 'empty' : drive.image}`);
		select.setAttribute('aria-label', `Image for ${name}`);
		fillOptions(select, images);
		select.hidden = insert.hidden = !images.length;
		button(insert, 'Insert', `into ${name}`,
			() => change(`Insert into ${name}`, 'PUT', path, { image: select.value }));
		button(eject, 'Eject', name, () => change(`Eject ${name}`, 'DELETE', path));
	};
}

function fillNet(networks) {
	return (item, net) => {
		const [select, move, link] = item.querySelectorAll('select, button');
		const path = ofVm(chosen, `links/${net.net}`), name = `network device ${net.net} of ${chosen}`;
		const others = networks.filter((n) => n !== net.network);

		put(item.firstElementChild, `network device ${net.net}: ${net.network}, ${net.mac}, link ${net.up ? 'up' : 'down'}`);
		select.setAttribute('aria-label', `Network for ${name}`);
		fillOptions(select, others);
		select.hidden = move.hidden = !others.length;
		button(move, 'Move', name, () => change(`Move ${name}`, 'PUT', path, { network: select.value }));
		button(link, net.up ? 'Link down' : 'Link up', `of ${name}`,
			() => change(`Link of ${name}`, 'PUT', path, { up: !net.up }));
	};
}

const EMPTY = 'an empty disk of '; // and as many GiB
const AS_IT_IS = 'what it has';

// What a bay may be given: names of disks have no spaces.
function bayWords(slot, disks) {
	return [...slot.size ? [AS_IT_IS] : [], ...disks.disks.map((d) => d.name),
		...[1, 8, 64].filter((n) => n * 2 ** 30 <= disks.scratch).map((n) => `${EMPTY}${n} GiB`)];
}

function bayBody(word, keep) {
	if (word === AS_IT_IS)
		return undefined;
	return word.startsWith(EMPTY) ? { scratch: parseInt(word.slice(EMPTY.length), 10) * 2 ** 30 } : { disk: word, keep };
}

function makeSlot() {
	const item = makeDevice(['select', 'label', 'button'])(), keep = document.createElement('input');

	keep.type = 'checkbox';
	item.querySelector('label').append(keep, ' keep what is written');
	return item;
}

// A bay that waits for a disk has a list of those that there are; whether one is kept matters of a file only.
function fillSlot(disks) {
	return (item, slot) => {
		const [select, label, does] = item.querySelectorAll('select, label, button'), keep = label.firstElementChild;
		const path = ofVm(chosen, `slots/${slot.slot}`), name = `slot ${slot.slot} of ${chosen}`;
		const bay = slot.holds === 'bay', waits = bay && !slot.attached;
		const seeWhich = () => {
			label.hidden = !waits || !disks.disks.some((d) => d.name === select.value);
		};

		put(item.firstElementChild, `slot ${slot.slot}: ${bay && !slot.size ? 'an empty bay' : slot.holds} '${slot.name}'` +
			`${bay && slot.size ? `, ${count.format(slot.size)} bytes` : ''}, ${slot.attached ? 'attached' : 'not attached'}` +
			`${slot.holder && !slot.attached ? `: '${slot.holder}' has it` : ''}`);
		select.setAttribute('aria-label', `Disk for ${name}`);
		keep.setAttribute('aria-label', `Keep what is written to ${name}`);
		fillOptions(select, waits ? bayWords(slot, disks) : []);
		select.hidden = !select.options.length;
		select.onchange = seeWhich;
		seeWhich();
		button(does, slot.attached ? 'Detach' : 'Attach', name, () => slot.attached ? change(`Detach ${name}`, 'DELETE', path) :
			change(`Attach ${name}`, 'PUT', path, waits && select.value ? bayBody(select.value, keep.checked) : undefined));
	};
}

// What was another VM's, or is not there while this one is off, has no buttons.
function forgetDevices() {
	$('console-which').replaceChildren();
	$('console-which').hidden = true;
	$('nets').replaceChildren();
	$('drives').replaceChildren();
	$('slots').replaceChildren();
	put($('no-devices'), '');
}

let images = null; // of the run, once they were asked for

async function showDevices(name) {
	const { media, links, slots, ports } = await get(ofVm(name, 'devices'));

	images = images || (await get('/v1/images')).images.map((i) => i.name);
	const disks = slots.some((s) => s.holds === 'bay' && !s.attached) ? await get('/v1/disks') : { disks: [], scratch: 0 };
	const networks = links.length ? (await get('/v1/networks')).networks.map((n) => n.name) : [];
	if (name !== chosen)
		return;
	fillRows($('nets'), links, makeDevice(['select', 'button', 'button']), fillNet(networks));
	fillRows($('drives'), media, makeDevice(['select', 'button', 'button']), fillDrive(images));
	fillOptions($('console-which'), [CONSOLE, ...ports.map((port) => PORT + port)]);
	$('console-which').hidden = !ports.length || typeof Terminal !== 'function';
	fillRows($('slots'), slots, makeSlot, fillSlot(disks));
	put($('no-devices'), links.length + media.length + slots.length ? '' : 'None.');
}

async function define(event) {
	event.preventDefault();
	await change('Define', 'POST', '/v1/vms', { name: $('define-name').value.trim(), like: $('define-like').value });
	if (!$('problem').textContent)
		$('define-name').value = '';
}

async function showChosen() {
	const vm = vms.find((v) => v.name === chosen), kept = seen.get(chosen);

	$('detail').hidden = !vm;
	if (!vm)
		return;
	put($('detail-name'), `${vm.name}: ${vm.state}, ${vm.cpus} vCPU${vm.cpus > 1 ? 's' : ''}, ` +
		`${count.format(vm.memory / 1048576)} MiB, weight ${vm.weight}` +
		(vm.restarts ? `, begun again: ${vm.restarts}` : ''));
	fillVcpus(kept ? kept.rates : []);
	fillExits(kept ? kept.rates : []);
	try {
		await showDevices(vm.name);
	} catch (e) {
		if (e.status !== 409 && e.status !== 404)
			throw e;
		if (vm.name === chosen)
			forgetDevices();
	}
	if (vm.state !== 'running' && vm.state !== 'paused') {
		fillRefusals([], 'It does not run.');
		return;
	}
	try {
		const { refusals } = await get(ofVm(chosen, 'explain'));

		if (vm.name === chosen)
			fillRefusals(refusals, 'Nothing.');
	} catch (e) {
		if (e.status !== 409 && e.status !== 404)
			throw e;
	}
}

function choose(name) {
	if (chosen !== name) {
		pane.close();
		forgetDevices();
	}
	chosen = name;
	sessionStorage.setItem('nestor-vm', name);
	$('vms').querySelectorAll('article').forEach((box, i) => vms[i] && fillBox(box, vms[i]));
	showChosen().catch(() => look.now());
}

// ---- its console

// xterm.js makes style elements, which the policy of this page forbids, as it forbids all that is not in its files. It
// gets elements that do nothing but give their text to a style sheet made by script, which is allowed. The same for the
// attribute.
function tameXterm() {
	const create = document.createElement.bind(document);
	const set = Element.prototype.setAttribute;

	document.createElement = (name, options) => {
		if (name !== 'style')
			return create(name, options);
		const element = create('span'), sheet = new CSSStyleSheet();

		element.hidden = true;
		document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
		Object.defineProperty(element, 'textContent', { set: (text) => sheet.replaceSync(text) });
		element.remove = () => {
			document.adoptedStyleSheets = document.adoptedStyleSheets.filter((s) => s !== sheet);
			Element.prototype.remove.call(element);
		};
		return element;
	};
	Element.prototype.setAttribute = function (name, value) {
		if (name === 'style')
			this.style.cssText = value;
		else
			set.call(this, name, value);
	};
}

const bytesOf = (hex) => Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));

const CONSOLE = 'console';
const PORT = 'port '; // and its name

const pane = {
	vm: '',
	port: '', // empty: its console
	terminal: null,
	ends: null, // an AbortController
	at: 0, // bytes that it has
	typed: [], // bytes that wait to be sent
	sends: false,

	theme() {
		const is = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

		return { background: is('--console'), foreground: is('--text'), cursor: is('--accent'),
			cursorAccent: is('--console'), selectionBackground: is('--l2') };
	},

	// A port is for programs, which read lines: one is edited here, and sent with its end.
	line: '',

	open(vm, which) {
		this.vm = vm;
		this.port = which.startsWith(PORT) ? which.slice(PORT.length) : '';
		this.line = '';
		this.at = 0;
		this.typed = [];
		this.ends = new AbortController();
		this.terminal = new Terminal({ cols: 80, rows: 24, convertEol: true, scrollback: 5000, fontSize: 14,
			theme: this.theme(), screenReaderMode: $('reader').checked });
		for (const id of ['console', 'console-close', 'reader-label'])
			$(id).hidden = false;
		this.terminal.open($('console'));
		this.terminal.attachCustomKeyEventHandler((e) => {
			if (!e.ctrlKey || (e.key !== ']' && e.code !== 'BracketRight'))
				return true;
			$('console-close').focus();
			return false;
		});
		this.terminal.onData((text) => this.port ? this.edit(text) : this.type(new TextEncoder().encode(text)));
		this.terminal.onBinary((text) => this.port || this.type(Uint8Array.from(text, (c) => c.charCodeAt(0))));
		put($('console-open'), 'Close');
		$('console-open').setAttribute('aria-expanded', 'true');
		this.tellHow();
		this.terminal.focus();
		this.watch(this.ends.signal);
	},

	tellHow() {
		put($('console-about'), this.port ? `Lines go to port '${this.port}', which nobody else has meanwhile. Ctrl-] leaves it.` :
			'Ctrl-] leaves the console.');
	},

	// Where it is: what a console has said is kept, of a port nothing is.
	path() {
		return ofVm(this.vm, this.port ? `ports/${encodeURIComponent(this.port)}` : 'console');
	},

	close() {
		if (!this.terminal)
			return;
		if (document.activeElement === $('console-close'))
			$('console-open').focus();
		this.ends.abort();
		this.terminal.dispose();
		this.terminal = null;
		$('console').replaceChildren();
		for (const id of ['console', 'console-close', 'reader-label'])
			$(id).hidden = true;
		put($('console-open'), 'Open');
		$('console-open').setAttribute('aria-expanded', 'false');
		put($('console-about'), '');
	},

	take({ at, data }) {
		const bytes = bytesOf(data);

		if (this.port) {
			this.terminal.write(bytes);
			return;
		}
		if (at < this.at)
			this.terminal.reset(); // another run: it counts anew
		else if (at > this.at && this.at)
			this.terminal.write(`\r\n[${at - this.at} bytes are missing here]\r\n`);
		this.at = at + bytes.length;
		this.terminal.write(bytes);
	},

	async watch(signal) {
		for (let wait = 1000; !signal.aborted; wait = Math.min(2 * wait, SLOWEST)) {
			try {
				await follow(this.path() + (this.port ? '' : `?since=${this.at}`), (event, data) => {
					wait = 500;
					if (event === 'output' && !signal.aborted)
						this.take(data);
				}, signal);
			} catch (e) {
				if (!signal.aborted)
					put($('console-about'), `${e.message}; trying again`);
				refuse(e);
			}
			await sleep(wait);
			if (!signal.aborted)
				this.tellHow();
		}
	},

	edit(text) {
		for (const c of text) {
			if (c === '\r' || c === '\n') {
				this.terminal.write('\r\n');
				this.type(new TextEncoder().encode(`${this.line}\n`));
				this.line = '';
			} else if (c === '\x7f' && this.line) {
				this.line = [...this.line].slice(0, -1).join('');
				this.terminal.write('\b \b');
			} else if (c >= ' ' && c !== '\x7f') {
				this.line += c;
				this.terminal.write(c);
			}
		}
	},

	// In order: one request at a time.
	async type(bytes) {
		const ends = this.ends, path = this.path(), to = this.port ? `port '${this.port}' of '${this.vm}'` : `'${this.vm}'`;

		this.typed.push(...bytes);
		if (this.sends)
			return;
		this.sends = true;
		while (this.typed.length && this.ends === ends) {
			const body = Uint8Array.from(this.typed.splice(0, 4096));

			try {
				await ask('POST', path, { body, headers: { 'Content-Type': 'application/octet-stream' } });
			} catch (e) {
				this.typed = [];
				tell(`Not typed at ${to}: ${e.message}`);
				refuse(e);
			}
		}
		this.sends = false;
	},
};

// ---- what happens

const happened = [];

function words(event, data) {
	const { vm, tsc, ...more } = data;
	const rest = data.text || Object.entries(more).map(([key, value]) => `${key} ${value}`).join(', ');

	if (event === 'vm-start')
		return `'${vm}' begins`;
	if (event === 'vm-end')
		return `'${vm}' ended (${data.kind})${data.restart ? ' and begins again' : ''}`;
	if (event === 'vm-defined')
		return `'${vm}' is there, like '${data.like}'`;
	if (event === 'vm-gone')
		return `'${vm}' is no more`;
	return `${vm ? `'${vm}': ` : ''}${event} ${rest}`;
}

function takeEvent(event, data) {
	if (event === 'stat' || event === 'dump')
		return;
	happened.push({ when: new Date(), text: words(event, data) });
	happened.splice(0, happened.length - EVENTS);
	if (!takeEvent.waits)
		takeEvent.waits = setTimeout(showEvents, 300);
	if (['vm-start', 'vm-end', 'vm-defined', 'vm-gone'].includes(event))
		look.now();
}

// New ones are put first, the others stay: only news are read aloud.
function showEvents() {
	const list = $('events');

	takeEvent.waits = 0;
	for (const one of happened.filter((h) => !h.shown)) {
		const item = document.createElement('li'), time = document.createElement('time');

		time.dateTime = one.when.toISOString();
		time.textContent = one.when.toLocaleTimeString('en-GB');
		item.append(time, one.text);
		list.prepend(item);
		one.shown = true;
	}
	while (list.children.length > EVENTS)
		list.lastElementChild.remove();
	$('no-events').hidden = list.children.length > 0;
}

async function watchEvents() {
	for (let wait = 1000;; wait = Math.min(2 * wait, SLOWEST)) {
		try {
			await look.connected();
			await follow('/v1/events', (event, data) => {
				wait = 500;
				takeEvent(event, data);
			});
		} catch (e) {
			refuse(e);
		}
		await sleep(wait);
	}
}

// ---- looking

// A time at which something is to be done again, or earlier if somebody wishes.
const look = {
	wake: () => {},
	waiting: [], // for a connection
	is: false,
	instead: null, // to be done once, while nobody looks

	now() {
		this.wake();
	},

	sleep(ms) {
		return new Promise((done) => {
			const timer = setTimeout(done, ms);

			this.wake = () => {
				clearTimeout(timer);
				setTimeout(done, 100); // several at once are one
			};
		});
	},

	connected() {
		return this.is ? Promise.resolve() : new Promise((done) => this.waiting.push(done));
	},

	set(is) {
		this.is = is;
		images = is ? images : null; // another run has others
		if (is)
			this.waiting.splice(0).forEach((done) => done());
	},

	async once() {
		const list = (await get('/v1/vms')).vms;

		for (const vm of list)
			keep(await get(ofVm(vm.name, 'stat')));
		vms = list;
		fillRows($('vms'), vms, makeBox, fillBox);
		fillOptions($('define-like'), vms.map((v) => v.name));
		const all = [...seen].filter(([name]) => vms.some((v) => v.name === name)).flatMap(([, kept]) => kept.rates);
		put($('l0-rate'), rate(all.length ? sum(all, (r) => r.l1 + r.l2) : null));
		if (!vms.some((v) => v.name === chosen))
			choose(vms.length ? vms[0].name : '');
		else
			await showChosen();
	},
};

function showLogin(why) {
	$('login').hidden = false;
	$('nest').hidden = $('bundle').hidden = $('forget').hidden = true;
	$('login-error').textContent = why;
	tellLink('', 'a token is needed');
	$('token').focus();
}

function forget(why) {
	look.set(false);
	pane.close();
	if ($('login').hidden)
		showLogin(why);
	token = '';
	sessionStorage.removeItem('nestor-token');
}

// A token that is refused is forgotten.
function refuse(e) {
	if (e.status === 401)
		forget(token ? 'This is not the token of this service.' : '');
}

async function run() {
	for (let wait = 1000;;) {
		if (!$('login').hidden || document.hidden) {
			await look.sleep(60000);
			continue;
		}
		if (look.instead) {
			await look.instead();
			look.instead = null;
		}
		try {
			await look.once();
			$('nest').hidden = $('bundle').hidden = false;
			$('forget').hidden = !token;
			look.set(true);
			tellLink('good', 'connected');
			wait = 1000;
			await look.sleep(PERIOD);
		} catch (e) {
			refuse(e);
			if (e.status === 401)
				continue;
			look.set(false);
			tellLink('bad', `${e.message}; trying again`);
			await look.sleep(wait);
			wait = Math.min(2 * wait, SLOWEST);
		}
	}
}

// ---- the beginning

function login(event) {
	event.preventDefault();
	token = $('token').value.trim();
	$('token').value = '';
	if (!/^[\x21-\x7e]+$/.test(token)) {
		token = '';
		$('login-error').textContent = 'A token has letters, digits and signs only.';
		return;
	}
	sessionStorage.setItem('nestor-token', token);
	$('login').hidden = true;
	$('login-error').textContent = '';
	tell('');
	tellLink('', 'connecting');
	look.now();
}

// VMs stand still meanwhile: there is nothing to look at.
async function bundle() {
	if (look.instead || !await confirmed('Make an archive with registers, VMCSs, code and stack of all VMs? They stand still meanwhile.', 'Make it'))
		return;
	tell('');
	look.instead = makeBundle;
	look.now();
}

async function makeBundle() {
	tellLink('', 'making the report');
	try {
		const link = document.createElement('a');

		link.href = URL.createObjectURL(await (await ask('POST', '/v1/bundle')).blob());
		link.download = 'nestor-bundle.tar.gz';
		link.click();
		setTimeout(() => URL.revokeObjectURL(link.href), 60000);
	} catch (e) {
		tell(`Report: ${e.message}`);
		refuse(e);
	}
}

function begin() {
	const hasConsoles = typeof Terminal === 'function';

	chosen = sessionStorage.getItem('nestor-vm') || '';
	$('login').onsubmit = login;
	$('define').onsubmit = define;
	$('bundle').onclick = bundle;
	$('forget').onclick = () => forget('');
	$('console-open').onclick = () => pane.terminal ? pane.close() : pane.open(chosen, $('console-which').value);
	$('console-close').onclick = () => pane.close();
	$('console-which').onchange = () => pane.close();
	$('console-open').hidden = !hasConsoles;
	$('reader').onchange = () => {
		if (pane.terminal)
			pane.terminal.options.screenReaderMode = $('reader').checked;
	};
	if (hasConsoles)
		tameXterm();
	else
		put($('console-about'), 'This nestor was built without xterm.js: nestor console is the way.');
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
		if (pane.terminal)
			pane.terminal.options.theme = pane.theme();
	});
	document.addEventListener('visibilitychange', () => look.now());
	run();
	watchEvents();
}

begin();
