// What the book's live figures share. A figure `name` is a <div class="live" data-name="name"> that holds its data as
// JSON in a script, right behind the <picture> that stands for it without script and in print. Its own script,
// live-name.js, calls live.mount("name", (root, data) => { ... }) and fills the root.
// A page with several of them loads this several times, to no effect.
"use strict";

window.live ??= {
  // An HTML element with attributes (functions are listeners) and children (text or elements).
  element(tag, attributes = {}, ...children) {
    return live.fill(document.createElement(tag), attributes, children);
  },

  // The same of SVG.
  svg(tag, attributes = {}, ...children) {
    return live.fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  },

  fill(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(name, value);
      else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  },

  // Build the figure in every place that asks for it, and show it instead of its picture.
  mount(name, build) {
    for (const root of document.querySelectorAll(`.live[data-name="${name}"]`)) {
      if (root.classList.contains("ready")) continue;
      build(root, JSON.parse(root.querySelector("script").textContent));
      root.classList.add("ready");
    }
  },
};
