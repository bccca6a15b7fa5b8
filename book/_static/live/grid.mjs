// How strong the grid in a level's maps is. A copy of drn_lib/gridding/contrast.py, from which chapter 03 takes the
// measure; a test compares the two on random maps.

export const PERIODS = [4, 2];
const LEAST_SIDE = 7; // cells: on smaller maps the measure was not tried out

/** How much more alike cells one period apart are than cells one less and one more apart, for each of PERIODS; all
 *  channels together. Null where the maps (channels, rows, columns) have too few cells. */
export function gridContrast(values, channels, rows, columns) {
  if (Math.min(rows, columns) < LEAST_SIDE) return null;
  const [down, across] = [new Float64Array(6), new Float64Array(6)]; // sums over channels, by the cells between
  const cells = rows * columns;
  const x = new Float64Array(cells);
  let largest = 0;
  for (let channel = 0; channel < channels; channel++) {
    let mean = 0;
    for (let i = 0; i < cells; i++) mean += (x[i] = values[channel * cells + i]);
    mean /= cells;
    for (let i = 0; i < cells; i++) {
      largest = Math.max(largest, Math.abs(x[i]));
      x[i] -= mean;
    }
    for (let lag = 0; lag < 6; lag++) {
      let [below, beside] = [0, 0];
      for (let i = 0; i < cells - lag * columns; i++) below += x[i] * x[i + lag * columns];
      for (let row = 0; row < cells; row += columns) {
        for (let i = row; i < row + columns - lag; i++) beside += x[i] * x[i + lag];
      }
      down[lag] += below / (columns * (rows - lag));
      across[lag] += beside / (rows * (columns - lag));
    }
  }
  if (down[0] <= 1e-20 * largest ** 2) return [0, 0]; // constant, up to rounding
  const alike = Array.from(down, (value, lag) => (value + across[lag]) / (2 * down[0]));
  const bump = (period) => alike[period] - (alike[period - 1] + alike[period + 1]) / 2;
  const two = bump(2);
  return [bump(4) - Math.max(two, 0), two]; // a pattern of period 2 repeats every 4 cells too: it counts once
}
