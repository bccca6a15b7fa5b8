// The reader's own stack: layers to edit, and the two formulas of chapter 01 with the numbers filled in.

import { axes, field, layer } from "./geometry.mjs";
import { checkbox, h, select } from "./dom.mjs";

const CHOICES = [
  ["kernel", [1, 3, 5, 7]],
  ["stride", [1, 2]],
  ["dilation", [1, 2, 3, 4, 8]],
];
const MOST = 8;

/** An editor of `own`, a list of [kernel, stride, dilation, residual]; `changed()` is called after each edit. */
export function stackEditor(own, changed) {
  const body = h("tbody");
  const add = h("button", { type: "button", onclick: () => edit(() => own.push([3, 1, 1, 0])) }, "Add a layer");
  const head = ["layer", "kernel", "stride", "dilation", "residual", "cells a side", "field, px", "jump", ""];
  const table = h("table", { class: "stack" },
    h("thead", {}, h("tr", {}, ...head.map((text) => (text ? h("th", { scope: "col" }, text) : h("td"))))), body);
  const node = h("div", {},
    h("p", {}, "With padding d(k − 1)/2 on both sides, so that only stride makes the map smaller: ",
      "o = ⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1, r ← r + d(k − 1)j, then j ← s j."),
    h("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "Layers of your own stack" }, table), add);

  function edit(change) {
    change();
    rows();
    changed();
  }

  function remove(index) {
    edit(() => own.splice(index, 1));
    // The button that had the focus is gone; the next one takes it.
    (body.rows[Math.min(index, own.length - 1)].querySelector("button:enabled") ?? add).focus();
  }

  function controls(row, index) {
    const number = index + 1;
    const lists = CHOICES.map(([name, values], i) => {
      const pick = select(`${name} of layer ${number}`, values.map((v) => [v, v]), row[i], (value) => {
        row[i] = Number(value);
        numbers();
        changed();
      }, true);
      return pick.node;
    });
    const box = checkbox("", Boolean(row[3]), (on) => {
      row[3] = Number(on);
      changed();
    });
    box.input.setAttribute("aria-label", `residual around layer ${number}`);
    return [...lists, box.node];
  }

  function rows() {
    body.replaceChildren(
      ...own.map((row, index) =>
        h("tr", {}, h("th", { scope: "row" }, String(index + 1)), ...controls(row, index).map((c) => h("td", {}, c)),
          h("td"), h("td"), h("td"),
          h("td", {}, h("button", { type: "button", disabled: own.length === 1, "aria-label": `remove layer ${index + 1}`,
            onclick: () => remove(index) }, "×"))),
      ),
    );
    add.disabled = own.length >= MOST;
    numbers();
  }

  let size = 224;
  function numbers() {
    const chain = own.map(([k, s, d, residual]) => layer(k, s, d, Boolean(residual)));
    const found = axes(chain, size);
    chain.forEach(({ k, s, d, p }, i) => {
      const [before, after] = [found[i], found[i + 1]];
      const cells = body.rows[i].cells;
      cells[5].textContent = `⌊(${before.size} + 2·${p} − ${d}·${k - 1} − 1)/${s}⌋ + 1 = ${after.size}`;
      cells[6].textContent = `${field(before)} + ${d}·${k - 1}·${before.jump} = ${field(after)}`;
      cells[7].textContent = `${s}·${before.jump} = ${after.jump}`;
    });
  }
  rows();
  return {
    node,
    /** The picture has another size. */
    resize(pixels) {
      size = pixels;
      numbers();
    },
  };
}
