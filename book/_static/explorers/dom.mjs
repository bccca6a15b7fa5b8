// Elements, labelled controls, and one sentence for screen readers: what both explorers are made of.

let made = 0;
const newId = () => `explorer-control-${++made}`;

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** An HTML element; attributes named on… are listeners, false leaves an attribute out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** A list to choose from; options are [value, text]. */
export function select(label, options, value, onchange, hidden = false) {
  const id = newId();
  const list = h("select", { id, onchange: () => onchange(list.value) });
  const node = h("div", { class: "control" }, h("label", { for: id, class: hidden && "sr-only" }, label), list);
  const offer = (options, value) => {
    list.replaceChildren(...options.map(([key, text]) => h("option", { value: key }, text)));
    list.value = value;
  };
  offer(options, value);
  return { node, list, offer };
}

/** A slider over whole numbers; `say` makes of a number what stands beside it and what a screen reader reads. */
export function slider(label, oninput, say) {
  const id = newId();
  const input = h("input", { id, type: "range", step: 1, oninput: () => oninput(Number(input.value)) });
  const output = h("output", { for: id });
  const node = h("div", { class: "control" }, h("label", { for: id }, label), input, output);
  const set = (value, min, max) => {
    Object.assign(input, { min, max, value });
    output.textContent = say(value);
    input.setAttribute("aria-valuetext", say(value));
  };
  return { node, input, set };
}

/** One of a few, all of them in sight; options are [value, text]. */
export function radios(legend, options, value, onchange) {
  const name = newId();
  const items = options.map(([key, text]) =>
    h("label", {}, h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange(key) }), text),
  );
  return h("fieldset", { class: "control" }, h("legend", {}, legend), ...items);
}

/** A switch. */
export function checkbox(label, checked, onchange, disabled = false) {
  const input = h("input", { type: "checkbox", checked, disabled, onchange: () => onchange(input.checked) });
  return { node: h("label", { class: "control" }, input, label), input };
}

/** A region that a screen reader reads out when the text has stood still for a moment; the first text is not news. */
export function announcer() {
  const node = h("p", { class: "sr-only", "aria-live": "polite" });
  let timer = 0;
  let heard;
  const say = (text) => {
    clearTimeout(timer);
    heard ??= text;
    if (text !== heard) timer = setTimeout(() => (node.textContent = heard = text), 400);
  };
  return { node, say };
}

/** Arrow keys on an element move by (rows, columns); other keys pass. */
export function arrows(node, move) {
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  node.addEventListener("keydown", (event) => {
    if (!steps[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(...steps[event.key]);
  });
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** "1, 2 and 3". */
export const listed = (items) => [items.slice(0, -1).join(", "), ...items.slice(-1)].filter(Boolean).join(" and ");
