// One picture with a network's map over it: the cell, its field, and the positions that reach it.

import { centre } from "./geometry.mjs";
import { arrows, h, svg } from "./dom.mjs";

/** A view; `point(row, column)` is told a pixel under the pointer (null when it leaves), `choose` one that was clicked,
 *  `move(rows, columns)` the arrow keys, in cells. */
export function view({ point, choose, move }) {
  const picture = h("img", { src: new URL("photograph.webp", import.meta.url), alt: "", draggable: "false" });
  const canvas = h("canvas", { "aria-hidden": "true" });
  const drawing = svg("svg", { "aria-hidden": "true", preserveAspectRatio: "none" });
  const node = h("div", { class: "stage", tabindex: 0, role: "group" }, picture, canvas, drawing);
  let frame = { size: 224, margin: 0 };

  const pixel = (event) => {
    const { left, top, width } = node.getBoundingClientRect();
    const scale = (frame.size + 2 * frame.margin) / width;
    const inside = (at) => Math.min(Math.max(Math.round(at * scale - frame.margin), 0), frame.size - 1);
    return [inside(event.clientY - top), inside(event.clientX - left)];
  };
  let waiting = 0; // one drawing a frame is enough
  node.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => point(...pixel(event)));
  });
  node.addEventListener("pointerleave", () => {
    cancelAnimationFrame(waiting);
    point(null);
  });
  node.addEventListener("click", (event) => choose(...pixel(event)));
  arrows(node, move);

  /** Draw what networks.look found, in a picture of `size` pixels with `margin` pixels of padding shown around it. */
  function draw(seen, size, margin) {
    frame = { size, margin };
    const all = size + 2 * margin;
    node.setAttribute("aria-label", `${seen.label} on a picture of a cat; the arrow keys move the cell`);
    Object.assign(picture.style, { inset: `${(100 * margin) / all}%`, width: `${(100 * size) / all}%` });
    picture.style.opacity = seen.from || seen.holes ? 0.4 : 1; // so that single positions stand out
    paint(canvas, seen, size, margin, getComputedStyle(node).getPropertyValue("--explorer-accent").trim() || "#000000");

    const { axis, box, own } = seen;
    const edges = [];
    if (axis.jump > 1 && axis.jump >= size / 32 && !seen.from) {
      for (let at = Math.ceil(centre(axis) - axis.jump / 2) + axis.jump; at < size; at += axis.jump) {
        edges.push(`M0 ${at}H${size}M${at} 0V${size}`);
      }
    }
    const line = { fill: "none", "vector-effect": "non-scaling-stroke" };
    const rect = (x, y, width, height, more) => svg("rect", { x, y, width, height, ...more });
    drawing.setAttribute("viewBox", `${-margin} ${-margin} ${all} ${all}`);
    drawing.replaceChildren(
      svg("path", { d: edges.join(""), class: "grid", ...line }),
      rect(0, 0, size, size, { class: "rim", ...line }),
      rect(own.x[0], own.y[0], own.x[1] - own.x[0], own.y[1] - own.y[0], { class: "cell" }),
      rect(box.left, box.top, box.side, box.side, { class: "field", style: `--network: ${seen.color}`, ...line }),
    );
  }
  return { node, draw };
}

/** Positions that reach the cell, the stronger the more paths lead from them. Where all of a part of the picture does,
 *  as a tint; else as squares with gaps, and the cells of the map that they belong to as grey dots. */
function paint(canvas, { reached, start, from, holes }, size, margin, accent) {
  const fine = Math.max(2, Math.round(640 / (size + 2 * margin))); // canvas pixels to a pixel of the picture
  canvas.width = canvas.height = Math.round(fine * (size + 2 * margin));
  const context = canvas.getContext("2d");
  const most = Math.max(...reached.rows.values()) * Math.max(...reached.columns.values());
  const strength = (up, across) => Math.sqrt((up * across) / most); // 1 in the middle

  if (!from && !holes) {
    const tint = context.createImageData(size, size);
    const rgb = [1, 3, 5].map((at) => parseInt(accent.slice(at, at + 2), 16));
    for (const [row, up] of reached.rows) {
      for (const [column, across] of reached.columns) {
        tint.data.set([...rgb, 255 * (0.1 + 0.5 * strength(up, across))], 4 * (row * size + column));
      }
    }
    const small = new OffscreenCanvas(size, size);
    small.getContext("2d").putImageData(tint, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, fine * margin, fine * margin, fine * size, fine * size);
    return;
  }

  const side = Math.max(2, 0.7 * fine * start.jump);
  const square = (row, column, share) => {
    const corner = (at) => fine * (margin + centre(start) + at * start.jump + 0.5) - (share * side) / 2;
    context.fillRect(corner(column), corner(row), share * side, share * side);
  };
  if (start.size <= 56) {
    context.fillStyle = "rgba(128, 128, 128, 0.6)";
    for (let row = 0; row < start.size; row++) {
      for (let column = 0; column < start.size; column++) square(row, column, 0.35);
    }
  }
  context.fillStyle = accent;
  for (const [row, up] of reached.rows) {
    for (const [column, across] of reached.columns) {
      context.globalAlpha = 0.55 + 0.45 * strength(up, across);
      square(row, column, 1);
    }
  }
}
