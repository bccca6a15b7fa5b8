// The explorer of gridding: a stack of dilated layers, the sub-lattices that it keeps apart, and what is left of a grid.

import { announcer, arrows, checkbox, clamp, h, listed, radios, select, slider, svg } from "./dom.mjs";
import { gridded, oneCell, shares, stages } from "./lattice.mjs";

const DILATIONS = [[0, "none"], [1, "1"], [2, "2"], [4, "4"]];
const INPUTS = [["cell", "one active cell"], ["smooth", "a smooth map with a grid"], ["rough", "a rough map with a grid"]];

const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const shown = (share) => `${(100 * share).toFixed(1)} %`;
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
  const { cells: n, begin, tile } = data.lattice;
  const filled = (dilations) => [0, 1, 2, 3].map((i) => dilations[i] ?? 0);
  const state = { dilations: filled(place.dilations), input: place.input, relu: place.relu, links: false };
  Object.assign(state, { row: begin, column: begin });
  const voice = announcer();
  const change = (more) => {
    Object.assign(state, more);
    draw();
  };
  const moveTo = (row, column) => change({ row: clamp(row, 0, n - 1), column: clamp(column, 0, n - 1) });

  const presets = data.presets[place.presets].map(([label, dilations, links]) =>
    h("button", { type: "button", onclick: () => change({ dilations: filled(dilations), links }) }, label));
  const chosen = state.dilations.map((d, i) => select(`Dilation, layer ${i + 1}`, DILATIONS, d,
    (value) => change({ dilations: state.dilations.with(i, Number(value)) })));
  const relu = checkbox("ReLU after each layer", state.relu, (on) => change({ relu: on }));
  const links = checkbox("residual links around the last two", state.links, (on) => change({ links: on }));
  const input = radios("Input", INPUTS, state.input, (value) => change({ input: value }));
  const down = slider("Cell's row", (value) => moveTo(value, state.column), String);
  const across = slider("Cell's column", (value) => moveTo(state.row, value), String);
  const position = h("div", { class: "controls" }, down.node, across.node);
  const line = svg("svg", { class: "line", role: "img" });
  const tiles = h("ol", { class: "tiles", start: 0 });
  const text = h("p", { class: "words" });
  const lineBox = h("div", {}, line);

  function draw() {
    const used = state.dilations.filter(Boolean);
    const isCell = state.input === "cell";
    const withRelu = state.relu && !isCell; // one active cell is positive everywhere
    const layers = used.map((d, i) => ({ d, relu: withRelu, link: state.links && i >= used.length - 2 }));
    const start = isCell ? oneCell(n, state.row, state.column) : gridded(n, tile, state.input === "rough");
    // The toy of chapter 04 goes on beyond its border; around one active cell there is padding.
    const maps = stages(start, n, layers, !isCell);
    const colors = palettes(data.sublattices, used);
    const grids = maps.map((map) => shares(map, n));

    chosen.forEach(({ list }, i) => (list.value = state.dilations[i]));
    links.input.checked = state.links;
    relu.input.disabled = isCell;
    position.hidden = lineBox.hidden = !isCell;
    down.set(state.row, 0, n - 1);
    across.set(state.column, 0, n - 1);
    if (isCell) drawLine(layers, maps, colors);
    tiles.replaceChildren(...maps.map((map, i) => tileOf(map, i, layers[i - 1], colors[i], grids[i], isCell)));
    text.textContent = isCell ? wordsOfCell(layers, maps, colors) : wordsOfGrid(layers, grids);
    voice.say(text.textContent);
  }

  const lit = (map) => map.reduce((count, value) => count + (value > 0), 0);
  const chain = (layers) => {
    const linked = layers.some(({ link }) => link) ? ", the last two with residual links" : "";
    return `${layers.length ? `dilation ${listed(layers.map(({ d }) => d))}` : "no layer"}${linked}`;
  };

  function wordsOfCell(layers, maps, colors) {
    const apart = colors.at(-1).count;
    const joins = colors.flatMap(({ count }, i) =>
      i && count < colors[i - 1].count ? [`${count === 1 ? "one" : count} after layer ${i}`] : []);
    return [
      `One active cell, row ${state.row}, column ${state.column}, after ${chain(layers)}.`,
      `Cells that it reached, layer by layer: ${listed(maps.map(lit))} of ${n * n}.`,
      joins.length ? `The ${colors[0].count} sub-lattices join: ${listed(joins)}.` : "",
      apart > 1 ? `At the end there are ${apart} sub-lattices that never exchange a value.` : "",
    ].filter(Boolean).join(" ");
  }

  function wordsOfGrid(layers, grids) {
    const [[two, four], [twoLeft, fourLeft]] = [grids[0], grids.at(-1)];
    return `A ${state.input} map with a grid, after ${chain(layers)}${state.relu ? ", a ReLU after each" : ""}. ` +
      `Part of the variance that repeats every 4 cells: ${shown(four)} before, ${shown(fourLeft)} after; ` +
      `every 2 cells: ${shown(two)} before, ${shown(twoLeft)} after.`;
  }

  function drawLine(layers, maps, colors) {
    const [step, high, left] = [20, 46, 62];
    const height = high * maps.length - 14;
    line.setAttribute("viewBox", `0 0 ${left + n * step} ${height}`);
    line.setAttribute("aria-label", `One row of ${n} cells after each of ${layers.length} layers, active cells filled`);
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
        const strength = value > 0 ? 0.5 + 0.5 * Math.sqrt(value / most) : 0.3;
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

  function tileOf(map, i, layer, palette, [two, four], isCell) {
    const name = i ? `after d = ${layer.d}${layer.link ? ", linked" : ""}` : "input";
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
    const part = isCell ? 1 / palette.count : two + four;
    const said = isCell ? `${palette.count === 1 ? "one map" : `${palette.count} separate maps`}` : `grid: ${shown(part)}`;
    const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span", { style: `width: ${100 * part}%` }));
    return h("li", {}, canvas, h("span", { class: "name" }, name), bar, h("span", { class: "energy" }, said));
  }

  /** One active cell in the sub-lattices' colors; any other map in its own range of greys. */
  function paint(context, map, palette, isCell) {
    const [least, most] = [Math.min(...map), Math.max(...map)];
    map.forEach((value, index) => {
      const [row, column] = [Math.floor(index / n), index % n];
      const grey = Math.round((255 * (value - least)) / (most - least || 1));
      context.globalAlpha = !isCell ? 1 : value > 0 ? 0.5 + 0.5 * Math.sqrt(value / most) : 0.3;
      context.fillStyle = `rgb(${isCell ? palette.color(row, column) : [grey, grey, grey]})`;
      context.fillRect(6 * column, 6 * row, isCell ? 5 : 6, isCell ? 5 : 6);
    });
  }

  arrows(lineBox, (rows, columns) => moveTo(state.row + rows, state.column + columns));
  Object.entries({ tabindex: 0, role: "group", "aria-label": "Along one axis; the arrow keys move the active cell" })
    .forEach(([name, value]) => lineBox.setAttribute(name, value));
  const body = h("div", { class: "explorer-body" },
    h("p", { class: "title" }, `Explorer: ${place.title}`),
    tiles, h("div", { class: "controls" }, ...presets), text, lineBox,
    h("details", {}, h("summary", {}, "Build a stack of your own"),
      h("p", {}, "Each layer is the filter [1, 2, 1] / 4 with its dilation, along rows and columns. Cells that have " +
        "exchanged values share a color; a map with a grid has its own range of greys."),
      h("div", { class: "controls" }, ...chosen.map(({ node }) => node)),
      h("div", { class: "controls" }, relu.node, links.node), h("div", { class: "controls" }, input), position),
    voice.node);
  return { body, draw };
}
