// The live part of the page: a picture, what is asked of it, and the answers of both networks side by side.

import { announcer, h, radios, select } from "../explorers/dom.mjs";
import { read, written } from "./link.mjs";
import { camera, fromBlob, fromImage, middleSquare } from "./pictures.mjs";
import { paint, panel, understood } from "./view.mjs";

const SIZES = [64, 224, 448];

/** A Worker with the networks in it, loaded; `tell` hears how many bytes came. */
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
  const answersTo = (picture) => {
    const pixels = picture.data.slice(); // the page keeps its own
    return ask({ kind: "run", size: picture.width, pixels }, [pixels.buffer]);
  };
  return { answersTo, stop: () => worker.terminate() };
}

/** The body for the figure, once the networks are loaded; `begin` shows what the address asks for. */
export async function open(about, loading) {
  const { answersTo, stop } = await start(about, loading);
  const classes = about.networks[0].classes;
  const known = { samples: about.samples, sizes: SIZES, classes, count: about.networks.length };
  // `sample` is null for a picture of the reader's; `index` is the class that is asked for; `fresh` are the thresholds
  // that come with what is asked next, null where those at hand stay.
  const state = { source: null, sample: null, size: SIZES[0], index: null, fresh: null, picture: null, answers: [], eye: null };
  const studied = about.networks.map(() => null);
  const ask = (c) => {
    Object.assign(state, { index: Number(c), fresh: studied });
    draw();
  };
  const panels = about.networks.map((network) => panel(network, ask));
  const voice = announcer();
  const status = h("p", { class: "status", role: "status" });
  let busy = false;
  let again = false;
  let taken = 0;
  let pending = 0;

  /** Mark the page as busy until `work` is done: a picture is being read, or the networks are asked. */
  async function marked(work) {
    pending += 1;
    body.setAttribute("aria-busy", "true");
    try {
      await work();
    } finally {
      pending -= 1;
      if (!pending) body.removeAttribute("aria-busy");
    }
  }

  // ------------------------------------------------------------------------------------------ what is asked

  /** Let the networks answer the picture at hand; a wish that comes meanwhile is kept, the latest alone. */
  async function look() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    await marked(answer);
    busy = false;
    if (state.eye && follow.checked) requestAnimationFrame(look);
  }

  async function answer() {
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
  }

  /** Show another picture: `load` gives it, `index` is the class to ask for (null: the one that the last network names). */
  async function take(load, index, sample = null, thresholds = studied) {
    stopCamera();
    status.textContent = "";
    const mine = ++taken;
    await marked(async () => {
      try {
        const source = await load();
        if (mine !== taken) return; // a later choice was faster
        Object.assign(state, { source, index, sample, fresh: thresholds });
      } catch (error) {
        status.textContent = error.message;
        return;
      }
      await look();
    });
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
    Object.assign(state, { index: null, sample: null, fresh: studied });
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
  function press(sample) {
    about.samples.forEach((one, i) => samples.children[i].setAttribute("aria-pressed", String(one === sample)));
    credit.textContent = sample?.credit ?? "";
  }

  /** Show what an address asks for (`read`), or a sample as its button does. */
  function choose({ sample, size: side, name, thresholds }) {
    press(sample);
    state.size = side;
    size.querySelector(`input[value="${side}"]`).checked = true;
    const image = samples.children[about.samples.indexOf(sample)].querySelector("img");
    return take(() => fromImage(image), name && classes.indexOf(name), sample, thresholds);
  }

  const samples = h("div", { class: "samples", role: "group", "aria-label": "Pictures of the book" },
    ...about.samples.map((sample) => {
      const onclick = () => choose({ sample, size: state.size, name: sample.wanted, thresholds: studied });
      const image = h("img", { src: new URL(sample.file, import.meta.url), alt: "", width: 64, height: 64 });
      return h("button", { type: "button", "aria-pressed": "false", onclick }, image, h("span", {}, sample.title));
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
  const wanted = select("Class", sorted, 0, ask);
  const seen = h("canvas", { role: "img", "aria-label": "The picture as the networks see it" });
  const credit = h("p", { class: "credit" });
  const copied = h("span", { class: "note", role: "status" });
  const copyButton = h("button", { type: "button", onclick: copy }, "Copy a link to this");
  const link = h("div", { class: "controls link" }, copyButton, copied);
  let noted = 0;

  function draw() {
    const kind = state.sample?.kind ?? "single";
    wanted.list.value = state.index;
    paint(seen, state.picture);
    panels.forEach(({ show }, i) => show(state.answers[i], { ...state, kind, chosen: state.fresh?.[i] }));
    state.fresh = null;
    link.hidden = !state.sample; // a picture of the reader's own is in no address
    tell();
  }

  function tell() {
    if (!state.eye) voice.say(panels.map(({ said }) => said()).join(" "));
    copied.textContent = "";
    clearTimeout(noted); // a browser takes only so many changes of the address
    noted = setTimeout(note, 300);
  }

  /** The end of the address that shows this again. */
  function end() {
    if (!state.sample) return "#live";
    const { sample, size: side, index } = state;
    return written({ sample, size: side, name: classes[index], thresholds: panels.map(({ chosen }) => chosen()) });
  }

  function note() {
    if (location.hash !== end()) history.replaceState(history.state, "", end());
  }

  async function copy() {
    clearTimeout(noted);
    note();
    try {
      await navigator.clipboard.writeText(location.href);
      copied.textContent = "The link is copied.";
    } catch {
      copied.textContent = "The page's address is that link: copy it from the browser's address bar.";
    }
  }

  const body = h("div", { class: "live-body" },
    h("p", { class: "title", tabindex: -1 }, "Three networks, running in this page"),
    samples,
    h("div", { class: "controls" }, file, eyeButton, eyeControls), status,
    h("div", { class: "question" }, seen,
      h("div", {}, h("div", { class: "controls" }, size), h("div", { class: "controls" }, wanted.node), link, credit)),
    h("div", { class: "panels" }, ...panels.map(({ node }) => node)),
    h("p", { class: "note measure" }, "Below each level: how much more alike cells are that lie 4, or 2, apart than their neighbors. Near 0 there is no grid."),
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
  const show = () => choose(read(location.hash, known));
  const begin = async () => {
    await show();
    if (!state.picture) {
      stop();
      throw new Error(status.textContent);
    }
    addEventListener("hashchange", () => location.hash !== end() && show());
  };
  return { body, begin };
}
