// What a score map answers: names, and the box of a class by the paper's three equations. A copy of what
// drn_lib/localization/equations.py computes; a test compares the two on random maps.
//
// A score map is {values, classes, rows, columns}: a Float32Array, class by class, row by row.

import { qualifying, tightBox } from "../explorers/boxes.mjs";

/** The logits: the mean of each class's map. */
export function pooledLogits({ values, classes, rows, columns }) {
  const cells = rows * columns;
  return Array.from({ length: classes }, (_, c) => {
    let sum = 0;
    for (let i = c * cells; i < (c + 1) * cells; i++) sum += values[i];
    return sum / cells;
  });
}

/** Probabilities of logits. */
export function softmax(logits) {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The score of one class at every cell, and where it wins, equation (1): where several are highest, all of them do. */
export function evidence({ values, classes, rows, columns }, index) {
  const cells = rows * columns;
  const own = values.slice(index * cells, (index + 1) * cells);
  const wins = own.map((score, cell) => {
    for (let c = 0; c < classes; c++) if (values[c * cells + cell] > score) return 0;
    return 1;
  });
  return { own, wins };
}

/** The tight box around all cells where the class wins and scores more than t, equations (2) and (3): pixel edges
 *  [x0, y0, x1, y1], a cell being a tile of `jump` pixels, and the number of cells; null where no cell qualifies. */
export function box({ own, wins }, { columns }, threshold, jump, [height, width]) {
  const counts = qualifying(Array.from(own), wins, Math.fround(threshold));
  const edges = tightBox(counts, columns, jump, width, height);
  return edges && { edges, count: counts.filter(Boolean).length };
}

/** The channel of highest mean activation of a map (channels, rows, columns), as the paper's Fig. 7 shows it. */
export function loudest(values, channels, rows, columns) {
  const cells = rows * columns;
  let best = { channel: 0, mean: -Infinity };
  for (let channel = 0; channel < channels; channel++) {
    let sum = 0;
    for (let i = channel * cells; i < (channel + 1) * cells; i++) sum += values[i];
    if (sum / cells > best.mean) best = { channel, mean: sum / cells };
  }
  return { ...best, channels, rows, columns, values: values.slice(best.channel * cells, (best.channel + 1) * cells) };
}
