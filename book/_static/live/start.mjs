// Offers to run the networks where the page has their stored picture. Nothing is fetched before the reader asks for it.

import { h } from "../explorers/dom.mjs";

const figure = document.querySelector("figure[data-live]");
const about = JSON.parse(figure.querySelector("script").textContent);

/** 18397012 -> "18.4 MB". */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

if (about.networks.length) {
  const progress = h("progress", { max: about.heavy, value: 0, "aria-label": "Loading the networks", hidden: true });
  const status = h("p", { class: "status", role: "status" });
  const button = h("button", { type: "button", class: "begin" }, `Run the networks in this page (${megabytes(about.bytes)})`);
  const promise = h("span", {}, "Your pictures stay on your machine: the networks come to the page.");
  const offer = h("div", { class: "offer" }, h("p", {}, button, " ", promise), progress, status);

  button.addEventListener("click", async () => {
    button.disabled = true;
    progress.hidden = false;
    status.textContent = "Loading the networks …";
    const tell = (loaded) => {
      progress.value = loaded;
      // A screen reader hears a status when it changes: not at every packet.
      if (loaded >= about.heavy) status.textContent = "Starting the networks …";
    };
    try {
      const { open } = await import(new URL("page.mjs", import.meta.url)).catch(() => {
        throw new Error("The page's own scripts could not be fetched: the network, or the site, does not answer.");
      });
      const { body, begin } = await open(about, tell);
      body.hidden = true; // the stored picture stays until there are answers to show
      offer.after(body);
      await begin().catch((error) => {
        body.remove();
        throw error;
      });
      figure.querySelectorAll(":scope > img, :scope > figcaption").forEach((node) => node.remove());
      offer.remove();
      body.hidden = false;
      figure.classList.add("live-ready");
      body.querySelector(".title").focus(); // the button that had the focus is gone
    } catch (error) {
      status.textContent = error.message;
      button.disabled = false;
      progress.hidden = true;
      progress.value = 0;
    }
  });
  figure.prepend(offer);
  if (location.hash.startsWith("#live?")) figure.scrollIntoView(); // the address of something that was shown here
}
