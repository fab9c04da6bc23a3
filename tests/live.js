// What a live figure shows wrongly to a reader: text that is small (below 9 px), pale (contrast below 4.5, of some lines
// and areas below 3), on other text, or beside the screen; and by how many pixels the page is too wide.
({lines, areas}) => {
    const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = luminance(parse(getComputedStyle(document.body).backgroundColor).slice(0, 3));
    const contrast = (colour) => {
        const own = luminance(parse(colour).slice(0, 3));
        return (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05);
    };
    const live = document.querySelector(".live"), small = [], pale = [], laid = [];
    const texts = [...live.querySelectorAll("text, label, legend, select, p")].filter((one) => one.textContent);
    for (const text of texts) {
        const style = getComputedStyle(text);
        const scale = text.getScreenCTM ? text.getScreenCTM().a : 1;
        if (parseFloat(style.fontSize) * scale < 9) small.push(text.textContent);
        const colour = text.getScreenCTM ? style.fill : style.color;
        if (text.tagName !== "SELECT" && contrast(colour) < 4.5) pale.push(`${text.textContent}: ${colour}`);
    }
    for (const line of live.querySelectorAll(lines)) {
        const {stroke} = getComputedStyle(line);
        if (contrast(stroke) < 3) pale.push(`${line.getAttribute("class")}: ${stroke}`);
    }
    for (const area of live.querySelectorAll(areas)) {
        const {fill} = getComputedStyle(area);
        if (contrast(fill) < 3) pale.push(`${area.getAttribute("class")}: ${fill}`);
    }
    const outside = [...texts, ...live.querySelectorAll("input, svg")].filter((one) => {
        const {left, right} = one.getBoundingClientRect();
        return left < 0 || right > innerWidth;
    });
    const boxes = [...live.querySelectorAll("svg text")].filter((one) => one.textContent).map((one) => {
        const {left, right, top, bottom} = one.getBoundingClientRect();
        return {left, right, top: top + 2, bottom: bottom - 2, text: one.textContent};
    });
    boxes.forEach((a, index) => boxes.slice(index + 1).forEach((b) => {
        if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
            laid.push(`${a.text} on ${b.text}`);
    }));
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    return {small, pale, wide, laid, outside: outside.map((one) => one.textContent)};
}
