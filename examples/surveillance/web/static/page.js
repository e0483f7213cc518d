// SPDX-License-Identifier: LGPL-2.1-or-later
// Listens to the manager's stream and keeps the page as it says; says so when the stream falls silent.
import { toggle } from './boxes.js';
import { Cameras, event, lasting, time, trouble } from './parts.js';

const MOST_EVENTS = 200, MOST_TROUBLES = 6, SILENT = 5; // s
const at = (id) => document.getElementById(id);
const cameras = new Cameras(at('cameras'));
let columns = [], kept = 300, history = {}, newest = 0, heard = performance.now(), heardAt = null, moment = null, banner = '';

const sample = (values) => Object.fromEntries(columns.map((name, index) => [name, values[index]]));

function hello(told) {
  columns = told.columns;
  kept = told.kept;
  history = {};
  for (const [camera, workers] of Object.entries(told.history)) {
    history[camera] = {};
    for (const [worker, series] of Object.entries(workers)) history[camera][worker] = series.map(sample);
  }
  at('events').replaceChildren(...told.events.map((one) => event(one, false)).reverse());
  newest = told.events.at(-1)?.id ?? 0;
}

function now(told) {
  const isFirst = moment === null || told.at !== moment.at;
  moment = told;
  for (const [camera, workers] of Object.entries(told.samples)) for (const [worker, values] of Object.entries(workers)) {
    const series = ((history[camera] ??= {})[worker] ??= []);
    if (isFirst && series.at(-1)?.at !== values[0]) series.push(sample(values));
    if (series.length > kept) series.shift();
  }
  cameras.update(told, history, kept);
  summarize();
}

function happened(told) {
  if (told.id <= newest) return;
  newest = told.id;
  at('events').prepend(event(told, true));
  while (at('events').children.length > MOST_EVENTS) at('events').lastElementChild.remove();
}

function summarize() {
  const workers = moment.cameras.reduce((sum, camera) => sum + camera.workers.length, 0), found = moment.troubles;
  const count = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
  const state = found.length ? count(found.length, 'trouble') : 'all well';
  at('summary').textContent = `${count(moment.cameras.length, 'camera')}, ${count(workers, 'worker')}: ${state}`;
  at('clock').textContent = `${time(moment.at)}, running for ${lasting(moment.at - moment.started_at)}`;
  document.title = `${found.length ? `(${found.length}) ` : ''}Surveillance`;
  warn();
}

// Spoken by screen readers when it changes, so only then: the times in it run on without being new.
function warn() {
  const silent = (performance.now() - heard) / 1000 > SILENT;
  document.body.classList.toggle('stale', silent);
  const told = moment?.troubles ?? [], shown = told.slice(0, MOST_TROUBLES);
  if (told.length > MOST_TROUBLES)
    shown.push({ severity: 'warning', camera: '', worker: '', text: `and ${told.length - MOST_TROUBLES} more` });
  if (silent)
    shown.unshift({ severity: 'fault', camera: 'No news from the manager', worker: '', text: 'what is shown below is old', since: heardAt });
  const rows = shown.map((one) => trouble(one, silent ? Date.now() / 1000 : moment.at));
  const words = JSON.stringify(shown.map(({ severity, camera, worker, text }) => [severity, camera, worker, text]));
  if (words !== banner) at('banner').replaceChildren(...rows);
  else rows.forEach((row, index) => {
    const before = at('banner').children[index].querySelector('.since'), since = row.querySelector('.since');
    if (before && since) before.textContent = since.textContent;
  });
  banner = words;
}

function listen() {
  const stream = new EventSource('events');
  const on = (kind, handle) => stream.addEventListener(kind, (message) => {
    heard = performance.now();
    heardAt = Date.now() / 1000;
    handle(JSON.parse(message.data));
  });
  on('hello', hello);
  on('now', now);
  on('event', happened);
  stream.addEventListener('error', () => {
    if (stream.readyState !== EventSource.CLOSED) return; // it tries again by itself
    stream.close();
    setTimeout(listen, 3000);
  });
}

toggle(at('boxes'));
listen();
setInterval(warn, 1000);
