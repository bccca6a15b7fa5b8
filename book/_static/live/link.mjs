// What the page shows, as the end of its address: behind the "#", so that no server sees it.
//
//     #live?picture=coffee&size=64&class=espresso&thresholds=study_none_5.4
//
// Whoever made the address, nothing of it is believed that the page does not know.

const START = "#live?";
const WORDS = new Map([["study", null], ["none", -Infinity]]);

/** A threshold of one network: null for the study's, -Infinity for none. */
function threshold(text) {
  if (WORDS.has(text)) return WORDS.get(text);
  const value = Number.parseFloat(text);
  return Number.isFinite(value) ? value : null;
}

/** What an address asks for, made whole: {sample, size, name, thresholds}; `name` is null where it names no class. */
export function read(hash, { samples, sizes, classes, count }) {
  const said = new URLSearchParams(hash.startsWith(START) ? hash.slice(START.length) : "");
  const sample = samples.find(({ name }) => name === said.get("picture")) ?? samples[0];
  const size = sizes.find((side) => String(side) === said.get("size")) ?? sizes[0];
  const name = [said.get("class"), sample.wanted].find((one) => classes.includes(one)) ?? null;
  const parts = (said.get("thresholds") ?? "").split("_");
  return { sample, size, name, thresholds: Array.from({ length: count }, (_, i) => threshold(parts[i] ?? "study")) };
}

/** The end of the address that `read` makes the same of. */
export function written({ sample, size, name, thresholds }) {
  const word = (value) => [...WORDS].find(([, meant]) => meant === value)?.[0] ?? String(value);
  const parts = { picture: sample.name, size, class: name, thresholds: thresholds.map(word).join("_") };
  return START + new URLSearchParams(parts);
}
