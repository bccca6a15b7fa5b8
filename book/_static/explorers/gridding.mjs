// The explorer of gridding: a stack of dilated layers, the sub-lattices that it keeps apart, and what joins them.

import { announcer, arrows, checkbox, clamp, h, listed, radios, select, slider, svg } from "./dom.mjs";
import { gridded, latticeEnergy, oneCell, stages } from "./lattice.mjs";

const FALLING = [2, 1]; // the dilations of levels 7 and 8
const DILATIONS = [[0, "none"], [1, "1"], [2, "2"], [4, "4"]];
const INPUTS = [["cell", "one active cell"], ["map", "a smooth map with a grid on it"]];

const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const shown = (energy) => (energy + 1e-9).toFixed(3); // a tie is rounded up, whatever the last digit's rounding
const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

/** Colors of the cells behind each layer: cells that may have exchanged values share the mean of their colors. */
function palettes(sublattices, dilations) {
  const base = Math.max(1, ...dilations);
  const own = sublattices[base].map(rgb);
  let joined = base;
  return [0, ...dilations].map((d) => {
    joined = gcd(joined, d);
    const g = joined;
    const mean = (row, column) => {
      const members = own.filter((_, i) => Math.floor(i / base) % g === row % g && (i % base) % g === column % g);
      return [0, 1, 2].map((i) => Math.round(members.reduce((sum, color) => sum + color[i], 0) / members.length));
    };
    const table = Array.from({ length: g * g }, (_, i) => mean(Math.floor(i / g), i % g));
    return { count: g * g, color: (row, column) => table[(row % g) * g + (column % g)] };
  });
}

