// SPDX-License-Identifier: LGPL-2.1-or-later
// Boxes over a worker's picture. A picture says of which frame it is, and so does a result: boxes are of that very frame, or else dashed, of the
// newest result, with the time that lies between.
import { element } from './plots.js';

const KEY = 'boxes';
const COLOURS = 6; // of page.css, by the label

// Picture and result by address; null: neither is new, or they cannot be had now.
export async function load(camera, worker) {
  const path = `${encodeURIComponent(camera)}/${encodeURIComponent(worker)}`;
  const answer = await fetch(`pictures/${path}.jpg`);
  if (!answer.ok) return null;
  const sequence = answer.headers.get('Frame-Sequence'), picture = await answer.blob();
  const result = sequence && await fetch(`results/${path}.json?sequence=${sequence}`);
  return { picture, sequence: Number(sequence), result: result?.ok ? await result.json() : null };
}

// Draws them and says what there is to say about them: nothing where they are of that very frame.
export function draw(svg, result, sequence, taken, zones) {
  svg.replaceChildren();
  if (!result?.width || !result.height) return '';
  const isExact = result.sequence === sequence, size = Math.max(result.width, result.height) / 26;
  svg.setAttribute('viewBox', `0 0 ${result.width} ${result.height}`);
  svg.setAttribute('class', `boxes${isExact ? '' : ' other'}`);
  for (const { points } of zones)
    svg.append(element('polygon', { class: 'zone', points: points.map(([x, y]) => `${x * result.width},${y * result.height}`).join(' ') }));
  for (const { label, score, box: [x, y, width, height], track } of result.objects) {
    const group = element('g', { class: `box colour${colour(label)}` });
    const words = element('text', { x, y: Math.max(y - size / 4, size), 'font-size': size });
    words.textContent = `${label} ${track ?? ''} ${score.toFixed(1)}`;
    group.append(element('rect', { x, y, width: Math.max(0, width), height: Math.max(0, height) }), words);
    svg.append(group);
  }
  return isExact ? '' : `boxes ${Math.abs(result.at - taken).toFixed(1)} s ${result.at < taken ? 'older' : 'newer'}`;
}

function colour(label) {
  let sum = 0;
  for (const letter of label) sum = (31 * sum + letter.codePointAt(0)) % 997;
  return sum % COLOURS;
}

// The button that shows and hides them all; the browser remembers it.
export function toggle(button) {
  const show = (isOn) => {
    document.body.classList.toggle('without-boxes', !isOn);
    button.setAttribute('aria-pressed', isOn);
    try { localStorage.setItem(KEY, isOn); } catch { /* it is forgotten then */ }
  };
  let isOn = true;
  try { isOn = localStorage.getItem(KEY) !== 'false'; } catch { /* as at first */ }
  show(isOn);
  button.addEventListener('click', () => show(isOn = !isOn));
}
