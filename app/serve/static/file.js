// The lower part of the page: a recording that is dropped on it.

import { Bars, rangeOf, showAnswer, valuesOf } from "./answers.js";
import { drawTimeline } from "./drawing.js";
import { answerColumns, save } from "./history.js";
import { Refused, predictFile } from "./server.js";

const HOP = 0.5, UNKNOWN_HOP = 2, MOST_WINDOWS = 120;
const get = (id) => document.getElementById(id);

export class FilePanel {
  #info; #answer; #bars = new Bars(get("file-bars")); #asked = 0;

  constructor() {
    get("file").addEventListener("change", ({ target }) => { this.ask(target.files); target.value = ""; });
    get("position").addEventListener("input", () => this.#showWindow());
    get("save-file").addEventListener("click", () => this.#save());
    addEventListener("resize", () => this.#drawTimeline());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#drawTimeline());
    let inside = 0; // dragenter and dragleave also come from the elements below
    const veil = (change) => { inside = Math.max(0, inside + change); get("veil").hidden = !inside; };
    addEventListener("dragenter", (event) => { event.preventDefault(); veil(1); });
    addEventListener("dragleave", () => veil(-1));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => { event.preventDefault(); veil(-inside); this.ask(event.dataTransfer.files); });
  }

  use(info) { this.#info = info; }

  /** @param {FileList} files - the first is sent. */
  async ask(files) {
    const [file] = files;
    if (!file || !this.#info) return;
    const asked = ++this.#asked, { head, classes, targets, limits } = this.#info;
    get("file-result").hidden = get("save-file").hidden = true;
    get("drop").scrollIntoView({ block: "nearest", behavior: "smooth" });
    if (file.size > limits.megabytes * 1e6) {
      this.#say(`${file.name} is too large: this server takes up to ${limits.megabytes} MB.`, "grave");
      return;
    }
    this.#say(`Analysing ${file.name} …${files.length > 1 ? " (the first of the files)" : ""}`);
    try {
      const answer = await predictFile(file, head, await hopFor(file));
      if (asked !== this.#asked) return; // another file has been dropped meanwhile
      this.#answer = { ...answer, names: classes ?? targets, ofRatings: Boolean(targets) };
      this.#show();
    } catch (error) {
      if (asked === this.#asked) this.#say(error instanceof Refused ? error.message : `That did not work: ${error.message}.`, "grave");
    }
  }

  #say(sentence, kind = "calm") {
    get("file-message").textContent = sentence;
    get("file-message").dataset.kind = kind;
  }

  #show() {
    const { file, seconds, window, rows, head, names, ofRatings } = this.#answer;
    const all = rows.map((row) => valuesOf("silent" in row && row.silent ? undefined : row, names, ofRatings)).filter(Boolean);
    const windows = `${rows.length} window${rows.length > 1 ? "s" : ""} of up to ${window} s`;
    this.#say(`${file || "The recording"}: ${seconds.toFixed(1)} s, ${windows}, by ${head}.`, "good");
    get("file-result").hidden = get("save-file").hidden = false;
    const mean = names.map((_, position) => all.reduce((sum, values) => sum + values[position], 0) / all.length);
    const best = mean.indexOf(Math.max(...mean));
    const columns = answerColumns(names, ofRatings);
    const answer = all.length ? Object.fromEntries(columns.map((column, position) => [column, mean[ofRatings ? position : position - 2]])) : undefined;
    if (answer && !ofRatings) Object.assign(answer, { predicted: names[best], confidence: mean[best] });
    showAnswer(get("file-answer"), get("file-confidence"), answer, names, ofRatings);
    if (!answer) get("file-confidence").textContent = "Silent throughout";
    else if (rows.length > 1) get("file-confidence").textContent += ", mean over its windows";
    this.#bars.build(names);
    get("position").max = rows.length - 1;
    get("position").value = 0;
    get("position-row").hidden = rows.length < 2;
    this.#showWindow();
  }

  #showWindow() {
    const { rows, names, ofRatings } = this.#answer, row = rows[get("position").value];
    const values = row.silent ? undefined : valuesOf(row, names, ofRatings);
    this.#bars.show(values, ofRatings, ofRatings ? rangeOf(rows.map((other) => valuesOf(other, names, true))) : undefined);
    const label = row.silent ? "silent" : row.predicted ?? "";
    get("position-text").textContent = `${row.start.toFixed(1)} to ${row.end.toFixed(1)} s${label && `: ${label}`}`;
    this.#drawTimeline();
  }

  #drawTimeline() {
    if (!this.#answer || get("file-result").hidden) return;
    const { rows, seconds, hop, window, names, ofRatings } = this.#answer;
    // a window answers for the stretch around its middle; the first and the last reach the recording's ends
    const middles = rows.map((row) => (row.start + row.end) / 2);
    const windows = rows.map((row, index) => ({
      start: index ? (middles[index - 1] + middles[index]) / 2 : 0,
      end: index < rows.length - 1 ? (middles[index] + middles[index + 1]) / 2 : seconds,
      values: row.silent ? undefined : valuesOf(row, names, ofRatings),
    }));
    drawTimeline(get("file-timeline"), {
      names, ofRatings, from: 0, to: seconds, windows, tick: tickFor(seconds), origin: 0, chosen: rows.length > 1 ? Number(get("position").value) : undefined,
      label: (time) => `${Math.round(time * 100) / 100} s`,
    });
    get("file-timeline").setAttribute("aria-label", `Answers over the recording: ${rows.length} windows of ${window} s every ${hop} s; the slider below goes through them`);
  }

  #save() {
    const { file, rows, names, ofRatings } = this.#answer;
    const columns = ["start", "end", ...answerColumns(names, ofRatings)];
    save("timeline.csv", [["file", ...columns], ...rows.map((row) => [file, ...columns.map((column) => row[column])])]);
  }
}

/** Half a second, or more for recordings whose windows would be too many to wait for. */
async function hopFor(file) {
  const seconds = await new Promise((resolve) => {
    const audio = new Audio();
    const done = (value) => { URL.revokeObjectURL(audio.src); resolve(value); };
    audio.onloadedmetadata = () => done(audio.duration);
    audio.onerror = () => done(undefined);
    setTimeout(() => done(undefined), 2000);
    audio.src = URL.createObjectURL(file);
  });
  if (!Number.isFinite(seconds)) return UNKNOWN_HOP;
  return Math.max(HOP, Math.ceil((2 * seconds) / MOST_WINDOWS) / 2);
}

function tickFor(seconds) {
  return [.25, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300].find((tick) => seconds / tick <= 8) ?? 600;
}
