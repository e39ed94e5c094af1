// Answers as people read them: the label, its confidence, a bar per class.

import { colour } from "./drawing.js";

/** The values of an answer in the order of the names; undefined without one. */
export function valuesOf(answer, names, ofRatings) {
  return answer && names.map((name) => answer[`${ofRatings ? "predicted" : "p"}_${name}`]);
}

export const percent = (share) => `${Math.round(100 * share)} %`;

/** A bar per class, or of ratings a number. */
export class Bars {
  #list; #bars = [];

  constructor(list) { this.#list = list; }

  /** @param {string[]} names */
  build(names) {
    this.#bars = names.map((name, position) => {
      const row = element("div", "bar"), fill = element("div", "bar-fill"), track = element("div", "bar-track");
      row.setAttribute("role", "listitem");
      fill.style.background = colour(position);
      track.append(fill);
      const label = element("span", "bar-name", name), value = element("span", "bar-value", "–");
      label.title = name;
      row.append(label, track, value);
      return { row, fill, value };
    });
    this.#list.replaceChildren(...this.#bars.map(({ row }) => row));
  }

  /**
   * @param {number[] | undefined} values
   * @param {boolean} ofRatings
   * @param {[number, number]} range - of ratings, for the bars' lengths.
   */
  show(values, ofRatings, range = [0, 1]) {
    const best = values && !ofRatings ? values.indexOf(Math.max(...values)) : -1;
    this.#bars.forEach(({ row, fill, value }, position) => {
      const number = values?.[position], [low, high] = ofRatings ? range : [0, 1];
      const share = number === undefined ? 0 : Math.max(0, Math.min(1, (number - low) / (high - low || 1)));
      row.classList.toggle("best", position === best);
      fill.style.width = `${100 * share}%`;
      value.textContent = number === undefined ? "–" : ofRatings ? number.toFixed(2) : percent(number);
    });
  }
}

/** The label in large, and how sure the model is. */
export function showAnswer(label, confidence, answer, names, ofRatings) {
  label.dataset.empty = answer ? "no" : "yes";
  if (!answer) {
    label.textContent = "–";
    return;
  }
  label.textContent = ofRatings ? valuesOf(answer, names, true).map((value) => value.toFixed(2)).join(" · ") : answer.predicted;
  confidence.textContent = ofRatings ? names.join(" · ") : `Confidence ${percent(answer.confidence)}`;
}

/** The smallest and largest rating so far. */
export function rangeOf(rows) {
  const all = rows.flatMap((values) => values ?? []);
  return all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
}

export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
