// One network's answer: names, the scores of a class as a veil over the picture with the box, the maps of its levels.

import { box, evidence, pooledLogits, softmax } from "./answer.mjs";
import { h, slider } from "../explorers/dom.mjs";
import { PERIODS } from "./grid.mjs";

const VEIL = 237; // the grey that covers the picture at the lowest score, as in the figures of chapter 00
const NAMES = 5;
const FINE = 672; // canvas pixels a side, at least about so many, so that lines are thin
const NONE = -Infinity; // no threshold: every cell counts in which the class wins

const signed = (value, digits = 1) => value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");
const percent = (share) => {
  if (share < 0.005) return "under 1 %";
  return share > 0.995 ? "over 99 %" : `${Math.round(100 * share)} %`;
};

/** What a network says of a picture, put in order once; the class and the threshold are asked for later. */
export function understood(network, { scores, levels, milliseconds }) {
  const probabilities = softmax(pooledLogits(scores));
  const order = probabilities.map((_, c) => c).sort((a, b) => probabilities[b] - probabilities[a]);
  return { network, scores, levels, milliseconds, probabilities, order };
}

/** The panels of one network: its answer, and its levels. `show` shows an answer of `understood` for a class of a
 *  picture, by a threshold where one is given (null: the study's for such pictures, else none); `ask` hears a class. */
export function panel(network, ask) {
  const canvas = h("canvas", { role: "img" });
  const names = h("ol", { class: "names" });
  const words = h("p", { class: "words" });
  const note = h("span", { class: "note" });
  let chosen = null; // by the reader; null: the study's, or none where the study has none
  let shown;
  const threshold = () => chosen ?? shown.study ?? NONE;
  // The slider counts in tenths and spans the class's scores; at its left end there is no threshold.
  const slide = slider("Threshold", (tenths) => {
    chosen = tenths === Number(slide.input.min) ? NONE : tenths / 10;
    draw();
  }, () => (threshold() === NONE ? "none" : signed(threshold()) + (chosen === null ? " (the study's)" : "")));
  slide.input.setAttribute("aria-label", `Threshold, ${network.label}`);
  const back = h("button", { type: "button", "aria-label": `Back to the study's, ${network.label}`, onclick: () => {
    chosen = null;
    scale();
    draw();
    slide.input.focus(); // this button goes
    slide.input.dispatchEvent(new Event("change"));
  } }, "Back to the study's");
  const node = h("section", { class: "panel", "aria-label": network.label },
    h("p", { class: "part" }, network.label, " ", note), canvas, h("div", { class: "controls" }, slide.node, back), words,
    h("p", { class: "note" }, `First ${NAMES} of its ${network.classes.length} classes; choose one to ask for it:`), names);
  const maps = h("ol", { class: "tiles maps" });
  const levels = h("section", { class: "panel", "aria-label": `Levels of ${network.label}` },
    h("p", { class: "part" }, `Levels of ${network.label}`), maps);

  function show(answer, { picture, index, kind, chosen: given }) {
    const study = network.thresholds[kind]?.[picture.width];
    shown = { answer, picture, index, study, found: evidence(answer.scores, index) };
    if (given !== undefined) chosen = given;
    scale();
    draw();
    const focused = names.contains(document.activeElement);
    names.replaceChildren(...answer.order.slice(0, NAMES).map((c) => {
      const share = answer.probabilities[c];
      return h("li", {}, h("button", { type: "button", "aria-pressed": String(c === index), onclick: () => ask(c) },
        h("span", {}, network.classes[c]),
        h("span", { class: "bar", "aria-hidden": "true" }, h("span", { style: `width: ${100 * share}%` })),
        h("span", { class: "share" }, percent(share))));
    }));
    if (focused) names.querySelector("[aria-pressed=true]")?.focus(); // the button that had the focus is gone
    maps.replaceChildren(...answer.levels.map((level) => {
      const tile = h("canvas", { "aria-hidden": "true", width: level.columns, height: level.rows });
      grey(tile, level);
      const note = (text) => h("span", { class: "note" }, text);
      const contrast = level.contrast
        ? level.contrast.map((value, i) => note(`grid of ${PERIODS[i]}: ${signed(value, 2)}`))
        : [note("too few cells to measure")];
      return h("li", {}, tile, h("span", {}, `Level ${level.level}`), note(`${level.rows} × ${level.columns} cells`),
        note(`channel ${level.channel + 1} of ${level.channels}`), ...contrast);
    }));
  }

  /** Let the slider span the scores, and the threshold where it is higher. */
  function scale() {
    const [least, most] = range(shown.found.own);
    const low = Math.floor(10 * least);
    if (chosen !== null && 10 * chosen <= low) chosen = NONE;
    const at = threshold() === NONE ? low : Math.max(low, Math.round(10 * threshold()));
    const high = Math.max(Math.ceil(10 * most), at);
    Object.assign(slide.input, { min: low, max: high, step: Math.max(1, Math.round((high - low) / 200)) });
    slide.set(at, low, high);
  }

  function draw() {
    const { answer, picture, index, found } = shown;
    const { scores, probabilities } = answer;
    const name = network.classes[index];
    const { jump } = network.outputs.score_map;
    const boxed = box(found, scores, threshold(), jump, [picture.height, picture.width]);
    const [least, most] = range(found.own);
    slide.set(Number(slide.input.value), slide.input.min, slide.input.max);
    back.hidden = chosen === null || shown.study === undefined;
    note.textContent = `${scores.rows} × ${scores.columns} cells, ${Math.round(answer.milliseconds)} ms`;
    veil(canvas, picture, found.own, scores, jump, boxed?.edges);
    canvas.setAttribute("aria-label", `The picture under the veil of ${network.label}'s scores for ${name}`);
    words.textContent = [
      `${name}: ${percent(probabilities[index])}, scores from ${signed(least)} to ${signed(most)}.`,
      boxed
        ? `Box around ${boxed.count} ${boxed.count === 1 ? "cell" : "cells"}: x ${boxed.edges[0]} to ${boxed.edges[2]}, y ${boxed.edges[1]} to ${boxed.edges[3]} px.`
        : "No cell qualifies, so there is no box.",
    ].join(" ");
  }

  /** The same in a sentence, for a screen reader. */
  const said = () => `${network.label} names ${network.classes[shown.answer.order[0]]} first. ${words.textContent}`;
  const onchange = (tell) => ["input", "change"].forEach((kind) => slide.input.addEventListener(kind, tell));
  return { node, levels, show, draw: () => shown && draw(), said, onchange, chosen: () => chosen };
}

