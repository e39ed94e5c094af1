// What the server is asked: what it can do, a file, and a microphone's sound as it is spoken.

const TOKEN = "emocache-token";
const RETRY_SECONDS = [1, 2, 4, 8];
const MOST_BUFFERED_SECONDS = 1;

/** The server says no, in a sentence. */
export class Refused extends Error {
  /**
   * @param {string} message
   * @param {number} status - of HTTP; 0 if there was no answer.
   * @param {boolean} retry - whether it makes sense to ask again soon.
   */
  constructor(message, status, retry = false) {
    super(message);
    this.status = status;
    this.retry = retry;
  }
}

/** Take the token out of the address, where it would stay in the history. */
export function keepToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token") ?? new URLSearchParams(location.search).get("token");
  if (!given) return;
  useToken(given);
  history.replaceState(null, "", location.pathname);
}

export function useToken(token) { sessionStorage.setItem(TOKEN, token); }
const token = () => sessionStorage.getItem(TOKEN);

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: token() ? { Authorization: `Bearer ${token()}` } : {} });
  } catch {
    throw new Refused("The server does not answer. Is it still running?", 0);
  }
  const said = await response.json().catch(() => ({ error: `The server answered with status ${response.status}.` }));
  if (!response.ok) throw new Refused(said.error, response.status, response.headers.has("Retry-After"));
  return said;
}

/** What the server says of itself and of a head. */
export const describe = (head) => ask(`/info${head ? `?${new URLSearchParams({ head })}` : ""}`);

/** The timeline of a file. */
export function predictFile(file, head, hop) {
  const form = new FormData();
  form.append("file", file);
  return ask(`/predict?${new URLSearchParams({ head, hop })}`, { method: "POST", body: form });
}

/** A live session, which is opened again when the connection is lost. */
export class Session {
  #socket; #start; #on; #attempt = 0; #timer; #closed = false; #isOpen = false; #isPaused = false;

  /**
   * @param {{head: string, rate: number, hop: number}} start
   * @param {{started: Function, update: Function, trouble: (sentence: string) => void, refused: (sentence: string) => void}} on
   */
  constructor(start, on) {
    this.#start = start;
    this.#on = on;
    this.#open();
  }

  /** Send sound; false if the connection is too slow for it. */
  send(sound) {
    if (!this.#isOpen || this.#isPaused) return true;
    if (this.#socket.bufferedAmount > MOST_BUFFERED_SECONDS * this.#start.rate * 2) return false;
    this.#socket.send(sound);
    return true;
  }

  pause(isPaused) {
    this.#isPaused = isPaused;
    if (this.#isOpen) this.#socket.send(JSON.stringify({ pause: isPaused }));
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #open() {
    const address = new URL("/live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.#socket = new WebSocket(address);
    this.#socket.onopen = () => this.#socket.send(JSON.stringify({ ...this.#start, ...(token() ? { token: token() } : {}) }));
    this.#socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    this.#socket.onclose = () => this.#retry("The connection to the server is lost.");
  }

  #hear(said) {
    if (this.#closed) return;
    if (said.type === "started") {
      this.#attempt = 0;
      this.#isOpen = true;
      if (this.#isPaused) this.pause(true);
      this.#on.started(said);
    } else if (said.type === "update") {
      this.#on.update(said);
    } else if (said.again) {
      this.#retry(said.error);
    } else {
      this.close();
      this.#on.refused(said.error);
    }
  }

  #retry(why) {
    if (this.#closed || this.#timer) return;
    this.#isOpen = false;
    this.#socket.onclose = null;
    this.#socket.close();
    const seconds = RETRY_SECONDS[Math.min(this.#attempt++, RETRY_SECONDS.length - 1)];
    this.#on.trouble(`${why} Trying again in ${seconds} s.`);
    this.#timer = setTimeout(() => { this.#timer = undefined; this.#open(); }, seconds * 1000);
  }
}
