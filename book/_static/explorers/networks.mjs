// The networks of the book as the explorer of receptive fields asks them: which cell, what it sees, in words.

import { axes, cellEdges, centre, field, layer, liveShare, reach } from "./geometry.mjs";
import { clamp } from "./dom.mjs";

export const OWN = "own";

/** How the last two strides of a network are treated: key, what to choose, how a network is then called. */
export const KINDS = [
  ["built", "as each was built", ""],
  ["stride", "what stride would have seen", " with strides in levels 5 and 6"],
  ["dilation", "what dilation sees", " with dilation in levels 5 and 6"],
  ["neither", "neither: the stride gone, nothing dilated", " without stride or dilation in levels 5 and 6"],
];

/** A network as {label, color, levels: [{number, chain}]}; the reader's own stack has a level for each layer. */
export function network(data, name, kind, own) {
  if (name === OWN) {
    const levels = own.map(([k, s, d, residual], i) => ({ number: i + 1, chain: [layer(k, s, d, Boolean(residual))] }));
    return { label: "Your own stack", color: "var(--pst-color-text-base, #1f2937)", levels };
  }
  const [label, color, built, ...versions] = data.networks[name];
  const chosen = KINDS.findIndex(([key]) => key === kind);
  const indices = versions[chosen ? chosen - 1 : built];
  const same = String(indices) === String(versions[built]);
  const levels = indices.map((index) => {
    const [number, ...blocks] = data.levels[index].split(" ");
    const chain = blocks.flatMap((block) => {
      const [times, rows] = block.split("x");
      return Array(Number(times)).fill(rows.split(",").map((row) => layer(...[...row].map(Number)))).flat();
    });
    return { number: Number(number), chain };
  });
  return { label: same ? label : label + KINDS[chosen][2], color, levels };
}

/** Everything about one cell: the one that looks around a pixel, in the map that leaves a level, read back to another. */
export function look(network, { size, level, back, row, column }) {
  const numbers = network.levels.map((entry) => entry.number);
  const at = clamp(level, numbers[0], numbers.at(-1));
  const chain = network.levels.filter((entry) => entry.number <= at).flatMap((entry) => entry.chain);
  const found = axes(chain, size);
  const axis = found.at(-1);
  const cellAt = (pixel) => clamp(Math.round((pixel - centre(axis)) / axis.jump), 0, axis.size - 1);
  const [r, c] = [cellAt(row), cellAt(column)];

  const from = back < at && numbers.includes(back) ? back : 0;
  const depth = network.levels.filter((entry) => entry.number <= from).flatMap((entry) => entry.chain).length;
  const start = found[depth];
  const upper = chain.slice(depth);
  const local = axes(upper, start.size).at(-1);
  const span = (cell) =>
    Math.min(local.last + cell * local.jump, start.size - 1) - Math.max(local.first + cell * local.jump, 0) + 1;

  const low = (cell) => axis.first + cell * axis.jump;
  const inside = (cell) => Math.max(0, Math.min(low(cell) + field(axis), size) - Math.max(low(cell), 0));
  const [rows, columns] = [reach(upper, r, start.size), reach(upper, c, start.size)];
  const wide = chain.findLastIndex((entry) => entry.k > 1);
  return {
    label: network.label, color: network.color, level: at, axis, cell: [r, c], from, start,
    box: { left: low(c), top: low(r), side: field(axis) },
    own: { x: cellEdges(c, axis, size), y: cellEdges(r, axis, size) },
    reached: { rows, columns },
    span: { rows: span(r), columns: span(c) },
    holes: rows.size < span(r) || columns.size < span(c),
    inPicture: (inside(r) * inside(c)) / field(axis) ** 2,
    live: liveShare(found[wide].size, chain[wide]) ** 2,
    kernel: chain[wide].k,
  };
}

const percent = (share) => (share > 0.995 && share < 1 ? "over 99 %" : `${Math.round(100 * share)} %`);

/** The same in words. */
export function words(seen) {
  const { axis, from, reached, span } = seen;
  const things = from ? `cells of level ${from}` : "pixels";
  const share = (reached.rows.size * reached.columns.size) / (span.rows * span.columns);
  const steps = [...reached.columns.keys()].map((at, i, all) => (i ? at - all[i - 1] : 0)).slice(1);
  const even = steps.length && steps.every((step) => step === steps[0]) ? steps[0] : 0;
  const nth = even === 2 ? "second" : `${even}th`;
  const every = even > 1 ? `, every ${nth} one along each axis` : "";
  return [
    `${seen.label}, level ${seen.level}: ${axis.size} × ${axis.size} cells, jump ${axis.jump} px.`,
    `The cell in row ${seen.cell[0]}, column ${seen.cell[1]} has a receptive field of ${seen.box.side} × ${seen.box.side} px;`,
    seen.inPicture === 1 ? "all of it lies in the picture." : `${percent(seen.inPicture)} of it lies in the picture, the rest is padding.`,
    share === 1
      ? `All ${things} of that part reach it.`
      : `Of the ${things} in that part, ${percent(share)} reach it (${reached.rows.size} of ${span.rows} down, ${reached.columns.size} of ${span.columns} across)${every}.`,
    `Live taps of the last ${seen.kernel}×${seen.kernel} layer, all cells: ${percent(seen.live)}.`,
  ].join(" ");
}
