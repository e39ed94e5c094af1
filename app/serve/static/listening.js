// The upper part of the page: a microphone, and what is answered while it listens.

import { Bars, element, percent, rangeOf, showAnswer, valuesOf } from "./answers.js";
import { colour, drawTimeline, drawWaveform } from "./drawing.js";
import { History, answerColumns } from "./history.js";
import { Microphone, MicrophoneError, refuseWithoutMicrophones } from "./microphone.js";
import { Session } from "./server.js";

const METER_EVERY = 33, TIMELINE_EVERY = 250; // milliseconds
const MINUTE = 60, QUIETEST = -60, SPOKEN_EVERY = 3000, SHOWN_ROWS = 40;
const KINDS = { speech: "good", clipping: "grave", "too slow": "grave", error: "grave", lost: "grave", silence: "note", waiting: "note" };
const get = (id) => document.getElementById(id);

export class Listening {
  #microphone = new Microphone(); #session; #info; #history; #bars = new Bars(get("bars"));
  #drawn = { meter: 0, all: 0 };
  #state = "stopped"; #began = 0; #offset = 0; #level = 0; #peak = 0; #last; #spoken = ["", 0]; #muted = false;

  constructor() {
    get("start").addEventListener("click", () => this.#press());
    get("stop").addEventListener("click", () => this.stop("Stopped."));
    get("save").addEventListener("click", () => this.#history.download("history.csv"));
    get("device").addEventListener("change", () => this.#isOn && this.#restart());
    get("hop").addEventListener("change", () => this.#isOn && this.#connect());
    get("rows").addEventListener("toggle", () => this.#showRows());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.listDevices());
    requestAnimationFrame(() => this.#draw());
  }

  get #hop() { return Number(get("hop").value); }

  get #isOn() { return this.#state !== "stopped"; }

  /** Another head: its classes, and a new session if one is going on. */
  use(info) {
    this.#info = { ...info, names: info.classes ?? info.targets, ofRatings: Boolean(info.targets) };
    this.#bars.build(this.#info.names);
    this.#history = new History(["time", "state", ...answerColumns(this.#info.names, this.#info.ofRatings)]);
    this.#last = undefined;
    get("waveform-caption").textContent = "The sound that each answer is about.";
    this.#began = 0;
    get("save").disabled = true;
    get("start").disabled = false;
    showAnswer(get("answer"), get("confidence"), undefined);
    if (this.#isOn) {
      this.#connect();
      return;
    }
    this.say("Press “Start listening”, or drop a recording on this page.");
    try {
      refuseWithoutMicrophones();
    } catch (error) {
      get("start").disabled = true;
      this.say(error.message, "note");
    }
  }

  say(sentence, kind = "calm") {
    const message = get("message");
    if (message.textContent !== sentence) message.textContent = sentence;
    message.dataset.kind = kind;
  }

  async listDevices() {
    const select = get("device"), chosen = select.value, devices = await Microphone.list();
    const options = devices.map((device, index) => new Option(device.label || `Microphone ${index + 1}`, device.deviceId));
    select.replaceChildren(new Option("Default microphone", ""), ...options);
    select.value = devices.some((device) => device.deviceId === chosen) ? chosen : "";
  }

  stop(sentence, kind = "calm") {
    this.#microphone.stop();
    this.#session?.close();
    this.#session = undefined;
    this.#level = this.#peak = 0;
    this.#enter("stopped");
    this.say(sentence, kind);
  }

  #press() {
    if (this.#state === "stopped") this.#listen();
    else if (this.#state === "listening") this.#pause(true);
    else if (this.#state === "paused") this.#pause(false);
  }

  async #listen() {
    this.#enter("starting");
    this.say("Asking the browser for the microphone …");
    try {
      this.rate = await this.#microphone.start(get("device").value, {
        block: (block) => this.#hear(block),
        lost: (why) => { this.stop(why, "grave"); this.listDevices(); },
        muted: (isMuted) => { this.#muted = isMuted; if (isMuted) this.say("The microphone is muted, by its own switch or by the system.", "note"); },
      });
    } catch (error) {
      this.stop(error instanceof MicrophoneError ? error.message : `The microphone cannot be used: ${error.message}.`, "grave");
      return;
    }
    this.listDevices();
    this.#connect();
  }

  #restart() {
    this.#microphone.stop();
    this.#session?.close();
    this.#listen();
  }

  #connect() {
    this.#session?.close();
    this.say("Connecting to the server …");
    this.#session = new Session({ head: this.#info.head, rate: Math.round(this.rate), hop: this.#hop }, {
      started: () => {
        const now = performance.now() / 1000;
        this.#began ||= now;
        this.#offset = now - this.#began;
        this.#enter("listening");
        this.say("Listening.", "good");
      },
      update: (update) => this.#update(update),
      trouble: (sentence) => this.say(sentence, "grave"),
      refused: (sentence) => this.stop(sentence, "grave"),
    });
  }

  #pause(isPaused) {
    this.#session.pause(isPaused);
    this.#enter(isPaused ? "paused" : "listening");
    this.say(isPaused ? "Paused: nothing is sent to the server." : "Listening.", isPaused ? "note" : "good");
  }

  #enter(state) {
    this.#state = state;
    get("start").textContent = { stopped: "Start listening", starting: "Starting …", listening: "Pause", paused: "Resume" }[state];
    get("stop").hidden = state === "stopped";
  }

