// What a reader has to say of the page that is open: a list of complaints, empty if there are none.
async ({ scheme, figures }) => {
  const complaints = [];
  const complain = (what, element) => {
    const text = (element?.outerHTML ?? element?.textContent ?? "").replace(/\s+/g, " ");
    complaints.push(text ? `${what}: ${text.slice(0, 160)}` : what);
  };
  const styles = new Map();
  const style = (element) => {
    if (!styles.has(element)) styles.set(element, getComputedStyle(element));
    return styles.get(element);
  };

  // The page hears of a new colour scheme before the next frame, and fades into it.
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  for (const animation of document.getAnimations()) animation.finish();

  await document.fonts.ready;

  // Mathematics: every formula became one container while the book was built, which is where TeX's errors are told.
  const formulas = [...document.querySelectorAll(".math")];
  for (const formula of formulas) {
    if (!formula.querySelector("mjx-container")) complain("mathematics is not typeset", formula);
  }
  const containers = document.querySelectorAll("mjx-container").length;
  if (containers > formulas.length) complain(`${containers} typeset formulas, but ${formulas.length} in the text`);

  // Images, those that are loaded lazily too.
  for (const image of document.images) {
    image.loading = "eager";
    await image.decode().catch(() => {});
    if (!image.naturalWidth) complain("an image is missing", image);
    if (!image.alt.trim()) complain("an image has no alternative text", image);
    const other = image.closest(scheme === "dark" ? ".only-light" : ".only-dark");
    const replaced = image.closest(".shown:has(+ .live.ready)");
    const expected = !other && !replaced;
    if (expected && !image.checkVisibility() && !image.closest("details")) complain("an image is hidden", image);
    if (other && image.checkVisibility()) complain(`a picture of the other scheme is shown, ${scheme}`, image);
    const text = image.closest(".shown")?.dataset.smallest.split(" ")[/-narrow/.test(image.currentSrc) ? 1 : 0];
    const pixels = ((text * 4) / 3) * (image.clientWidth / image.naturalWidth); // 3 points are 4 pixels
    if (text && image.clientWidth && pixels < 8.99) complain(`a figure has text of ${pixels.toFixed(1)} px`, image);
  }
  const shown = document.querySelectorAll("article .cell_output .shown").length;
  if (shown !== figures) complain(`the chapter has ${figures} figures, the page ${shown}`);
  for (const figure of document.querySelectorAll("figure:has(.shown)")) {
    if (!figure.querySelector("figcaption")?.textContent.trim()) complain("a figure has no caption", figure);
  }

  // Width: the page does not scroll sideways, and nothing is cut off. What scrolls in its own box can be reached.
  const page = document.scrollingElement;
  const width = page.clientWidth;
  const far = (box, left, right) => box.width > 1 && (box.left < left - 1 || box.right > right + 1);
  const check = (box, element, what) => {
    for (let around = element; around; around = around.parentElement) {
      const { overflowX, position } = style(around);
      if (position === "fixed" || /auto|scroll/.test(overflowX)) return;
      if (around === document.body) {
        if (page.scrollWidth > width && far(box, 0, width)) complain("wider than the page", what);
        return;
      }
      const clip = around.getBoundingClientRect();
      if (/hidden|clip/.test(overflowX)) {
        // A box of a pixel holds what only screen readers say.
        if (clip.width > 1 && far(box, clip.left, clip.right)) complain("cut off", what);
        return;
      }
    }
  };
  if (page.scrollWidth > width) complain(`the page scrolls sideways: ${page.scrollWidth} px on a screen of ${width}`);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest("mjx-container, script, style, noscript") || !parent.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    check(range.getBoundingClientRect(), parent, node);
    const source = parent.closest("article") && !parent.closest("pre, code, .math");
    if (source && /\$|\\[A-Za-z([]/.test(node.data)) complain("TeX stands in the text", node);
  }
  for (const element of document.querySelectorAll("article :is(mjx-container, :not(:has(*), mjx-container *))")) {
    if (element.checkVisibility()) check(element.getBoundingClientRect(), element.parentElement, element);
  }

  // Code is wrapped, so that no end of a line is out of sight.
  for (const code of document.querySelectorAll("article pre")) {
    if (code.checkVisibility() && code.scrollWidth > code.clientWidth + 1) complain("code is cut", code);
  }

  // Colours: the scheme that was asked for, and text that stands out from it (WCAG's contrast of level AA).
  const luminance = (colour) => {
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const [red, green, blue] = colour.match(/[\d.]+/g).map((value) => linear(value / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const article = document.querySelector("article");
  let behind = article;
  while (behind.parentElement && /, 0\)$|transparent/.test(style(behind).backgroundColor)) behind = behind.parentElement;
  const ground = luminance(style(behind).backgroundColor);
  const ink = luminance(style(article).color);
  if (scheme === "dark" ? ground > 0.1 : ground < 0.8) complain(`the page is not ${scheme}: ${style(behind).backgroundColor}`);
  const contrast = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
  if (contrast < 4.5) complain(`text has a contrast of ${contrast.toFixed(1)} only, ${scheme}`);
  return complaints;
}
