// SPDX-License-Identifier: LGPL-2.1-or-later
// Cameras, workers, branches and events as elements, made once and then only changed where something changed.
import { draw, load } from './boxes.js';
import * as plots from './plots.js';

const TONES = { ok: 'good', waiting: 'busy', starting: 'busy', slow: 'warn', starved: 'warn', 'no frames': 'warn', 'starts again': 'warn', ending: 'warn',
  stuck: 'bad', dead: 'bad', 'given up': 'bad' };
const MARKS = { good: '●', busy: '○', warn: '▲', bad: '✕' };
const WAYS = { latest: 'newest frame', 'drop-newest': 'every frame', 'drop-oldest': 'newest frames, in order' };
const KINDS = { 'give-up': 'bad', error: 'bad', kill: 'bad', exit: 'bad', left: 'warn', warning: 'warn', fault: 'warn', fallback: 'warn',
  restart: 'good', start: 'good' };

export const tone = (state) => TONES[state] ?? '';
export const time = (at) => new Date(1000 * at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const whole = (number) => (number ?? 0).toLocaleString();
const percent = (share) => (share === 0 ? '0 %' : `${Math.round(100 * share)} %`);

export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

function short(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 0.01) return `${(1000 * seconds).toFixed(1)} ms`;
  return seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`;
}

const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString([], { maximumFractionDigits: 1 })} MB`;

// A recorder has no picture: what it keeps stands there.
function keeps({ segments, bytes, clips, clips_bytes }) {
  const parts = [['segments', segments, bytes], ['clips', clips, clips_bytes]].filter(([, count]) => count !== undefined);
  return parts.map(([what, count, size]) => `${whole(count)} ${what}, ${megabytes(size)}`).join('; ');
}

// "2 person, 1 dog"
function found(objects) {
  const counts = {};
  for (const { label } of objects) counts[label] = (counts[label] ?? 0) + 1;
  return Object.entries(counts).map(([label, count]) => `${count} ${label}`).join(', ') || 'nothing found';
}

// The state of the process goes before that of its lane.
export function standing({ phase, state }) {
  if (phase === 'given up' || phase === 'starting' || phase === 'ending') return phase;
  return phase === 'idle' ? 'starts again' : phase === 'stopped' ? 'stopped' : state;
}

// A copy of a template, and its parts by their names.
function copy(id) {
  const root = document.getElementById(id).content.firstElementChild.cloneNode(true), at = {};
  for (const part of root.querySelectorAll('[data-at]')) at[part.dataset.at] = part;
  return { root, at };
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function paint(element, name) {
  element.className = `state ${tone(name)}`;
  say(element, `${MARKS[tone(name)] ?? '■'} ${name}`);
}

// Children for names: what is new is made, what is gone is taken out.
function match(parent, known, names, make) {
  for (const [name, part] of known) if (!names.includes(name)) { part.root.remove(); known.delete(name); }
  for (const name of names) if (!known.has(name)) {
    const part = make(name);
    known.set(name, part);
    parent.append(part.root);
  }
}

export class Cameras {
  constructor(parent) { this.parent = parent; this.known = new Map(); }

  update(moment, history, kept) {
    match(this.parent, this.known, moment.cameras.map((camera) => camera.name), () => new Camera());
    for (const camera of moment.cameras)
      this.known.get(camera.name).update(camera, moment, history[camera.name] ?? {}, moment.pictures[camera.name] ?? {}, kept);
  }
}

class Camera {
  constructor() {
    Object.assign(this, copy('camera'));
    this.workers = new Map();
    this.branches = new Map();
    this.received = [];
    this.losses = new Map();
  }

  update(camera, moment, history, pictures, kept) {
    const { at } = this, now = moment.at, ring = camera.ring ?? {};
    const isSilent = camera.phase === 'running' && moment.troubles.some((one) => one.camera === camera.name && !one.worker);
    say(at.name, camera.name);
    paint(at.state, isSilent ? 'no frames' : standing(camera));
    at.state.title = camera.reason ?? '';
    say(at.input, camera.input ?? '');
    at.input.title = camera.input ?? '';
    say(at.rate, this.rate(camera.received, now));
    say(at.published, whole(camera.published));
    this.loss(at.inbox, camera.mailbox_drops ?? 0, now);
    say(at.slots, ring.slots ? `${ring.slots - ring.free_slots} of ${ring.slots}` : '–');
    this.loss(at['no-slot'], ring.dropped_no_slot ?? 0, now);
    const zones = camera.zones ?? [];
    at['zones-row'].hidden = !zones.length;
    say(at.zones, zones.map(({ name, inside }) => `${name} ${inside}`).join(', '));
    match(at.workers, this.workers, camera.workers.map((worker) => worker.name), () => new Worker());
    for (const worker of camera.workers)
      this.workers.get(worker.name).update(worker, now, camera, history[worker.name] ?? [], pictures[worker.name], kept);
    const branches = camera.branches ?? [];
    at.branches.hidden = !branches.length;
    match(at.rows, this.branches, branches.map((branch) => branch.name), () => new Branch());
    for (const branch of branches) this.branches.get(branch.name).update(branch);
  }

  // Red for a minute after it has grown: a loss of last week is a figure, one of now is a fault.
  loss(element, count, now) {
    const before = this.losses.get(element) ?? { count, at: -Infinity };
    const at = count > before.count ? now : before.at;
    this.losses.set(element, { count, at });
    say(element, whole(count));
    element.className = now - at < 60 ? 'bad' : '';
  }

  rate(received, now) {
    if (this.received.length && received < this.received.at(-1)[1]) this.received = [];
    this.received = [...this.received, [now, received ?? 0]].slice(-6);
    const [since, before] = this.received[0];
    return now > since ? `${((received - before) / (now - since)).toFixed(1)} / s` : '–';
  }
}

class Worker {
  constructor() { Object.assign(this, copy('worker')); this.shown = 0; this.boxes = ''; this.isLoading = false; }

  update(worker, now, camera, history, taken, kept) {
    const { at } = this, name = standing(worker), limits = worker.limits ?? {};
    say(at.name, worker.name);
    paint(at.state, name);
    this.root.classList.toggle('ill', tone(name) === 'bad');
    say(at.about, `${worker.level}, ${WAYS[worker.policy] ?? worker.policy ?? ''}${worker.restarts ? `, ↻ ${worker.restarts}` : ''}`);
    say(at.reason, worker.reason ?? '');
    at.reason.title = worker.reason ?? '';
    this.picture(worker, now, camera, taken, keeps(camera.reports?.[worker.name] ?? {}));
    const minute = plots.shareDropped(history.slice(-60));
    const age = `${short(worker.age_p50)}, p99 ${short(worker.age_p99)}`, lost = `${percent(minute)} in 1 min`;
    say(at.age, age);
    say(at.drops, lost);
    say(at['age-limit'], limits.frame_age ? `≤ ${short(limits.frame_age)}` : '');
    say(at['drop-limit'], limits.drop_rate < 1 ? `≤ ${percent(limits.drop_rate)}` : '');
    const since = `over the last ${lasting(history.length)}`;
    plots.ages(at['age-plot'], history, kept, limits.frame_age || null, `Age of frames ${since}: ${age}`);
    plots.drops(at['drop-plot'], history, kept, limits.drop_rate ?? null, `Share of dropped frames ${since}: ${lost}`);
    plots.strip(at.strip, history, kept, tone, `State ${since}: now ${name}`);
    this.account(worker, now, limits);
  }

  picture(worker, now, camera, taken, kept) {
    const { at } = this;
    const when = !taken ? 'no picture yet' : now - taken < 3 ? 'now' : `${lasting(now - taken)} ago`;
    say(at.taken, kept || [when, this.boxes].filter(Boolean).join(', '));
    at.link.classList.toggle('old', Boolean(taken) && now - taken > 15);
    if (!taken || taken === this.shown || this.isLoading) return;
    this.isLoading = true;
    load(camera.name, worker.name).then((loaded) => loaded && this.show(worker, camera, taken, loaded)).catch(() => {})
      .finally(() => { this.isLoading = false; });
  }

  async show(worker, camera, taken, { picture, sequence, result }) {
    const { at } = this, before = at.picture.src;
    at.link.href = `pictures/${encodeURIComponent(camera.name)}/${encodeURIComponent(worker.name)}.jpg`;
    at.picture.src = URL.createObjectURL(picture);
    at.picture.alt = `Newest picture of ${worker.name}, camera ${camera.name}` + (result ? `: ${found(result.objects)}` : '');
    at.picture.hidden = false;
    await at.picture.decode().catch(() => {}); // picture and boxes change together
    this.boxes = draw(at.boxes, result, sequence, taken, camera.zones ?? []);
    this.shown = taken;
    if (before.startsWith('blob:')) URL.revokeObjectURL(before);
  }

  account(worker, now, limits) {
    const rows = { offered: whole(worker.offered), delivered: whole(worker.delivered), dropped: whole(worker.dropped),
      pending: whole(worker.pending), results: worker.results === undefined ? 'none' : `${whole(worker.results)}, ${whole(worker.results_refused)} refused`,
      'capture to result': `p50 ${short(worker.latency_p50)}, p99 ${short(worker.latency_p99)}`, found: whole(worker.found), work: `p50 ${short(worker.work_p50)}, p99 ${short(worker.work_p99)}`,
      'its level allows': [limits.drop_rate < 1 && `drops ${percent(limits.drop_rate)}`, limits.frame_age && `age ${short(limits.frame_age)}`]
        .filter(Boolean).join(', ') || 'anything',
      restarts: `${worker.restarts ?? 0}, ${worker.restarts_left ?? 0} left`,
      process: worker.pid ? `${worker.pid}, generation ${worker.generation}` : 'none', 'in this state': lasting(now - worker.since) };
    if (!this.at.account.children.length)
      for (const key of Object.keys(rows)) {
        const term = document.createElement('dt'), value = document.createElement('dd');
        term.textContent = key;
        this.at.account.append(term, value);
      }
    Object.values(rows).forEach((text, index) => say(this.at.account.children[2 * index + 1], text));
  }
}

class Branch {
  constructor() {
    this.root = document.createElement('tr');
    for (let cell = 0; cell < 6; cell++) this.root.append(document.createElement('td'));
    this.state = document.createElement('span');
    this.root.children[1].append(this.state);
  }

  update(branch) {
    const cells = this.root.children;
    say(cells[0], branch.name);
    paint(this.state, branch.state);
    ['offered', 'delivered', 'dropped', 'pending'].forEach((key, index) => say(cells[index + 2], whole(branch[key])));
  }
}

export function event({ at, camera, kind, worker, text }, isNew) {
  const item = document.createElement('li'), when = document.createElement('time'), who = document.createElement('b');
  const what = document.createElement('p');
  item.className = `${KINDS[kind] ?? tone(/→ (\w+)/.exec(text)?.[1])} ${isNew ? 'new' : ''}`;
  when.dateTime = new Date(1000 * at).toISOString();
  when.textContent = time(at);
  who.textContent = `${[camera, worker].filter(Boolean).join(' / ') || 'manager'}: ${kind}`;
  what.textContent = text;
  item.append(when, who, what);
  return item;
}

export function trouble({ severity, camera, worker, text, since }, now) {
  const row = document.createElement('div');
  row.className = `trouble ${severity}`;
  const part = (name, kind, words) => {
    const made = document.createElement(name);
    made.className = kind;
    made.textContent = words;
    row.append(made);
  };
  part('span', 'mark', MARKS[severity === 'fault' ? 'bad' : 'warn']);
  part('b', '', [camera, worker].filter(Boolean).join(' / '));
  part('span', '', text);
  if (since) part('span', 'since quiet', `since ${time(since)}, ${lasting(now - since)}`);
  return row;
}