export function explorer(data, place) {
  const { cells: n, begin, period, amplitude, tile, white } = data.lattice;
  const state = { first: [0, 1, 2].map((i) => place.first[i] ?? 0), row: begin, column: begin };
  Object.assign(state, { falling: place.falling, links: place.links, input: place.input });
  const voice = announcer();
  const change = (more) => {
    Object.assign(state, more);
    draw();
  };
  const moveTo = (row, column) => change({ row: clamp(row, 0, n - 1), column: clamp(column, 0, n - 1) });

  const first = state.first.map((d, i) =>
    select(`Dilation, layer ${i + 1}`, DILATIONS, d, (value) => change({ first: state.first.with(i, Number(value)) })));
  const falling = checkbox("then the degridding layers, dilation 2 and 1", state.falling, (on) => change({ falling: on }));
  const links = checkbox("residual links around these two", state.links, (on) => change({ links: on }));
  const input = radios("Input", INPUTS, state.input, (value) => change({ input: value }));
  const down = slider("Cell's row", (value) => moveTo(value, state.column), String);
  const across = slider("Cell's column", (value) => moveTo(state.row, value), String);
  const position = h("div", { class: "controls" }, down.node, across.node);
  const line = svg("svg", { class: "line", role: "img" });
  const tiles = h("ol", { class: "tiles", start: 0 });
  const text = h("p", { class: "words" });
  const hint = h("span");
  const lineBox = h("div", {}, h("p", { class: "part" }, "Along one axis"), line);

  function draw() {
    const layers = state.first.filter(Boolean).map((d) => ({ d, link: false }));
    if (state.falling) layers.push(...FALLING.map((d) => ({ d, link: state.links })));
    const isCell = state.input === "cell";
    const start = isCell ? oneCell(n, state.row, state.column) : gridded(n, tile, amplitude);
    // The toy of chapter 04 goes on beyond its border; around one active cell there is padding.
    const maps = stages(start, n, layers, !isCell);
    const colors = palettes(data.sublattices, layers.map(({ d }) => d));
    const energies = maps.map((map) => latticeEnergy(map, n, period));

    links.input.disabled = !state.falling;
    position.hidden = lineBox.hidden = !isCell;
    down.set(state.row, 0, n - 1);
    across.set(state.column, 0, n - 1);
    hint.textContent = isCell
      ? "Cells that have exchanged values share a color. Click into the first map, or use the arrow keys, to move the active cell."
      : "The map is chapter 04's, and goes on beyond its border; each map has its own range of greys.";
    if (isCell) drawLine(layers, maps, colors);
    tiles.replaceChildren(...maps.map((map, i) => tileOf(map, i, layers[i - 1], colors[i], energies[i], isCell)));
    text.textContent = words(layers, maps, colors, energies, isCell);
    voice.say(text.textContent);
  }

  const lit = (map) => map.reduce((count, value) => count + (value > 0), 0);

  function words(layers, maps, colors, energies, isCell) {
    const chain = layers.length ? `layers of dilation ${listed(layers.map(({ d }) => d))}` : "no layer";
    const linked = layers.some(({ link }) => link) ? ", the last two with residual links" : "";
    const joins = colors.flatMap(({ count }, i) =>
      i && count < colors[i - 1].count ? [`${count === 1 ? "one" : count} behind layer ${i}`] : []);
    const apart = colors.at(-1).count;
    const start = isCell ? `One active cell, row ${state.row}, column ${state.column},` : "A smooth map with a grid";
    return [
      `${start} behind ${chain}${linked}.`,
      isCell ? `Cells that it reached, layer by layer: ${listed(maps.map(lit))} of ${n * n}.` : "",
      joins.length ? `The ${colors[0].count} sub-lattices join: ${listed(joins)}.` : "",
      apart > 1 ? `At the end there are ${apart} sub-lattices that never exchange a value.` : "",
      `Lattice energy of period ${period} at the end: ${shown(energies.at(-1))} (white noise: ${white.toFixed(3)}).`,
    ].filter(Boolean).join(" ");
  }

  function drawLine(layers, maps, colors) {
    const [step, high, left] = [20, 46, 62];
    const height = high * maps.length - 14;
    line.setAttribute("viewBox", `0 0 ${left + n * step} ${height}`);
    line.setAttribute("aria-label", `One row of ${n} cells behind each of ${layers.length} layers, active cells filled`);
    const at = (map, column) => map[state.row * n + column];
    const [x, y] = [(column) => left + (column + 0.5) * step, (i) => high * i];
    const parts = maps.flatMap((map, i) => {
      const { d, link } = layers[i - 1] ?? {};
      const most = Math.max(...Array.from({ length: n }, (_, column) => at(map, column)));
      const paths = [];
      const cells = Array.from({ length: n }, (_, column) => {
        const value = at(map, column);
        for (const tap of i ? [-1, 0, 1] : []) {
          const from = column + d * tap;
          if (from >= 0 && from < n && at(maps[i - 1], from) > 0) paths.push([from, column]);
        }
        const strength = value > 0 ? 0.5 + 0.5 * Math.sqrt(value / most) : 0.13;
        return svg("rect", { class: value > 0 && "lit", x: x(column) - 8, y: y(i), width: 16, height: 16, rx: 2,
          fill: `rgb(${colors[i].color(state.row, column)})`, "fill-opacity": strength });
      });
      const curve = ([from, to]) => `M${x(from)} ${y(i - 1) + 16}L${x(to)} ${y(i)}`;
      const straight = paths.filter(([from, to]) => link && from === to);
      return [
        svg("path", { class: "paths", d: paths.map(curve).join("") }),
        svg("path", { class: "links", d: straight.map(curve).join("") }),
        svg("text", { x: 0, y: y(i) + 8, "dominant-baseline": "central" }, i ? `d = ${d}` : "input"),
        ...cells,
      ];
    });
    line.replaceChildren(...parts);
  }

  function tileOf(map, i, layer, palette, energy, isCell) {
    const name = i ? `behind d = ${layer.d}${layer.link ? ", linked" : ""}` : "input";
    const canvas = h("canvas", { width: 6 * n, height: 6 * n, role: "img", "aria-label": `Map ${i}, ${name}` });
    paint(canvas.getContext("2d"), map, palette, isCell);
    if (!i && isCell) {
      canvas.classList.add("pick");
      canvas.addEventListener("click", (event) => {
        const { left, top, width } = canvas.getBoundingClientRect();
        const cell = (offset) => Math.floor((n * offset) / width);
        moveTo(cell(event.clientY - top), cell(event.clientX - left));
      });
    }
    const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span", { style: `width: ${100 * energy}%` }));
    return h("li", {}, canvas, h("span", { class: "name" }, name), bar,
      h("span", { class: "energy", "data-energy": energy }, `energy ${shown(energy)}`));
  }

  /** One active cell in the sub-lattices' colors; any other map in its own range of greys. */
  function paint(context, map, palette, isCell) {
    const [least, most] = [Math.min(...map), Math.max(...map)];
    map.forEach((value, index) => {
      const [row, column] = [Math.floor(index / n), index % n];
      const grey = Math.round((255 * (value - least)) / (most - least || 1));
      context.globalAlpha = !isCell ? 1 : value > 0 ? 0.5 + 0.5 * Math.sqrt(value / most) : 0.13;
      context.fillStyle = `rgb(${isCell ? palette.color(row, column) : [grey, grey, grey]})`;
      context.fillRect(6 * column, 6 * row, isCell ? 5 : 6, isCell ? 5 : 6);
    });
  }

  arrows(lineBox, (rows, columns) => moveTo(state.row + rows, state.column + columns));
  Object.entries({ tabindex: 0, role: "group", "aria-label": "Along one axis; the arrow keys move the active cell" })
    .forEach(([name, value]) => lineBox.setAttribute(name, value));
  const body = h("div", { class: "explorer-body" },
    h("p", { class: "title" }, "Explorer: how dilation makes a grid, and what removes it"),
    h("p", {}, "Each layer is the filter [1, 2, 1] / 4 with its dilation, along rows and columns. ", hint),
    h("div", { class: "controls" }, ...first.map(({ node }) => node)),
    h("div", { class: "controls" }, falling.node, links.node),
    h("div", { class: "controls" }, input), position, lineBox,
    h("div", {}, h("p", { class: "part" }, "In two dimensions, with the lattice energy"), tiles), text, voice.node);
  return { body, draw };
}
