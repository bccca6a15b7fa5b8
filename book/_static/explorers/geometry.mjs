// Where a cell of a map looks, along one axis: a copy of drn_lib/geometry/axis.py and of the recurrences in
// drn_lib/geometry/grid.py, for stacks that the reader makes. A test compares the two on random stacks.
//
// A layer is {k, s, d, p, residual}: kernel, stride, dilation, padding; residual adds a shortcut around it (where the
// stride is s, one that takes every s-th cell). An axis is {size, jump, first, last}: cell i of the map reads the
// input pixels first + i * jump to last + i * jump.

/** A layer that keeps the size at stride 1, as all of the book's layers do. */
export function layer(k, s = 1, d = 1, residual = false) {
  return { k, s, d, p: d * Math.floor(k / 2), residual };
}

/** Cells that a layer makes of `size` cells; RangeError where the kernel does not fit. */
export function outputSize(size, { k, s, d, p }) {
  const extent = d * (k - 1) + 1;
  if (size + 2 * p < extent) {
    throw new RangeError(`a kernel of ${k} at dilation ${d} spans ${extent} cells and does not fit on ${size}`);
  }
  return Math.floor((size + 2 * p - extent) / s) + 1;
}

/** The axis of the image itself. */
export function image(size) {
  return { size, jump: 1, first: 0, last: 0 };
}

/** The axis of the map that a layer makes of a map with this axis. */
export function after(axis, layer) {
  const size = outputSize(axis.size, layer);
  let first = axis.first - layer.p * axis.jump;
  let last = axis.last + (layer.d * (layer.k - 1) - layer.p) * axis.jump;
  if (layer.residual) {
    // Where branches meet, the longest path counts.
    first = Math.min(first, axis.first);
    last = Math.max(last, axis.last);
  }
  return { size, jump: axis.jump * layer.s, first, last };
}

/** The axes along a chain of layers, the image's own first. */
export function axes(chain, size) {
  const found = [image(size)];
  for (const layer of chain) found.push(after(found.at(-1), layer));
  return found;
}

/** Input pixels from the first to the last that can influence one cell. */
export function field(axis) {
  return axis.last - axis.first + 1;
}

/** Middle pixel of cell 0's field. */
export function centre(axis) {
  return (axis.first + axis.last) / 2;
}

/** Pixel edges [low, high] of the pixels nearer to this cell's centre than to any other's, clipped to the image. */
export function cellEdges(index, axis, size) {
  const low = index * axis.jump + Math.ceil(centre(axis) - axis.jump / 2);
  return [low, low + axis.jump].map((edge) => Math.min(Math.max(edge, 0), size));
}

/** Share of a layer's taps, along one axis, that read its map and not the padding; squared for two axes. */
export function liveShare(size, layer) {
  const out = outputSize(size, layer);
  let live = 0;
  for (let cell = 0; cell < out; cell++) {
    for (let tap = 0; tap < layer.k; tap++) {
      const source = cell * layer.s - layer.p + layer.d * tap;
      if (source >= 0 && source < size) live++;
    }
  }
  return live / (out * layer.k);
}

/** Input positions that reach a cell of the last map, as a Map from position to number of paths; none through padding. */
export function reach(chain, cell, size) {
  const sizes = axes(chain, size).map((axis) => axis.size);
  let paths = new Map([[cell, 1]]);
  for (let depth = chain.length - 1; depth >= 0; depth--) {
    const { k, s, d, p, residual } = chain[depth];
    const below = new Map();
    const add = (source, count) => {
      if (source >= 0 && source < sizes[depth]) below.set(source, (below.get(source) ?? 0) + count);
    };
    for (const [position, count] of paths) {
      for (let tap = 0; tap < k; tap++) add(position * s - p + d * tap, count);
      if (residual) add(position * s, count);
    }
    paths = below;
  }
  return new Map([...paths].sort((a, b) => a[0] - b[0]));
}