  #hear({ sound, level, peak }) {
    this.#level = level;
    this.#peak = Math.max(peak, this.#peak * .93);
    if (this.#session && !this.#session.send(sound)) {
      this.say("The connection is too slow: some sound was left out.", "grave");
    }
  }

  #update(update) {
    if (this.#state !== "listening" || this.#muted) return;
    const { names, ofRatings } = this.#info, time = this.#offset + update.time;
    const left = update.dropped ? ` ${update.dropped} window${update.dropped > 1 ? "s" : ""} left out so far.` : "";
    this.say(update.message + left, KINDS[update.state] ?? "calm");
    if (!update.waveform) return;
    this.#last = update;
    const values = valuesOf(update.answer, names, ofRatings);
    this.#history.add({ time, state: update.state, ...update.answer, values, hop: this.#hop });
    get("save").disabled = false;
    showAnswer(get("answer"), get("confidence"), update.answer, names, ofRatings);
    if (!update.answer) get("confidence").textContent = update.state === "silence" ? "Silence" : "No answer";
    this.#bars.show(values, ofRatings, ofRatings ? rangeOf(this.#history.since(time - MINUTE).map((row) => row.values)) : undefined);
    this.#announce(update);
    this.#showRows();
  }

  /** For screen readers: a new label, but not twice a second. */
  #announce({ answer, state }) {
    const words = answer?.predicted ? `${answer.predicted}, ${percent(answer.confidence)}` : state === "silence" ? "silence" : "";
    const label = answer?.predicted ?? words, [before, when] = this.#spoken, now = performance.now();
    if (!words || label === before || now - when < SPOKEN_EVERY) return;
    this.#spoken = [label, now];
    get("spoken").textContent = words;
  }

  #showRows() {
    if (!get("rows").open || !this.#history) return;
    const rows = this.#history.rows.slice(-SHOWN_ROWS).reverse().map((row) => {
      const line = document.createElement("tr"), confidence = row.confidence === undefined ? "" : percent(row.confidence);
      const label = row.predicted ?? row.values?.map((value) => value.toFixed(2)).join(" · ") ?? "–";
      line.append(...[`${row.time.toFixed(1)} s`, row.state, label, confidence].map((text) => element("td", "", text)));
      return line;
    });
    get("rows-body").replaceChildren(...rows);
  }

  /** Thirty times a second the meter, and everything else as often as it can have changed. */
  #draw() {
    requestAnimationFrame(() => this.#draw());
    const now = performance.now();
    if (now - this.#drawn.meter < METER_EVERY) return;
    this.#drawn.meter = now;
    this.#drawMeter();
    const isNew = this.#drawn.update !== this.#last || this.#drawn.width !== innerWidth;
    if (!this.#info || (!isNew && now - this.#drawn.all < TIMELINE_EVERY)) return;
    this.#drawn = { meter: now, all: now, update: this.#last, width: innerWidth };
    this.#drawWindow();
    this.#drawMinute();
  }

  #drawWindow() {
    const update = this.#last, { names, window } = this.#info, canvas = get("waveform");
    const best = update?.answer?.predicted ? names.indexOf(update.answer.predicted) : 0;
    drawWaveform(canvas, {
      peaks: update?.waveform, attention: update?.attention, tint: colour(best), share: update ? Math.min(1, update.seconds / window) : 1,
    });
    if (!update) return;
    const seconds = `${update.seconds.toFixed(1)} s`;
    get("waveform-caption").textContent = update.attention
      ? `${seconds}. Strong colour, high line: here the head attends more.`
      : `${seconds}. This head has no attention to show.`;
    canvas.setAttribute("aria-label", `Waveform of the last ${seconds}, level ${update.level_db} dB`);
  }

  #drawMinute() {
    const { names, ofRatings } = this.#info, canvas = get("minute");
    const now = this.#began ? performance.now() / 1000 - this.#began : 0;
    const rows = this.#history.since(now - MINUTE - 1);
    const end = this.#isOn && this.#state !== "paused" ? now : (rows.at(-1)?.time ?? 0);
    drawTimeline(canvas, {
      names, ofRatings, from: end - MINUTE, to: end, tick: 15, origin: end,
      windows: rows.map((row) => ({ start: row.time - row.hop, end: row.time, values: row.values })),
      label: (time) => { const ago = Math.round(end - time); return ago ? `−${ago} s` : "now"; },
    });
    if (rows.length) canvas.setAttribute("aria-label", `Answers over the last minute: ${rows.length} windows; the table below has them`);
  }

  #drawMeter() {
    const decibels = Math.max(QUIETEST, 20 * Math.log10(this.#level || 1e-9)), share = 1 - decibels / QUIETEST;
    const peak = Math.max(QUIETEST, 20 * Math.log10(this.#peak || 1e-9)), meter = get("meter");
    get("meter-fill").style.width = `${100 * share}%`;
    get("meter-peak").style.left = `${100 * (1 - peak / QUIETEST)}%`;
    meter.classList.toggle("loud", this.#peak > .985);
    const rounded = String(Math.round(decibels));
    if (meter.getAttribute("aria-valuenow") !== rounded) {
      meter.setAttribute("aria-valuenow", rounded);
      meter.setAttribute("aria-valuetext", decibels <= QUIETEST ? "no sound" : `${rounded} dB`);
    }
  }
}
