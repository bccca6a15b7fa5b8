// Run in a page of the built site: its article, twice. `html` keeps the formulas as the page draws them; `xhtml` has them
// as MathML. Links within the site begin with "site:", pictures are addresses of the site's files.

async () => {
  await window.MathJax?.startup?.promise;
  const drop =
    "script, style, button, form, input, select, iframe, noscript, .headerlink, .sd-summary-state-marker, .offline";
  const article = document.querySelector("article.bd-article").cloneNode(true);
  article.querySelectorAll(drop).forEach((node) => node.remove());
  article.querySelectorAll("details").forEach((node) => node.setAttribute("open", ""));
  const comments = document.createTreeWalker(article, NodeFilter.SHOW_COMMENT);
  const found = [];
  while (comments.nextNode()) found.push(comments.currentNode);
  found.forEach((node) => node.remove());

  const inSite = (address) => {
    const url = new URL(address, location.href);
    return url.origin === location.origin ? url.pathname.slice(1) + url.hash : null;
  };
  for (const link of article.querySelectorAll("a[href]")) {
    const inside = inSite(link.getAttribute("href"));
    if (inside !== null) link.setAttribute("href", "site:" + inside);
  }
  const asPng = {}; // what an EPUB may not hold, by its address: the PNG in base 64
  for (const image of document.querySelectorAll("article.bd-article img[src$='.webp']")) {
    image.loading = "eager";
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
    canvas.getContext("2d").drawImage(image, 0, 0);
    asPng[inSite(image.src)] = canvas.toDataURL("image/png").split(",")[1];
  }
  for (const image of article.querySelectorAll("img")) {
    image.removeAttribute("loading");
    image.setAttribute("src", inSite(image.getAttribute("src")) ?? image.src);
  }

  const plain = article.cloneNode(true);
  for (const set of plain.querySelectorAll("mjx-container")) {
    const math = set.querySelector("mjx-assistive-mml > math").cloneNode(true);
    if (set.getAttribute("display") === "true") math.setAttribute("display", "block");
    set.replaceWith(math);
  }
  article.querySelectorAll("mjx-assistive-mml").forEach((node) => node.remove());
  return {
    title: article.querySelector("h1").textContent.trim(),
    html: article.innerHTML,
    xhtml: [...plain.childNodes].map((node) => new XMLSerializer().serializeToString(node)).join(""),
    sheets: [...document.querySelectorAll('link[rel="stylesheet"]')].map((link) => inSite(link.href)),
    as_png: asPng,
    formulas: document.querySelector("#MJX-CHTML-styles")?.textContent ?? "",
  };
}
