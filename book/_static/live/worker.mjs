// Runs the networks beside the page, so that the page stays quick: fetches onnxruntime and the models, then answers
// pictures, one after the other.
//
// In:  {kind: "load", networks, bytes}        out: {kind: "progress", loaded} …, {kind: "ready"}
//      {kind: "run", id, size, pixels}             {kind: "answer", id, answers}
// and {kind: "error", id, sentence} where something went wrong. `pixels` are those of a canvas, RGBA, size × size.

import { loudest } from "./answer.mjs";
import { gridContrast } from "./grid.mjs";

const here = (name) => new URL(name, import.meta.url);
let networks = []; // what the page says of each, with its session
let runtime;

/** An error whose message is a sentence for the reader. */
class Told extends Error {}

/** A file, whole; `tell` hears how many bytes came. */
async function bytesOf(name, tell) {
  let response;
  try {
    response = await fetch(here(name));
  } catch {
    throw new Told(`${name} could not be fetched: the network, or the site, does not answer. Try again when it does.`);
  }
  if (!response.ok) throw new Told(`${name} could not be fetched: the site answers ${response.status}.`);
  try {
    const parts = [];
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      tell(part.value.length);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  } catch {
    throw new Told(`The connection broke while ${name} came. Try again.`);
  }
}

async function load({ networks: wanted }) {
  if (typeof WebAssembly !== "object") {
    throw new Told("This browser does not run WebAssembly, in which the networks compute (some privacy modes forbid it).");
  }
  let loaded = 0;
  const tell = (count) => postMessage({ kind: "progress", loaded: (loaded += count) });
  const names = ["ort.wasm", ...wanted.map(({ file }) => file)];
  const [compiled, ...models] = await Promise.all(names.map((name) => bytesOf(name, tell)));
  try {
    runtime = await import(here("ort.mjs"));
  } catch {
    throw new Told("ort.mjs could not be fetched: the network, or the site, does not answer. Try again when it does.");
  }
  runtime.env.wasm.numThreads = 1; // more of them need headers that a static site cannot send
  runtime.env.wasm.wasmBinary = compiled;
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
  networks = [];
  for (const [i, model] of models.entries()) {
    networks.push({ ...wanted[i], session: await runtime.InferenceSession.create(model, options) });
  }
}

/** Pixels of a canvas as the networks take them: channel by channel, normalized. */
function normalized(pixels, size, { mean, std }) {
  const cells = size * size;
  const image = new Float32Array(3 * cells);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < cells; i++) image[channel * cells + i] = (pixels[4 * i + channel] / 255 - mean[channel]) / std[channel];
  }
  return image;
}

async function run({ size, pixels }) {
  const answers = [];
  for (const { session, normalization, outputs } of networks) {
    const start = performance.now();
    const image = new runtime.Tensor("float32", normalized(pixels, size, normalization), [1, 3, size, size]);
    const found = await session.run({ image });
    const milliseconds = performance.now() - start;
    const [, classes, rows, columns] = found.score_map.dims;
    const levels = Object.entries(outputs).filter(([, { level }]) => level).map(([name, { level }]) => {
      const maps = [found[name].data, ...found[name].dims.slice(1)];
      return { level, ...loudest(...maps), contrast: gridContrast(...maps) };
    });
    answers.push({ scores: { values: found.score_map.data, classes, rows, columns }, levels, milliseconds });
    for (const tensor of [image, ...Object.values(found)]) tensor.dispose();
  }
  return answers;
}

/** What went wrong, for a reader. */
function sentence(error) {
  if (error instanceof Told) return error.message;
  const text = String(error); // with its name: "RangeError: ..."
  if (/memory|bad_alloc|RangeError/i.test(text)) {
    return "The browser gave the networks too little memory: choose fewer pixels, or close other pages.";
  }
  if (/CompileError|SIMD|WebAssembly/i.test(text)) {
    return "This browser cannot run the networks' WebAssembly (it needs SIMD, as browsers have had since 2021 to 2023).";
  }
  return `The networks did not run (${text.split("\n")[0]}).`;
}

let turn = Promise.resolve(); // one message after the other
addEventListener("message", ({ data }) => {
  turn = turn.then(async () => {
    try {
      if (data.kind === "load") postMessage(await load(data).then(() => ({ kind: "ready" })));
      else postMessage({ kind: "answer", id: data.id, answers: await run(data) });
    } catch (error) {
      postMessage({ kind: "error", id: data.id, sentence: sentence(error) });
    }
  });
});
