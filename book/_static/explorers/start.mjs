// Puts an explorer in the place of each still picture that is marked with data-explorer. Each kind is a module of its
// own with a JSON file of what it knows, which `make numbers` writes; both are loaded where a page has one.

for (const figure of document.querySelectorAll("figure[data-explorer]")) {
  const still = [...figure.childNodes];
  try {
    const name = figure.dataset.explorer;
    const kind = name.split("-")[0];
    const response = await fetch(new URL(`${kind}.json`, import.meta.url));
    if (!response.ok) throw new Error(`the explorer's data: ${response.status}`);
    const data = await response.json();
    const { explorer } = await import(new URL(`${kind}.mjs`, import.meta.url));
    const { body, draw } = explorer(data, data.places[name]);
    figure.replaceChildren(body);
    draw();
    figure.classList.add("explorer-live");
    // The drawings take their colors from the page's style, which changes between light and dark.
    new MutationObserver(() => draw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  } catch (error) {
    figure.replaceChildren(...still); // a browser that lacks something keeps the picture
    reportError(error);
  }
}
