// Python in a thread of its own, so that the page stays awake and a cell can be stopped. It comes from beside this file.

import { loadPyodide } from "./pyodide.mjs";

const here = new URL("./", import.meta.url).href;

async function start() {
  const [python, library] = await Promise.all([
    loadPyodide({ indexURL: here }),
    fetch(new URL("library.zip", here)).then((answer) => {
      if (!answer.ok) throw new Error(`library.zip: ${answer.status}`);
      return answer.arrayBuffer();
    }),
  ]);
  python.unpackArchive(library, "zip");
  return python.pyimport("runner");
}

let runner;

addEventListener("message", async ({ data: { before, code } }) => {
  try {
    runner ??= start();
    const answer = (await runner).run(before, code);
    const [good, text] = answer.toJs();
    answer.destroy();
    postMessage({ good, text });
  } catch (error) {
    runner = undefined;
    postMessage({ failed: String(error.message ?? error) });
  }
});
