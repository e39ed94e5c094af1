// The page as a whole: the server's description, the choice of a head, the token; the rest is in its own files.

import { element } from "./answers.js";
import { FilePanel } from "./file.js";
import { Listening } from "./listening.js";
import { describe, keepToken, useToken } from "./server.js";

const AGAIN = 1500; // milliseconds
const get = (id) => document.getElementById(id);
const listening = new Listening(), filePanel = new FilePanel();
let wanted = "", shown = "";

/** Show a head once it is loaded; until then the one before stays. */
async function choose(head) {
  wanted = head;
  let info;
  try {
    info = await describe(head);
  } catch (error) {
    if (wanted === head) explain(error, head);
    return;
  }
  if (wanted !== head) return;
  get("token-form").hidden = true;
  const heads = Object.keys(info.heads), select = get("head");
  if (select.options.length !== heads.length) select.replaceChildren(...heads.map((name) => new Option(name, name)));
  select.value = shown = info.head;
  sayOfHead("");
  const runs = info.runs.length > 1 ? `the mean of ${info.runs.length} trained runs` : "one trained run";
  get("about").textContent = `${info.head}: ${runs}, on ${info.encoder}. ${(info.classes ?? info.targets).length} ${info.classes ? "classes" : "ratings"}.`;
  get("cautions").replaceChildren(...info.cautions.map((caution) => element("li", "", caution)));
  listening.use(info);
  filePanel.use(info);
}

function explain(error, head) {
  if (error.status === 401) {
    askForToken(error.message);
    return;
  }
  const isLoading = error.status === 503 && error.retry, isThere = !error.status || isLoading;
  sayOfHead(error.message, isThere ? "note" : "grave");
  if (isThere) setTimeout(() => wanted === head && choose(head), AGAIN);
  else get("head").value = shown;
}

function sayOfHead(sentence, kind = "note") {
  get("head-message").hidden = !sentence;
  get("head-message").textContent = sentence;
  get("head-message").dataset.kind = kind;
}

function askForToken(sentence) {
  get("token-form").hidden = false;
  get("about").textContent = "";
  listening.say(sentence.startsWith("A token is needed") ? "Waiting for the token." : sentence, "note");
  get("token").focus();
}

get("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(get("token").value.trim());
  choose(wanted);
});
get("head").addEventListener("change", ({ target }) => choose(target.value));
addEventListener("pagehide", () => listening.stop("Stopped."));
keepToken();
listening.listDevices();
choose("");
