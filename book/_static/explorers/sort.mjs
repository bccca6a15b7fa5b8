// The explorer that sorts a map: every cell slides from its place in the map to its place in its own sub-lattice.

import { announcer, h, radios, slider } from "./dom.mjs";

const FIRST = 35; // the character of the least score
const [CELL, GAP, STEPS] = [10, 12, 100]; // px a cell, px between sorted maps, steps of the slider

/** A stored map: the steps of grey of its cells. The character that JSON would escape is left out. */
export const decode = (cells) => Array.from(cells, (one) => one.charCodeAt() - FIRST - (one > "\\"));

/** Where a cell lies, in px from the left and from the top: part 0 in its map, part 1 in its own sub-lattice. */
export function placed(index, n, d, part) {
  const along = (at) => {
    const [own, inside] = [at % d, Math.floor(at / d)];
    const [mixed, sorted] = [at * CELL + (GAP * (d - 1)) / 2, own * ((n / d) * CELL + GAP) + inside * CELL];
    return mixed + part * (sorted - mixed);
  };
  return [along(index % n), along(Math.floor(index / n))];
}

/** How alike the sub-lattices are: the correlation of two of them, mean over all pairs. */
export function likeness(map, n, d) {
  const parts = Array.from({ length: d * d }, () => []);
  map.forEach((value, i) => parts[(Math.floor(i / n) % d) * d + ((i % n) % d)].push(value));
  const unit = parts.map((part) => {
    const mean = part.reduce((sum, value) => sum + value, 0) / part.length;
    const length = Math.hypot(...part.map((value) => value - mean));
    return part.map((value) => (value - mean) / length);
  });
  const pairs = unit.flatMap((a, i) => unit.slice(i + 1).map((b) => a.reduce((sum, value, k) => sum + value * b[k], 0)));
  return pairs.reduce((sum, value) => sum + value, 0) / pairs.length;
}

export function explorer(data, place) {
  const { dilation: d, shades } = data;
  const state = { picture: place.picture, sorted: 0 };
  const voice = announcer();
  const change = (more) => {
    Object.assign(state, more);
    draw();
  };
  const names = Object.keys(data.networks);
  const seen = names.map((name) => {
    const canvas = h("canvas", { role: "img" });
    const said = h("span", { class: "name" });
    return { name, canvas, said, node: h("li", {}, said, canvas) };
  });
  const knob = slider("Sort the cells", (sorted) => change({ sorted }), (value) => `${value} %`);
  const presets = [["as it is", 0], ["half way", 50], ["sorted", STEPS]].map(([label, sorted]) =>
    h("button", { type: "button", onclick: () => change({ sorted }) }, label));
  const picture = radios("Photograph", Object.entries(data.pictures), state.picture, (name) => change({ picture: name }));
  const text = h("p", { class: "words" });

  function draw() {
    const part = state.sorted / STEPS;
    knob.set(state.sorted, 0, STEPS);
    const found = seen.map(({ name, canvas, said }) => {
      const map = decode(data.maps[state.picture][name]);
      const n = Math.sqrt(map.length);
      canvas.width = canvas.height = n * CELL + (d - 1) * GAP;
      const context = canvas.getContext("2d");
      map.forEach((value, i) => {
        const grey = Math.round((255 * value) / (shades - 1));
        context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
        context.fillRect(...placed(i, n, d, part), CELL, CELL);
      });
      const what = state.sorted ? `${d * d} maps of ${n / d} by ${n / d} cells` : `one map of ${n} by ${n} cells`;
      canvas.setAttribute("aria-label", `${data.networks[name]}, ${data.pictures[state.picture]}: ${what}`);
      said.textContent = data.networks[name];
      return `${data.networks[name]} ${likeness(map, n, d).toFixed(2)}`;
    });
    text.textContent = `${data.pictures[state.picture]}; ${state.sorted} % sorted. How alike are the ${d * d} small maps? ` +
      `Correlation of two of them, mean over all pairs: ${found.join(", ")}.`;
    voice.say(text.textContent);
  }

  const body = h("div", { class: "explorer-body" },
    h("p", { class: "title" }, `Explorer: ${place.title}`),
    h("ol", { class: "tiles pair" }, ...seen.map(({ node }) => node)),
    h("div", { class: "controls" }, knob.node, ...presets),
    h("div", { class: "controls" }, picture), text, voice.node);
  return { body, draw };
}
