// The explorer of the threshold: a stored map, the cells that count at a threshold, their box, and what the threshold
// does to this one box and to the errors over test images. The file's form: book/explorers/threshold/data.py.

import { iou, qualifying, tightBox } from "./boxes.mjs";
import { announcer, clamp, h, listed, select, slider, svg } from "./dom.mjs";

const FIRST = 35; // the character of the lowest cell
const [LOW, HIGH] = [0, 30]; // the thresholds of two buttons
const [WIDE, LEFT, RIGHT, TALL] = [640, 60, 630, 110]; // of the plots: all of it, the axis's ends, one plot's height
const TITLES = ["overlap with the cup’s place (IoU)", "GT-known error, %, test images"];

/** A stored map: of each cell how many thresholds its score exceeds, and whether the class wins there. */
export function decode({ scores }, count) {
  const codes = [...scores].map((character) => character.charCodeAt() - FIRST);
  return { scores: codes.map((code) => code % (count + 1)), wins: codes.map((code) => code > count) };
}

/** Errors in percent, from the first one and the differences, in tenths. */
const percents = ({ error }) => {
  let tenths = 0;
  return error.map((step) => (tenths += step) / 10);
};

const signed = (number, digits) => number.toFixed(digits).replace("-", "−");

export function explorer(data, place) {
  const [first, step, count] = data.thresholds;
  const state = { picture: place.picture, network: place.network, index: place.threshold };
  const voice = announcer();
  const change = (more) => {
    Object.assign(state, more);
    draw();
  };
  const options = (entries, label) => Object.entries(entries).map(([key, entry]) => [key, label(entry)]);
  const networks = options(data.networks, ([label]) => label);
  const shown = options(data.pictures, ({ label }) => label);
  const picture = select("Picture", shown, state.picture, (name) => change({ picture: name }));
  const network = select("Network", networks, state.network, (name) => change({ network: name }));
  const paintOf = (name) => `--network: ${data.networks[name][1]}`;
  const unit = (index) => signed(first + step * index, 2);
  const logit = (index) => {
    const { mean, deviation } = data.pictures[state.picture].maps[state.network];
    return signed(mean + deviation * (first + step * index), 1);
  };
  const said = (index) => `${unit(index)} deviations, t = ${logit(index)}`;
  const knob = slider("Threshold", (index) => change({ index }), said);
  /** What the study chose for this network on images like this picture: the middle one of its seeds' thresholds. */
  const chosen = () => {
    const { tune } = data.settings[data.pictures[state.picture].setting].curves[state.network] ?? {};
    return tune ? [...tune].sort((a, b) => a - b)[Math.floor(tune.length / 2)] : place.threshold;
  };
  const presets = [["low", () => LOW], ["the study’s", chosen], ["high", () => HIGH]].map(([label, index]) =>
    h("button", { type: "button", onclick: () => change({ index: index() }) }, label));

  const image = h("img", { alt: "", draggable: "false" });
  const [onImage, onMap] = [0, 1].map(() => svg("svg", { "aria-hidden": "true" }));
  const canvas = h("canvas", { "aria-hidden": "true" });
  const stage = (...parts) => h("div", { class: "stage seen", role: "img" }, ...parts);
  const [imageStage, mapStage] = [stage(image, onImage), stage(canvas, onMap)];
  const plots = svg("svg", { class: "line plots", role: "img" });
  const key = h("p", { class: "key" });
  const text = h("p", { class: "words" });

  function draw() {
    const seen = data.pictures[state.picture];
    const own = seen.maps[state.network];
    const { scores, wins } = decode(own, count);
    const jump = seen.size / own.cells;
    const boxAt = (index) => tightBox(qualifying(scores, wins, index), own.cells, jump, seen.size, seen.size);
    const box = boxAt(state.index);
    const counts = qualifying(scores, wins, state.index);
    const overlaps = seen.place && Array.from({ length: count }, (_, index) => iou(boxAt(index), seen.place));
    const [label] = data.networks[state.network];

    knob.set(state.index, 0, count - 1);
    image.src = new URL(`${state.picture}.webp`, import.meta.url);
    imageStage.setAttribute("aria-label", `${seen.content}, with ${seen.place ? "the cup’s place and " : ""}the box`);
    mapStage.setAttribute("aria-label", `${label}’s map of ${data.class}, ${own.cells} by ${own.cells} cells`);
    paint(canvas, scores, own.cells);
    overlay(onImage, seen, box);
    const square = (i) => `M${(i % own.cells) * jump} ${Math.floor(i / own.cells) * jump}h${jump}v${jump}h-${jump}z`;
    const cells = (chosen) => chosen.map((is, i) => (is ? square(i) : "")).join("");
    overlay(onMap, seen, box,
      svg("path", { class: "won", d: cells(wins) }), svg("path", { class: "counts", d: cells(counts) }));
    drawPlots(seen, overlaps);
    text.textContent = words(seen, label, counts, box, overlaps);
    voice.say(text.textContent);
  }

  function words(seen, network, counts, box, overlaps) {
    const { images, label, curves } = data.settings[seen.setting];
    const percent = ([name, curve]) => `${data.networks[name][0]} ${percents(curve)[state.index].toFixed(1)} %`;
    const errors = listed(Object.entries(curves).map(percent));
    const missing = networks.filter(([name]) => !curves[name]).map(([, name]) => name);
    const overlap = overlaps?.[state.index];
    const [knobAt, t] = [unit(state.index), logit(state.index)];
    const [from, to] = [box?.slice(0, 2), box?.slice(2)];
    const verdict = overlap > 0.5 ? "right" : "wrong";
    return [
      `${network}, threshold ${knobAt} deviations above the mean logit, t = ${t}:`,
      `${counts.filter(Boolean).length} of ${counts.length} cells win and score more.`,
      box
        ? `Their box is ${to[0] - from[0]} × ${to[1] - from[1]} px, from (${from.join(", ")}) to (${to.join(", ")}).`
        : "So there is no box, which always counts as wrong.",
      box && overlaps ? `It overlaps the cup’s place by ${overlap.toFixed(2)}: ${verdict} at IoU 0.5.` : "",
      overlaps ? "" : "Nobody drew a true box here: which one is best is for you to say.",
      errors && `GT-known error over ${images.toLocaleString("en")} test images (${label}) at this threshold: ${errors}.`,
      missing.length ? `Not yet measured: ${listed(missing)}.` : "",
    ].filter(Boolean).join(" ");
  }

  /** The overlap of this box, where its place is known, above the errors of the measured networks, and one marker. */
  function drawPlots(seen, overlaps) {
    const x = (index) => LEFT + ((RIGHT - LEFT) * index) / (count - 1);
    const { curves, label } = data.settings[seen.setting];
    const errors = Object.entries(curves).map(([name, curve]) => ({ name, values: percents(curve), dots: curve.tune }));
    const low = 10 * Math.floor(Math.min(90, ...errors.flatMap(({ values }) => values)) / 10);
    const parts = [];
    let top = 24;
    const plot = (title, [from, to], level, lines) => {
      const y = (value) => top + (TALL * (to - value)) / (to - from);
      const end = { x: LEFT - 8, "text-anchor": "end", "dominant-baseline": "central" };
      const tick = (value) => svg("text", { ...end, y: y(value) }, value);
      parts.push(svg("text", { x: LEFT, y: top - 10 }, title), tick(from), tick(to),
        svg("path", { class: "axes", d: `M${LEFT} ${top}v${TALL}H${RIGHT}` }),
        svg("path", { class: "marker", d: `M${x(state.index)} ${top}v${TALL}` }));
      if (level) parts.push(tick(level), svg("path", { class: "axes", d: `M${LEFT} ${y(level)}H${RIGHT}` }));
      for (const { name, values, dots = [] } of lines) {
        const look = { class: name === state.network ? "curve chosen" : "curve", style: paintOf(name) };
        const d = values.map((value, index) => `${index ? "L" : "M"}${x(index)} ${y(value)}`).join("");
        const dot = (k, more) => svg("circle", { cx: x(k), cy: y(values[k]), r: 4, ...more });
        parts.push(svg("path", { ...look, d }), ...dots.map((k) => dot(k, look)), dot(state.index, { class: "now" }));
      }
      top += TALL + 50;
    };
    if (overlaps) plot(TITLES[0], [0, 1], 0.5, [{ name: state.network, values: overlaps }]);
    if (errors.length) plot(`${TITLES[1]} (${label})`, [low, 100], 0, errors);
    const bottom = top - 50;
    for (let u = first; u <= first + step * (count - 1); u++) {
      parts.push(svg("text", { x: x((u - first) / step), y: bottom + 24, "text-anchor": "middle" }, signed(u, 0)));
    }
    const below = { x: RIGHT, y: bottom + 50, "text-anchor": "end" };
    parts.push(svg("text", below, "threshold, deviations above the mean logit"));
    plots.setAttribute("viewBox", `0 0 ${WIDE} ${bottom + 58}`);
    plots.setAttribute("aria-label", `${overlaps ? TITLES.join(", and ") : TITLES[1]}, against the threshold`);
    plots.replaceChildren(...parts);
    const named = new Set([...(overlaps ? [state.network] : []), ...errors.map(({ name }) => name)]);
    key.replaceChildren(...[...named].map((name) => h("span", { style: paintOf(name) }, data.networks[name][0])));
  }

  const drag = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const { left, width } = plots.getBoundingClientRect();
    const at = ((event.clientX - left) * WIDE) / width;
    change({ index: clamp(Math.round(((at - LEFT) * (count - 1)) / (RIGHT - LEFT)), 0, count - 1) });
  };
  plots.addEventListener("pointerdown", drag);
  plots.addEventListener("pointermove", drag);

  const body = h("div", { class: "explorer-body" },
    h("p", { class: "title" }, `Explorer: ${place.title}`),
    h("div", { class: "panels pair" }, imageStage, mapStage),
    h("p", { class: "hint" }, `Move the threshold, or drag in the plots. On the map, filled: cells where ${data.class} wins and `,
      "scores more; outlined: where it only wins. Frame: the tight box around the filled ones; dashed: the cup’s place."),
    h("div", { class: "controls" }, ...presets), h("div", { class: "controls knob" }, knob.node),
    h("div", { class: "controls" }, picture.node, network.node), text, plots, key,
    h("p", { class: "credit" }, "Maps: the networks of this chapter’s pictures, in deviations of all logits of the one ",
      "picture. Errors: the study’s networks, in deviations of the tune images’ logits; dots: what the tune part chose. ",
      "Photographs: Rachel Michetti, Stefan van der Walt, CC0Textures, CC0; NASA, public domain; from scikit-image."),
    voice.node);
  return { body, draw };
}

/** The map in greys, black at the lowest threshold and below, white at the highest and above. */
function paint(canvas, scores, cells) {
  canvas.width = canvas.height = cells;
  const context = canvas.getContext("2d");
  const most = Math.max(...scores, 1);
  scores.forEach((score, i) => {
    context.fillStyle = `rgb(${Array(3).fill(Math.round((255 * score) / most))})`;
    context.fillRect(i % cells, Math.floor(i / cells), 1, 1);
  });
}

/** The box and the true place over a picture or a map, above other `parts`. */
function overlay(node, { size, place }, box, ...parts) {
  const rect = ([x0, y0, x1, y1], name) => svg("rect", { class: name, x: x0, y: y0, width: x1 - x0, height: y1 - y0 });
  node.setAttribute("viewBox", `0 0 ${size} ${size}`);
  node.replaceChildren(...parts,
    ...(box ? [rect(box, "seam"), rect(box, "found")] : []),
    ...(place ? [rect(place, "seam dark"), rect(place, "true")] : []));
}
