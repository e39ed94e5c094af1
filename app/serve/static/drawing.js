// Pictures of sound and of answers. Each class has a row of its own, so that colour alone never tells them apart.

const COLOURS = ["#2f81f7", "#d4622a", "#2f9e63", "#a259d9", "#c9a227", "#d6409f", "#1f9fb4", "#8b6f4e"]; // the report's
const ROW = 22, AXIS = 22, GAP = 3, TICK_WIDTH = 56; // CSS pixels

export const colour = (position) => COLOURS[position % COLOURS.length];

/** A canvas as sharp as the screen, cleared; sizes are in CSS pixels. */
function prepared(canvas, height) {
  if (height) canvas.style.height = `${height}px`;
  const box = canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
  const width = Math.round(box.width), rows = Math.round(box.height);
  if (canvas.width !== width * scale || canvas.height !== rows * scale) {
    canvas.width = width * scale;
    canvas.height = rows * scale;
  }
  const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, rows);
  pen.font = `13px ${getComputedStyle(document.body).fontFamily}`;
  return { pen, width, height: rows, ink: style.getPropertyValue("--ink"), faint: style.getPropertyValue("--faint"),
           line: style.getPropertyValue("--line"), track: style.getPropertyValue("--track") };
}

/**
 * The waveform of a window, with the attention on it: the more a moment is attended to, the stronger its colour, and the
 * higher the line.
 * @param {{peaks?: number[], attention?: number[], share: number, tint: string}} window - share: of the full length.
 */
export function drawWaveform(canvas, { peaks, attention, share, tint }) {
  const { pen, width, height, ink, line } = prepared(canvas);
  const middle = height / 2;
  pen.fillStyle = line;
  pen.fillRect(0, middle - .5, width, 1);
  if (!peaks?.length) return;
  const left = width * (1 - share), step = (width - left) / peaks.length;
  const attended = (position) => attention?.[Math.min(attention.length - 1, Math.floor(position * attention.length))];
  pen.fillStyle = tint;
  peaks.forEach((peak, index) => {
    const weight = attended((index + .5) / peaks.length);
    pen.globalAlpha = weight === undefined ? .75 : .28 + .72 * weight;
    const reach = Math.max(1, Math.min(1, peak) * (middle - 4));
    pen.fillRect(left + index * step, middle - reach, Math.max(1, step - .6), 2 * reach);
  });
  pen.globalAlpha = 1;
  if (!attention?.length) return;
  pen.beginPath();
  attention.forEach((weight, index) => {
    const x = left + ((index + .5) / attention.length) * (width - left), y = height - 3 - weight * (height - 8);
    if (index) pen.lineTo(x, y); else pen.moveTo(x, y);
  });
  pen.strokeStyle = ink;
  pen.globalAlpha = .55;
  pen.lineWidth = 1.5;
  pen.stroke();
  pen.globalAlpha = 1;
}

/**
 * Answers over time: a row for each class, the darker the more probable, with a mark where it is the most probable one;
 * of ratings a line.
 * @param {{names: string[], ofRatings: boolean, from: number, to: number, windows: {start: number, end: number, values?: number[]}[],
 *   label: (time: number) => string, tick: number, origin: number, chosen?: number}} what - ticks are counted from the origin
 */
export function drawTimeline(canvas, { names, ofRatings, from, to, windows, label, tick, origin, chosen }) {
  const { pen, width, height, ink, faint, track } = prepared(canvas, names.length * (ROW + GAP) + AXIS);
  const left = Math.min(width * .3, Math.max(...names.map((name) => pen.measureText(name).width)) + 14);
  const x = (time) => left + ((time - from) / (to - from)) * (width - left);
  names.forEach((name, row) => {
    const top = row * (ROW + GAP);
    pen.fillStyle = track;
    pen.globalAlpha = .45;
    pen.fillRect(left, top, width - left, ROW);
    pen.globalAlpha = 1;
    pen.fillStyle = ink;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.fillText(shortened(pen, name, left - 10), 0, top + ROW / 2 + 1);
    const answered = windows.filter((window) => window.values);
    if (ofRatings) drawRatings(pen, answered, row, top, x, from);
    else drawProbabilities(pen, answered, row, top, x, left, width, ink);
  });
  const bottom = names.length * (ROW + GAP);
  while (((width - left) * tick) / (to - from) < TICK_WIDTH) tick *= 2;
  pen.fillStyle = faint;
  pen.textBaseline = "top";
  for (let time = origin - Math.floor((origin - from) / tick + 1e-6) * tick; time <= to + 1e-6; time += tick) {
    const text = label(time), half = pen.measureText(text).width / 2, at = x(time);
    if (at < left - 1) continue;
    pen.fillRect(Math.min(width - 1, at), bottom, 1, 4);
    pen.textAlign = "center";
    pen.fillText(text, Math.min(width - half, Math.max(left + half, at)), bottom + 6);
  }
  const window = windows[chosen];
  if (window) {
    pen.strokeStyle = ink;
    pen.lineWidth = 2;
    pen.strokeRect(x(window.start) + 1, 1, Math.max(4, x(window.end) - x(window.start) - 2), bottom - GAP - 1);
  }
}

function drawProbabilities(pen, windows, row, top, x, left, width, ink) {
  for (const { start, end, values } of windows) {
    const begin = Math.max(left, x(start)), size = Math.min(width, x(end)) - begin;
    if (size <= 0) continue;
    pen.fillStyle = colour(row);
    pen.globalAlpha = Math.max(0, values[row]);
    pen.fillRect(begin, top, Math.max(1, size + .4), ROW);
    pen.globalAlpha = 1;
    if (values[row] === Math.max(...values)) {
      pen.fillStyle = ink;
      pen.fillRect(begin, top + ROW - 2, Math.max(1, size + .4), 2);
    }
  }
}

function drawRatings(pen, windows, row, top, x, from) {
  const shown = windows.map(({ values }) => values[row]);
  const low = Math.min(...shown), range = Math.max(...shown) - low || 1;
  pen.beginPath();
  for (const { start, end, values } of windows) {
    const at = x(Math.max(from, (start + end) / 2)), y = top + ROW - 3 - ((values[row] - low) / range) * (ROW - 6);
    pen.lineTo(at, y);
  }
  pen.strokeStyle = colour(row);
  pen.lineWidth = 2;
  pen.stroke();
}

function shortened(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > width) end--;
  return `${text.slice(0, end)}…`;
}
