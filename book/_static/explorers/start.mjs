// Puts an explorer in the place of each still picture that is marked with data-explorer. What the explorers know comes
// from data.json, which `make numbers` writes; each kind is a module of its own, loaded where a page has one.

const figures = [...document.querySelectorAll("figure[data-explorer]")];
const response = await fetch(new URL("data.json", import.meta.url));
if (!response.ok) throw new Error(`the explorers' data: ${response.status}`); // the still pictures stay
const data = await response.json();

for (const figure of figures) {
  const still = [...figure.childNodes];
  try {
    const place = data.places[figure.dataset.explorer];
    const { explorer } = await import(new URL(`${place.kind}.mjs`, import.meta.url));
    const { body, draw } = explorer(data, place);
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
