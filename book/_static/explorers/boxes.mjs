// The paper's box from one class's map, and its overlap with a true one: a copy of drn_lib.localization.tight_boxes
// and of drn_lib.localization.scores.iou. A test compares both on random maps.
//
// A map is given cell by cell, row by row; a box is [x0, y0, x1, y1] in pixel edges.

/** Which cells count: the class wins there, equation (1), and scores more than t, equation (2). */
export const qualifying = (scores, wins, t) => scores.map((score, i) => wins[i] && score > t);

/** Equation (3), the tight box around the cells that count, where cell i of an axis is the pixels
 *  [jump i, jump (i + 1)); null where none counts. */
export function tightBox(counts, columns, jump, width, height) {
  const taken = counts.flatMap((counted, i) => (counted ? [i] : []));
  if (!taken.length) return null;
  const [across, down] = [taken.map((i) => i % columns), taken.map((i) => Math.floor(i / columns))];
  const end = (cells, size) => Math.min(jump * (Math.max(...cells) + 1), size);
  return [jump * Math.min(...across), jump * Math.min(...down), end(across, width), end(down, height)];
}

/** Intersection over union; no box overlaps nothing. */
export function iou(found, place) {
  if (!found) return 0;
  const side = (box, i) => box[i + 2] - box[i];
  const shared = (i) => Math.max(0, Math.min(found[i + 2], place[i + 2]) - Math.max(found[i], place[i]));
  const both = shared(0) * shared(1);
  return both / (side(found, 0) * side(found, 1) + side(place, 0) * side(place, 1) - both);
}
