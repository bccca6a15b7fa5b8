// Lets a reader change a cell and run it in the page. Nothing is fetched before the reader opens an editor; then Python
// comes from the page's own host, once for all cells. The form of the data: book/extensions/running.py.

import { h } from "../explorers/dom.mjs";

const INDENT = "    ";
const NO_WASM = "This browser has no WebAssembly, which Python needs here: open the chapter as a notebook instead.";
const NO_ANSWER = "Python could not be fetched: the network, or the site, does not answer.";

/** 13600000 -> "14 MB". */
const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

// One thread with Python for all cells; it answers in the order in which it was asked.
let worker;
let warm = false;
let waiting = [];

function drop(reason) {
  worker?.terminate();
  worker = undefined;
  warm = false;
  const left = waiting;
  waiting = [];
  left.forEach((done) => done(reason));
}

function ask(before, code) {
  if (!worker) {
    worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }) => {
      warm ||= !data.failed;
      waiting.shift()?.(data);
    });
    worker.addEventListener("error", () => drop({ failed: NO_ANSWER }));
  }
  return new Promise((done) => {
    waiting.push(done);
    worker.postMessage({ before, code });
  });
}

/** The editor of one cell. */
function editor({ before, code, expected, bytes }, number, close) {
  const id = `python-${number}`;
  const text = h("textarea", {
    id, spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off",
    rows: Math.min(24, code.split("\n").length + 1), "aria-describedby": `${id}-keys`,
  });
  text.value = code;
  const output = h("pre", { class: "python-output", tabindex: "0", "aria-label": "What the cell prints", hidden: true });
  const status = h("p", { role: "status" });
  const button = (name, onclick) => h("button", { type: "button", onclick }, name);
  const run = button("Run", go);
  const stop = button("Stop", () => drop({ stopped: true }));
  stop.hidden = true;
  const reset = button("Reset", () => {
    text.value = code;
    output.hidden = true;
    status.textContent = "The cell is as it was.";
    text.focus();
  });

  function busy(on) {
    run.disabled = on;
    stop.hidden = !on;
  }

  async function go() {
    if (run.disabled) return;
    busy(true);
    status.textContent = warm ? "Running …" : `Fetching Python from this site (${megabytes(bytes)}, once) …`;
    const answer = await ask(before, text.value);
    busy(false);
    if (answer.stopped || answer.failed) {
      status.textContent = answer.stopped ? "Stopped. The next run starts Python again." : answer.failed;
      return;
    }
    output.textContent = answer.text;
    output.hidden = false;
    output.classList.toggle("python-error", !answer.good);
    const same = answer.good && answer.text.trim() === expected.trim();
    status.textContent = answer.good ? (same ? "It prints what the book shows." : "It ran.") : "It stopped with an error.";
  }

  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault();
      go();
    } else if (event.key === "Escape") {
      close();
    } else if (event.key === "Enter") { // the next line begins below this one
      const line = text.value.slice(0, text.selectionStart).split("\n").at(-1);
      const indent = line.match(/^ */)[0] + (line.trimEnd().endsWith(":") ? INDENT : "");
      event.preventDefault();
      text.setRangeText(`\n${indent}`, text.selectionStart, text.selectionEnd, "end");
    }
  });
  const keys = h("span", { id: `${id}-keys` }, "Ctrl+Enter runs it, Escape closes it.");
  const label = h("label", { for: id }, "Change the cell. Lines that draw a figure, or need PyTorch, are left out.");
  const body = h("div", {}, label, text, h("div", { class: "python-buttons" }, run, stop, reset, keys), status, output);
  return { body, text };
}

document.querySelectorAll("[data-python]").forEach((place, number) => {
  const bytes = Uint8Array.from(atob(place.dataset.python), (character) => character.charCodeAt());
  const cell = JSON.parse(new TextDecoder().decode(bytes));
  let opened;
  const toggle = h("button", { type: "button", class: "python-open", "aria-expanded": "false" }, "Change it");

  function show(on) {
    toggle.setAttribute("aria-expanded", String(on));
    toggle.textContent = on ? "Close" : "Change it";
    if (opened) opened.body.hidden = !on;
    if (on) opened?.text?.focus();
    else toggle.focus();
  }

  toggle.addEventListener("click", () => {
    const on = toggle.getAttribute("aria-expanded") === "false";
    if (on && !opened) {
      opened = typeof WebAssembly === "object"
        ? editor(cell, number, () => show(false))
        : { body: h("p", { role: "status" }, NO_WASM) };
      place.append(opened.body);
    }
    show(on);
  });
  place.append(toggle);
});