function range(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  return [least, most];
}

/** The picture under a veil, cell by cell: none at the highest score, dense at the lowest; a ring at the best cell. */
function veil(canvas, picture, own, { rows, columns }, jump, edges) {
  const scale = Math.max(1, Math.round(FINE / picture.width));
  const context = paint(canvas, picture, scale);
  const [least, most] = range(own);
  for (let cell = 0; cell < own.length; cell++) {
    const share = (own[cell] - least) / (most - least || 1);
    context.fillStyle = `rgba(${VEIL}, ${VEIL}, ${VEIL}, ${1 - share})`;
    context.fillRect((cell % columns) * jump * scale, Math.floor(cell / columns) * jump * scale, jump * scale, jump * scale);
  }
  const accent = getComputedStyle(canvas).getPropertyValue("--explorer-accent").trim() || "#c2410c";
  const best = own.indexOf(most);
  const middle = [best % columns, Math.floor(best / columns)].map((at) => (at + 0.5) * jump * scale);
  const outline = (draw) => {
    for (const [color, width] of [["#fff", 10], [accent, 5]]) {
      Object.assign(context, { strokeStyle: color, lineWidth: width });
      draw();
    }
  };
  outline(() => {
    context.beginPath();
    context.arc(...middle, 20, 0, 2 * Math.PI);
    context.stroke();
  });
  if (edges) {
    const [x0, y0, x1, y1] = edges.map((edge) => edge * scale);
    outline(() => context.strokeRect(x0 + 2.5, y0 + 2.5, x1 - x0 - 5, y1 - y0 - 5));
  }
}

/** A picture (ImageData) on a canvas, each of its pixels `scale` wide. */
export function paint(canvas, picture, scale = 1) {
  const small = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
  small.getContext("2d").putImageData(picture, 0, 0);
  Object.assign(canvas, { width: picture.width * scale, height: picture.height * scale });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  return context;
}

/** A map in greys, white its highest value, one pixel a cell. */
function grey(canvas, { values, rows, columns }) {
  const [least, most] = range(values);
  const picture = new ImageData(columns, rows);
  values.forEach((value, i) => {
    const shade = Math.round((255 * (value - least)) / (most - least || 1));
    picture.data.set([shade, shade, shade, 255], 4 * i);
  });
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
