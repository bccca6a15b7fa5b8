// The exercises in a page: makes a form of each element that the build put behind an exercise's cell, and marks what is
// entered as book.exercises does. The form of the data: book/extensions/exercises.py.

import { h } from "../explorers/dom.mjs";

const NUMBER = "[+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?";
const QUOTIENT = new RegExp(`^(${NUMBER})(?: ?/ ?(${NUMBER}))?$`);
const THOUSANDS = /^[1-9]\d{0,2}(,\d{3})+$/;

/** The number that a text stands for, such as 12, 0.25, 1/3 or 600,600; any other text itself. */
export function read(text) {
  const plain = text.trim().replace("−", "-").replace(THOUSANDS, (whole) => whole.replaceAll(",", ""));
  const [, above, below = 1] = plain.match(QUOTIENT) ?? [];
  return above === undefined ? text : Number(above) / Number(below);
}

/** [right or not, what to tell the reader] for the answer of a given attempt, counted from 0. */
export function mark({ answers, other, words, tolerance }, answer, attempt) {
  const same = (known) => (typeof known === "string" || typeof answer === "string"
    ? known === answer
    : Math.abs(answer - known) <= tolerance + tolerance * Math.abs(known));
  const unknown = [answer, false, typeof answer === "string" ? words : other];
  const [, right, own] = answers.find(([known]) => same(known)) ?? unknown;
  return [right, own[Math.min(attempt, own.length - 1)]];
}

/** The form of one exercise. */
function form(exercise, number) {
  const { name, choices } = exercise;
  const id = `exercise-${number}`;
  const input = h("input", { id, autocomplete: "off", autocapitalize: "off", spellcheck: "false", size: 12 });
  const radios = choices.map((choice) => h("input", { type: "radio", name: id, value: choice }));
  const fields = choices.length
    ? h("fieldset", {}, h("legend", {}, "Your answer"), ...radios.map((radio) => h("label", {}, radio, radio.value)))
    : [h("label", { for: id }, "Your answer"), input];
  const verdict = h("p", { role: "status" });
  let attempt = 0;
  const tell = (kind, message) => {
    verdict.className = kind;
    verdict.replaceChildren(h("span", {}, message)); // a new node is read out, even if it says the same again
  };
  const onsubmit = (event) => {
    event.preventDefault();
    const text = choices.length ? radios.find((radio) => radio.checked)?.value : input.value.trim();
    if (!text) return tell("", choices.length ? "Choose one of the answers first." : "Write an answer first.");
    const [right, message] = mark(exercise, choices.length ? text : read(text), attempt);
    attempt = right ? 0 : attempt + 1;
    tell(right ? "right" : "wrong", message);
  };
  const button = h("button", {}, "Check");
  return h("form", { onsubmit, "aria-label": `Exercise ${name}` }, ...[fields].flat(), button, verdict);
}

document.querySelectorAll("[data-exercise]").forEach((place, number) => {
  const code = place.dataset.exercise;
  if (!code) return place.prepend(h("p", {}, "This one asks for a function: the notebook marks it."));
  const bytes = Uint8Array.from(atob(code), (character) => character.charCodeAt());
  place.append(form(JSON.parse(new TextDecoder().decode(bytes)), number));
});
