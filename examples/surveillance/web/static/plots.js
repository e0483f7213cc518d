// SPDX-License-Identifier: LGPL-2.1-or-later
// Small plots as inline SVG: 300 units wide, the newest sample at the right. Each says in words what it shows.
const WIDE = 300;

export function element(name, attributes = {}) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function show(svg, words, ...parts) {
  svg.setAttribute('aria-label', words);
  svg.replaceChildren(...parts);
}

function place(series, kept) {
  return (index) => (WIDE * (kept - series.length + index)) / (kept - 1);
}

function dashed(y) {
  return element('line', { class: 'limit', x1: 0, x2: WIDE, y1: y.toFixed(1), y2: y.toFixed(1) });
}

const BRIDGED = 10; // samples: a slow worker takes no frame in most seconds, a stuck one in none

// A line with gaps where no frame was taken for long; `limit` dashed.
export function ages(svg, series, kept, limit, words) {
  const high = 44, top = Math.max(limit ? 1.15 * limit : 0, 1.15 * Math.max(0.001, ...series.map((sample) => sample.age ?? 0)));
  const x = place(series, kept), y = (age) => high - 1 - (age / top) * (high - 4);
  let line = '', area = '', begin = null, last = 0, missing = 0;
  const close = () => { if (begin !== null) area += `L${last.toFixed(1)},${high}L${begin.toFixed(1)},${high}Z`; begin = null; };
  series.forEach((sample, index) => {
    if (sample.age === null) return ++missing === BRIDGED ? close() : undefined;
    missing = 0;
    const at = `${x(index).toFixed(1)},${y(sample.age).toFixed(1)}`;
    line += (begin === null ? 'M' : 'L') + at;
    area += (begin === null ? 'M' : 'L') + at;
    if (begin === null) {
      line += 'h0.5'; // one alone is seen too
      begin = x(index);
    }
    last = x(index);
  });
  close();
  show(svg, words, element('path', { class: 'area', d: area }), element('path', { class: 'curve', d: line }),
    ...(limit ? [dashed(y(limit))] : []));
}

// Bars of some seconds each: the share of the offered frames that was dropped.
export function drops(svg, series, kept, limit, words) {
  const high = 32, group = 5, wide = (WIDE * group) / kept;
  let path = '';
  for (let end = series.length, right = WIDE; end > 0; end -= group, right -= wide) {
    const part = series.slice(Math.max(0, end - group), end);
    const share = shareDropped(part);
    if (share > 0) {
      const tall = Math.max(1.5, Math.min(1, share) * (high - 2));
      path += `M${(right - wide + 1).toFixed(1)},${high}v${(-tall).toFixed(1)}h${(wide - 1).toFixed(1)}v${tall.toFixed(1)}Z`;
    }
  }
  const line = limit !== null && limit < 1 ? [dashed(high - limit * (high - 2))] : [];
  show(svg, words, element('path', { class: 'bars', d: path }), ...line);
}

export function shareDropped(series) {
  const sum = (key) => series.reduce((total, sample) => total + sample[key], 0);
  return sum('offered') ? sum('dropped') / sum('offered') : 0;
}

// Which state when: one rectangle a run.
export function strip(svg, series, kept, tone, words) {
  const x = place(series, kept), parts = [];
  for (let begin = 0; begin < series.length;) {
    let end = begin + 1;
    while (end < series.length && series[end].state === series[begin].state) end++;
    const right = end === series.length ? WIDE : x(end);
    parts.push(element('rect', { class: `run ${tone(series[begin].state)}`, x: x(begin).toFixed(1), y: 0, height: 8,
      width: Math.max(1, right - x(begin)).toFixed(1) }));
    begin = end;
  }
  show(svg, words, ...parts);
}
