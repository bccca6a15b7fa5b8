// The live part of the page: a picture, what is asked of it, and the answers of both networks side by side.

import { announcer, h, radios, select } from "../explorers/dom.mjs";
import { camera, fromBlob, fromImage, middleSquare } from "./pictures.mjs";
import { paint, panel, understood } from "./view.mjs";

const SIZES = [64, 224, 448];

/** A Worker with both networks in it, loaded; `tell` hears how many bytes came. */
async function start({ networks }, tell) {
  const worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
  let settle; // of what is asked for now; one thing at a time
  const ask = (message, transfer = []) =>
    new Promise((resolve, reject) => {
      settle = { resolve, reject };
      worker.postMessage(message, transfer);
    });
  worker.onmessage = ({ data }) => {
    if (data.kind === "progress") tell(data.loaded);
    else if (data.kind === "error") settle.reject(new Error(data.sentence));
    else settle.resolve(data.answers);
  };
  worker.onerror = () => settle.reject(new Error("The networks' script could not be started: the site, or the browser, refuses it."));
  try {
    await ask({ kind: "load", networks });
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return (picture) => {
    const pixels = picture.data.slice(); // the page keeps its own
    return ask({ kind: "run", size: picture.width, pixels }, [pixels.buffer]);
  };
}

/** The body for the figure, once the networks are loaded; `begin` shows the first picture. */
export async function open(about, loading) {
  const answersTo = await start(about, loading);
  const classes = about.networks[0].classes;
  const state = { source: null, size: 224, index: null, fresh: true, picture: null, answers: [], eye: null };
  const panels = about.networks.map(panel);
  const voice = announcer();
  const status = h("p", { class: "status", role: "status" });
  let busy = false;
  let again = false;
  let taken = 0;

  // ------------------------------------------------------------------------------------------ what is asked

  /** Let both networks answer the picture at hand; a wish that comes meanwhile is kept, the latest alone. */
  async function look() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    body.setAttribute("aria-busy", "true");
    try {
      do {
        again = false;
        if (state.eye) state.source = await createImageBitmap(state.eye.video);
        const { source } = state;
        const picture = await middleSquare(source, state.size);
        const answers = await answersTo(picture);
        if (source !== state.source) continue; // another picture came meanwhile
        state.picture = picture;
        state.answers = answers.map((answer, i) => understood(about.networks[i], answer));
        state.index ??= state.answers.at(-1).order[0];
        if (!state.eye) status.textContent = "";
        draw();
      } while (again);
    } catch (error) {
      stopCamera();
      status.textContent = error.message;
    }
    busy = false;
    body.removeAttribute("aria-busy");
    if (state.eye && follow.checked) requestAnimationFrame(look);
  }

  /** Show another picture: `load` gives it, `index` is the class to ask for (null: the one that the last network names). */
  async function take(load, index) {
    stopCamera();
    status.textContent = "";
    const mine = ++taken;
    try {
      const source = await load();
      if (mine !== taken) return; // a later choice was faster
      Object.assign(state, { source, index, fresh: true });
    } catch (error) {
      status.textContent = error.message;
      return;
    }
    await look();
  }

  function stopCamera() {
    state.eye?.stop();
    state.eye = null;
    eyeControls.hidden = true;
    eyeButton.hidden = false;
  }

  async function startCamera() {
    status.textContent = "";
    try {
      state.eye = await camera();
    } catch (error) {
      status.textContent = error.message;
      return;
    }
    press(null);
    Object.assign(state, { index: null, fresh: true });
    eyeControls.hidden = false;
    eyeButton.hidden = true;
    eyeControls.querySelector("button").focus();
    await look();
  }

  function chooseFile(file) {
    if (!file) return;
    press(null);
    take(() => fromBlob(file, file.name || "What was dropped"), null);
  }

  // ------------------------------------------------------------------------------------------ what is seen

  /** Mark the button of the sample that is shown, null for none, and say where it comes from. */
  function press(button, source = "") {
    samples.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
    credit.textContent = source;
  }

  const samples = h("div", { class: "samples", role: "group", "aria-label": "Pictures of the book" },
    ...about.samples.map(({ file, title, wanted, credit: source }) => {
      const choose = () => {
        press(button, source);
        take(() => fromImage(image), wanted && classes.indexOf(wanted));
      };
      const image = h("img", { src: new URL(file, import.meta.url), alt: "", width: 64, height: 64 });
      const button = h("button", { type: "button", "aria-pressed": "false", onclick: choose }, image, h("span", {}, title));
      return button;
    }));
  const fileInput = h("input", { type: "file", accept: "image/*", id: "live-file", onchange: () => chooseFile(fileInput.files[0]) });
  const file = h("div", { class: "control" }, h("label", { for: "live-file" }, "Your own picture: choose it, or drop it here"), fileInput);
  const eyeButton = h("button", { type: "button", onclick: startCamera }, "Use the camera");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const follow = h("input", { type: "checkbox", checked: !still, onchange: () => follow.checked && look() });
  const eyeControls = h("div", { class: "control", hidden: true },
    h("button", { type: "button", onclick: stopCamera }, "Stop the camera"),
    h("button", { type: "button", onclick: look }, "Take a frame"),
    h("label", { class: "control" }, follow, "frame after frame"));
  const size = radios("Pixels a side", SIZES.map((side) => [side, String(side)]), state.size, (side) => {
    state.size = Number(side);
    if (state.source) look();
  });
  const sorted = classes.map((name, c) => [c, name]).sort((a, b) => a[1].localeCompare(b[1]));
  const wanted = select("Class", sorted, 0, (c) => {
    Object.assign(state, { index: Number(c), fresh: true });
    draw();
  });
  const seen = h("canvas", { role: "img", "aria-label": "The picture as the networks see it" });
  const credit = h("p", { class: "credit" });

  function draw() {
    wanted.list.value = state.index;
    paint(seen, state.picture);
    panels.forEach(({ show }, i) => show(state.answers[i], state.picture, state.index, state.fresh));
    state.fresh = false;
    tell();
  }

  function tell() {
    if (!state.eye) voice.say(panels.map(({ said }) => said()).join(" "));
  }

  const body = h("div", { class: "live-body" },
    h("p", { class: "title", tabindex: -1 }, "Two networks, running in this page"),
    samples,
    h("div", { class: "controls" }, file, eyeButton, eyeControls), status,
    h("div", { class: "question" }, seen,
      h("div", {}, h("div", { class: "controls" }, size), h("div", { class: "controls" }, wanted.node), credit)),
    h("div", { class: "panels" }, ...panels.map(({ node }) => node)),
    h("div", { class: "panels" }, ...panels.map(({ levels }) => levels)), voice.node);
  panels.forEach(({ onchange }) => onchange(tell));
  const over = (event) => {
    if (![...event.dataTransfer.items].some(({ kind }) => kind === "file")) return;
    event.preventDefault();
    body.classList.add("over");
  };
  body.addEventListener("dragenter", over);
  body.addEventListener("dragover", over);
  body.addEventListener("dragleave", () => body.classList.remove("over"));
  body.addEventListener("drop", (event) => {
    event.preventDefault();
    body.classList.remove("over");
    chooseFile(event.dataTransfer.files[0]);
  });
  // Lines take their color from the page's style, which changes between light and dark.
  new MutationObserver(() => panels.forEach((one) => one.draw())).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return { body, begin: () => samples.querySelector("button").click() };
}
