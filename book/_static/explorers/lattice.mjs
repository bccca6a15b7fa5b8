// Maps for the explorer of gridding: smoothing layers with dilation, and how much of a map is a grid.
// A map is a Float64Array of n * n values, row by row. A test compares both with chapter 04's toy.

const TAPS = [0.25, 0.5, 0.25];

/** What one layer [1, 2, 1] / 4 of dilation d makes of a map, along rows and columns; with a link, the map plus that;
 *  with a ReLU, less its mean and then without what is negative. Beyond the border lie zeros, or with `wrap` the map's
 *  other side. */
export function smooth(map, n, { d, link, relu }, wrap) {
  const along = (source, step, other) => {
    const made = new Float64Array(n * n);
    for (let a = 0; a < n; a++) {
      for (let b = 0; b < n; b++) {
        for (let tap = 0; tap < 3; tap++) {
          let from = b + d * (tap - 1);
          if (wrap) from = (from + n) % n;
          if (from >= 0 && from < n) made[a * other + b * step] += TAPS[tap] * source[a * other + from * step];
        }
      }
    }
    return made;
  };
  const smoothed = along(along(map, n, 1), 1, n);
  const summed = link ? smoothed.map((value, i) => value + map[i]) : smoothed;
  if (!relu) return summed;
  const mean = summed.reduce((sum, value) => sum + value, 0) / summed.length;
  return summed.map((value) => Math.max(0, value - mean));
}

/** The map itself and the map after each layer. */
export function stages(map, n, layers, wrap) {
  const found = [map];
  for (const layer of layers) found.push(smooth(found.at(-1), n, layer, wrap));
  return found;
}

/** One active cell. */
export function oneCell(n, row, column) {
  const map = new Float64Array(n * n);
  map[row * n + column] = 1;
  return map;
}

/** Two slow waves, or with `rough` random numbers, always the same; and a lattice on them. */
export function gridded(n, tile, rough) {
  const wave = (i) => Math.sin((2 * Math.PI * i) / n);
  let drawn = 1;
  const uniform = () => (drawn = (drawn * 48271) % 2147483647) / 2147483647;
  const normal = () => Array.from({ length: 12 }, uniform).reduce((sum, value) => sum + value, -6);
  const p = tile.length;
  return Float64Array.from({ length: n * n }, (_, index) => {
    const [row, column] = [Math.floor(index / n), index % n];
    return (rough ? normal() : wave(row) + wave(column)) + tile[row % p][column % p];
  });
}

/** How much of the map's variance repeats every 2 cells, and how much every 4 but not every 2. */
export function shares(map, n) {
  const mean = map.reduce((sum, value) => sum + value, 0) / map.length;
  const whole = map.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const repeated = (p) => {
    const tile = new Float64Array(p * p);
    map.forEach((value, i) => (tile[(Math.floor(i / n) % p) * p + ((i % n) % p)] += ((value - mean) * p * p) / map.length));
    return (tile.reduce((sum, value) => sum + value ** 2, 0) / (p * p)) * map.length;
  };
  const [two, four] = [repeated(2), repeated(4)];
  return whole > 1e-20 ? [two / whole, Math.max(0, four - two) / whole] : [0, 0];
}
