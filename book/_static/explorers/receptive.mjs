// The explorer of receptive fields: two networks, one pixel, and what the cell around it sees.

import { centre, field } from "./geometry.mjs";
import { announcer, clamp, h, radios, select, slider } from "./dom.mjs";
import { KINDS, look, network, OWN, words } from "./networks.mjs";
import { stackEditor } from "./stack.mjs";
import { view } from "./receptive-view.mjs";

const SIZES = [[224, "224 px, as in the paper"], [64, "64 px, as our small networks"], [32, "32 px, to see single pixels"]];
const ROOM = 0.12; // shown around the picture and a field in its middle, as a share of the picture's side

export function explorer(data, place) {
  const state = { kind: "built", level: place.level, back: place.back, size: 224, row: 128, column: 128 };
  const own = data.own.map((row) => [...row]);
  const names = [...Object.entries(data.networks).map(([name, [label]]) => [name, label]), [OWN, "your own stack"]];
  const voice = announcer();

  const panels = ["left", "right"].map((side) => {
    const panel = { name: place[side], text: h("p", { class: "words" }) };
    panel.pick = select(`Network on the ${side}`, names, panel.name, (name) => {
      panel.name = name;
      draw();
    });
    panel.view = view({
      point: (row, column) => draw(row === null ? undefined : { row, column }),
      choose: (row, column) => moveTo(row, column),
      move(rows, columns) {
        const { axis } = panel.seen;
        moveTo(...panel.seen.cell.map((cell, i) => centre(axis) + axis.jump * (cell + [rows, columns][i])));
      },
    });
    panel.node = h("div", { class: "panel" }, panel.view.node, panel.pick.node, panel.text);
    return panel;
  });

  const level = slider("Level", (value) => draw(Object.assign(state, { level: value }) && undefined), String);
  const down = slider("Pixel, down", (value) => moveTo(value, state.column), (v) => `${v} px`);
  const across = slider("Pixel, across", (value) => moveTo(state.row, value), (v) => `${v} px`);
  const back = select("Show what reaches it from", [], 0, (value) => {
    state.back = Number(value);
    draw();
  });
  const size = select("Size of the picture", SIZES, state.size, (value) => {
    const factor = Number(value) / state.size;
    state.size = Number(value);
    editor.resize(state.size);
    moveTo(state.row * factor, state.column * factor);
  });
  const kind = radios("The last two strides", KINDS, state.kind, (value) => {
    state.kind = value;
    draw();
  });
  const editor = stackEditor(own, () => {
    if (!panels.some((panel) => panel.name === OWN)) {
      panels[1].name = panels[1].pick.list.value = OWN;
    }
    state.level = own.length;
    draw();
  });

  function moveTo(row, column) {
    const inside = (at) => clamp(Math.round(at), 0, state.size - 1);
    Object.assign(state, { row: inside(row), column: inside(column) });
    draw();
  }

  /** Draw everything; with `pointed` as if that pixel had been chosen, which a screen reader is not told. */
  function draw(pointed) {
    const networks = panels.map((panel) => network(data, panel.name, state.kind, own));
    const last = Math.max(...networks.map(({ levels }) => levels.at(-1).number));
    const first = Math.min(...networks.map(({ levels }) => levels[0].number));
    state.level = clamp(state.level, first, last);
    if (state.back >= state.level) state.back = 0;
    const earlier = Array.from({ length: state.level - first }, (_, i) => first + i);
    if (back.list.length !== earlier.length + 1 || back.list[1]?.value !== String(first)) {
      back.offer([[0, "the picture"], ...earlier.map((n) => [n, `the map of level ${n}`])], state.back);
    }
    back.list.value = state.back;
    level.set(state.level, first, last);
    const step = Math.floor(state.size / 28);
    for (const [control, value] of [[down, state.row], [across, state.column]]) {
      control.input.step = step;
      control.set(value, 0, state.size - step);
    }

    const seen = networks.map((entry) => look(entry, { ...state, ...pointed }));
    const over = Math.max(...seen.map(({ axis }) => field(axis) / 2)) - state.size / 2; // of a field in the middle
    const margin = clamp(over + ROOM * state.size, ROOM * state.size, state.size);
    panels.forEach((panel, i) => {
      panel.seen = seen[i];
      panel.view.draw(seen[i], state.size, margin);
      const outside = seen[i].box.side > state.size + 2 * margin ? " Its frame lies outside what is drawn." : "";
      panel.text.textContent = words(seen[i]) + outside;
    });
    if (!pointed) voice.say(seen.map(words).join(" "));
  }

  const body = h("div", { class: "explorer-body" },
    h("p", { class: "title" }, `Explorer: ${place.title}`),
    h("div", { class: "panels" }, ...panels.map((panel) => panel.node)),
    h("div", { class: "controls" }, kind),
    h("p", { class: "hint" }, "Point at the pictures, click, or use the arrow keys. Filled: the cell; frame: its ",
      "receptive field; tint: the positions that reach it, stronger where more paths lead to it; around the picture: padding."),
    h("div", { class: "controls" }, level.node, back.node, size.node, down.node, across.node),
    h("details", {}, h("summary", {}, "Build a stack of your own"), editor.node),
    h("p", { class: "credit" }, "Photograph: Stefan van der Walt, CC0, from scikit-image."), voice.node);
  return { body, draw: () => draw() };
}
