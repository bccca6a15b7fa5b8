// Maps for the explorer of gridding: smoothing layers with dilation, and a copy of drn_lib.gridding.lattice_energy.
// A map is a Float64Array of n * n values, row by row. A test compares both with the library.

const TAPS = [0.25, 0.5, 0.25];

/** What one layer [1, 2, 1] / 4 of dilation d makes of a map, along rows and columns; with a link, the map plus that.
 *  Beyond the border lie zeros, or with `wrap` the map's other side. */
export function smooth(map, n, { d, link }, wrap) {
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
  return link ? smoothed.map((value, i) => value + map[i]) : smoothed;
}

/** The map itself and the map behind each layer. */
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

/** Chapter 04's toy: two slow waves and a lattice on them. */
export function gridded(n, tile, amplitude) {
  const wave = (i) => Math.sin((2 * Math.PI * i) / n);
  const p = tile.length;
  return Float64Array.from({ length: n * n }, (_, index) => {
    const [row, column] = [Math.floor(index / n), index % n];
    return wave(row) + wave(column) + amplitude * tile[row % p][column % p];
  });
}

/** Share of the map's energy that is a pattern repeating every p cells, p even, as chapter 03 defines it. */
export function latticeEnergy(map, n, p) {
  const half = p / 2;
  const kept = Math.floor((n - 2 * half) / p) * p;
  const weights = Array.from({ length: p + 1 }, (_, i) => (i === 0 || i === p ? 0.5 / p : 1 / p));
  const mean = map.reduce((sum, value) => sum + value, 0) / (n * n);
  const at = (row, column) => map[row * n + column] - mean;
  // The tile: the map less its local mean, averaged over all translates by p.
  const tile = new Float64Array(p * p);
  for (let row = 0; row < kept; row++) {
    for (let column = 0; column < kept; column++) {
      let local = 0;
      for (let i = 0; i <= p; i++) {
        for (let j = 0; j <= p; j++) local += weights[i] * weights[j] * at(row + i, column + j);
      }
      tile[(row % p) * p + (column % p)] += (at(row + half, column + half) - local) / (kept / p) ** 2;
    }
  }
  const tileMean = tile.reduce((sum, value) => sum + value, 0) / (p * p);
  let [lattice, rest, restSum] = [0, 0, 0];
  for (let row = 0; row < kept; row++) {
    for (let column = 0; column < kept; column++) {
      const repeated = tile[(row % p) * p + (column % p)] - tileMean;
      const left = at(row + half, column + half) - repeated;
      lattice += repeated ** 2;
      rest += left ** 2;
      restSum += left;
    }
  }
  rest -= restSum ** 2 / kept ** 2;
  const largest = map.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return lattice + rest > (kept * 1e-12 * largest) ** 2 ? lattice / (lattice + rest) : 0;
}
