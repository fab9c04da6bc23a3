// "Where do you draw the line?": how many nodes of four kinds of students have a score above a threshold.
//
// The data is that of spectral/book/live/threshold.py: how many nodes lie between neighbouring ones of its thresholds,
// the highest first. Sums of these are all that is counted here. In `root.state` stands what is shown.
"use strict";

live.mount("threshold", (root, data) => {
  const { element, svg } = live;
  const { students, thresholds, widths, epochs } = data;
  const LAST = epochs.length - 1;
  const SCORES = { incoming: "norm ‖w‖", product: "product ‖w‖ ‖w out‖" };
  const chosen = { width: data.middle, epoch: LAST, score: "incoming", threshold: data.first };

  const written = (value) => value.toLocaleString("en");
  const round = (value) => Math.round(100 * value) / 100;
  const range = (count) => Array.from({ length: count }, (_, index) => index);
  const listed = (parts) => `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
  const brief = ({ label }) => label.split(", ").pop().replace(/ student$|^(published) settings$/, "$1");
  const logarithmic = (from, to, low, high) => (value) =>
    low + (Math.log(value / from) / Math.log(to / from)) * (high - low);
  const line = (x1, y1, x2, y2, of) => svg("line", { x1, y1, x2, y2, class: of });
  const text = (x, y, of, ...words) => svg("text", { x, y, class: of }, ...words);
  const move = (one, attributes) => {
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  };

  // ---- Counts ------------------------------------------------------------------------------------------------------

  // How many nodes lie in which step between thresholds: of the student that is shown ("one"), or of all together.
  const steps = (student, of, { score, width, epoch }) =>
    score === "product" ? student[of].product[width] : student[of].incoming[width][epoch];

  function size(student, of, choice) {
    const above = steps(student, of, choice).slice(0, thresholds.length - choice.threshold);
    return above.reduce((all, count) => all + count, 0);
  }

  const mean = (student, choice) => size(student, "all", choice) / data.members;

  // ---- Controls ----------------------------------------------------------------------------------------------------

  const instance = (live.instances = (live.instances ?? 0) + 1);

  function slider(what, count, label, after) {
    const shown = element("span", {}); // an <output> would be announced beside the slider's own words
    const input = element("input", {
      type: "range",
      min: 0,
      max: count - 1,
      step: 1,
      autocomplete: "off",
      input: () => choose({ [what]: Number(input.value) }),
    });
    const say = (words) => {
      input.value = chosen[what];
      input.setAttribute("aria-valuetext", words);
      shown.textContent = words;
    };
    const words = element("span", {}, `${label}: `, shown, after);
    return { whole: element("label", { class: `live-slide ${what}` }, words, input), input, say };
  }

  const reason = element("span", { class: "live-reason" });
  const ofWidth = slider("width", widths.length, "Width", "");
  const ofEpoch = slider("epoch", epochs.length, "Epoch", reason);
  const ofThreshold = slider("threshold", data.offered, "Threshold", " of a student’s largest score");
  const ofScore = element("fieldset", { class: "live-choice" }, element("legend", {}, "Score"));
  const radios = Object.entries(SCORES).map(([score, label]) => {
    const radio = element("input", {
      type: "radio",
      name: `threshold-score-${instance}`,
      autocomplete: "off",
      change: () => choose(score === "product" ? { score, epoch: LAST } : { score }),
    });
    ofScore.append(element("label", {}, radio, element("span", {}, label)));
    return [score, radio];
  });

  function choose(changes) {
    Object.assign(chosen, changes);
    show();
  }

  // ---- One kind of students: its scores, and its nodes -------------------------------------------------------------

  const FACET = { width: 170, left: 36, right: 164, top: 44, bottom: 150 };
  const height = logarithmic(thresholds[0], 1, FACET.bottom, FACET.top);
  function facet(student) {
    const { left, right, top, bottom } = FACET;
    const above = svg("path", { class: "above" }), below = svg("path", { class: "below" });
    const edges = svg("path", { class: "edges" });
    const alive = svg("path", { class: "above nodes" }), dead = svg("path", { class: "below nodes" });
    const bar = svg("g", { class: "bar" }, line(left, 0, right + 3, 0, ""), svg("circle", { cx: right + 1, r: 4 }));
    const grip = svg("rect", { x: left, y: -14, width: right - left + 6, height: 28, class: "grip" });
    bar.append(grip);
    const count = svg("tspan", { class: "count" }), of = svg("tspan", {});
    const ranks = text((left + right) / 2, bottom + 13, "middle quiet");
    const ends = range(data.inputs).map((index) => [end(index, data.inputs), bottom + 27]);
    const seconds = range(data.second).map((index) => [end(index, data.second), bottom + 87]);
    const drawn = svg(
      "svg",
      { viewBox: `0 0 ${FACET.width} ${bottom + 92}`, role: "img", class: student.role },
      text(0, 12, "strong", `${student.label.startsWith("direct") ? "direct, " : ""}${brief(student)}`),
      text(0, 32, "", count, of),
      ...[1, 0.1, 0.01, 0.001].flatMap((value) => [
        text(left - 6, round(height(value)) + 4, "end quiet", `${value}`),
        line(left, height(value), right, height(value), "faint"),
      ]),
      below,
      above,
      line(left, bottom, right, bottom, "axis"),
      ranks,
      edges,
      svg("g", { class: "ends" }, ...[...ends, ...seconds].map(([cx, cy]) => svg("circle", { cx, cy, r: 1.8 }))),
      dead,
      alive,
      bar,
    );
    drawn.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" && event.target !== grip) return; // a finger beside the line scrolls the page
      if (event.target !== grip && outside(event, drawn)) return;
      drawn.setPointerCapture(event.pointerId);
      drag(event, drawn);
    });
    drawn.addEventListener("pointermove", (event) => drawn.hasPointerCapture(event.pointerId) && drag(event, drawn));

    return {
      drawn,
      show(nodes, counts, kept) {
        const x = (rank) => left + (rank / nodes) * (right - left);
        drawn.setAttribute("aria-label", `${student.label}: ${kept} of ${nodes} nodes are above the threshold`);
        count.textContent = written(kept);
        of.textContent = ` of ${written(nodes)}`;
        ranks.textContent = `${written(nodes)} nodes, sorted`;
        above.setAttribute("d", bars(counts, x, 0, kept));
        below.setAttribute("d", bars(counts, x, kept, nodes));
        move(bar, { transform: `translate(0 ${round(height(thresholds[chosen.threshold]))})` });
        // Nodes stand below their bars, column by column.
        const rows = Math.max(1, Math.round(Math.sqrt(nodes / 9)));
        const cell = (right - left) / Math.ceil(nodes / rows);
        const column = (rank) => left + (Math.floor(rank / rows) + 0.5) * cell;
        const row = (rank) => bottom + 57 + ((rank % rows) - (rows - 1) / 2) * Math.min(cell, 9);
        const dots = (from, to) =>
          range(to - from).map((rank) => `M${round(column(from + rank))} ${round(row(from + rank))}h0`).join("");
        alive.setAttribute("d", dots(0, kept));
        dead.setAttribute("d", dots(kept, nodes));
        drawn.style.setProperty("--dot", `${round(Math.min(0.75 * cell, 6))}px`);
        const columns = range(Math.ceil(kept / rows)).map((index) => column(index * rows));
        edges.setAttribute("d", columns.map((at) => fan(at, ends) + fan(at, seconds)).join(""));
      },
    };

    function end(index, of) {
      return round(left + ((index + 0.5) / of) * (right - left));
    }

    function fan(at, to) {
      return to.map(([x, y]) => `M${round(at)} ${bottom + 57}L${x} ${y}`).join("");
    }
  }

  // The bars of some ranks, with gaps between them if there is room. Nodes of one step are drawn in the middle of it.
  function bars(counts, x, from, to) {
    const wide = x(1) - x(0), gap = wide > 2.5 ? 0.15 * wide : 0;
    let rank = 0, path = "";
    counts.forEach((count, step) => {
      const [low, high] = [Math.max(rank, from), Math.min((rank += count), to)];
      if (low >= high) return;
      const upper = thresholds[thresholds.length - step] ?? 1, lower = thresholds[thresholds.length - step - 1];
      const y = round(height(Math.sqrt(upper * lower)));
      const each = gap ? 1 : high - low; // without gaps a step is one piece
      for (let at = low; at < high; at += each)
        path += `M${round(x(at) + gap)} ${FACET.bottom}V${y}H${round(x(at + each) - gap)}V${FACET.bottom}Z`;
    });
    return path;
  }

  function place(event, drawn) {
    const box = drawn.getBoundingClientRect();
    return ((event.clientY - box.top) / box.width) * FACET.width;
  }

  const outside = (event, drawn) => place(event, drawn) < FACET.top || place(event, drawn) > FACET.bottom;

  function drag(event, drawn) {
    const y = place(event, drawn);
    const distance = (index) => Math.abs(height(thresholds[index]) - y);
    const nearest = range(data.offered).reduce((best, index) => (distance(index) < distance(best) ? index : best));
    choose({ threshold: nearest });
  }

  // ---- Sizes against widths ----------------------------------------------------------------------------------------

  function againstWidth() {
    const LEFT = 70, RIGHT = 258, TOP = 42, BOTTOM = 230;
    const widest = widths.at(-1), least = Math.min(widths[0], data.teacher) / 2;
    const x = logarithmic(widths[0], widest, LEFT + 8, RIGHT), y = logarithmic(least, widest, BOTTOM, TOP);
    let free = Infinity; // numbers that would touch the next one are left out
    const under = widths.toReversed().flatMap((width) => {
      const [at, half] = [round(x(width)), 3.4 * written(width).length + 3];
      const roomy = at + half < free;
      if (roomy) free = at - half;
      const tick = line(at, BOTTOM, at, BOTTOM + 4, "axis");
      return roomy ? [tick, text(at, BOTTOM + 17, "middle", written(width))] : [tick];
    });
    const powers = [1, 10, 100, 1000, 10000].filter((value) => value >= least && value <= widest);
    const guide = line(0, TOP, 0, BOTTOM, "guide");
    const parts = students.map((student) => ({
      mean: svg("path", { class: `mean ${student.role}` }),
      points: widths.map(() => svg("circle", { class: `point ${student.role}` })),
      label: svg(
        "g",
        {},
        svg("circle", { cx: RIGHT + 16, cy: 0, r: 3.5, class: `point ${student.role}` }),
        text(RIGHT + 24, 4, "", brief(student)),
      ),
    }));
    const drawn = svg(
      "svg",
      {
        viewBox: `0 0 360 ${BOTTOM + 38}`,
        role: "img",
        "aria-label": "Nodes above the threshold against the student’s width",
      },
      text(0, 10, "strong", "nodes above the line, against width"),
      text(0, 26, "quiet", `points: these students; lines: means over ${data.members} students`),
      line(LEFT, TOP, LEFT, BOTTOM, "axis"),
      line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"),
      ...under,
      text((LEFT + RIGHT) / 2, BOTTOM + 34, "middle", "student’s width"),
      ...powers.flatMap((value) => [
        text(LEFT - 8, round(y(value)) + 4, "end", written(value)),
        line(LEFT - 4, y(value), LEFT, y(value), "axis"),
      ]),
      line(x(widths[0]), y(widths[0]), x(widest), y(widest), "faint"),
      text(RIGHT + 24, TOP + 4, "quiet", "all nodes"),
      line(LEFT, y(data.teacher), RIGHT, y(data.teacher), "teacher"),
      text(LEFT - 8, y(data.teacher) + 4, "end strong", `teacher ${data.teacher}`),
      guide,
      ...parts.map((part) => part.mean),
      ...parts.map((part) => part.label),
      ...parts.flatMap((part) => part.points),
    );

    function show() {
      const inside = (value) => round(y(Math.max(value, least)));
      move(guide, { transform: `translate(${round(x(widths[chosen.width]))} 0)` });
      const ends = parts.map((part, index) => {
        const at = (width, of) => ({ ...chosen, width, ...of });
        const means = widths.map((_, width) => inside(mean(students[index], at(width))));
        const path = means.map((value, width) => `${width ? "L" : "M"}${round(x(widths[width]))} ${value}`);
        part.mean.setAttribute("d", path.join(""));
        part.points.forEach((point, width) => {
          const current = width === chosen.width;
          const cy = inside(size(students[index], "one", at(width)));
          const aside = (index - (students.length - 1) / 2) * (current ? 4 : 1.5); // none hides another
          move(point, { cx: round(x(widths[width]) + aside), cy, r: current ? 5 : 2 });
          point.classList.toggle("current", current);
        });
        return [means.at(-1), part];
      });
      // Names stand beside the ends of their lines, or below each other where these are too near.
      ends.sort(([a], [b]) => a - b);
      let next = TOP + 15;
      const room = ends.map(([end]) => (next = Math.max(end, next) + 15) - 15);
      const over = Math.max(0, room.at(-1) - (BOTTOM - 4));
      ends.forEach(([, part], index) => {
        const at = round(room[index] - over);
        move(part.label, { transform: `translate(0 ${at})` });
      });
    }

    return { drawn, show };
  }

  // ---- All together ------------------------------------------------------------------------------------------------

  const facets = students.map(facet), against = againstWidth();
  const readout = element("div", { class: "live-readout" });
  const counted = element("p", { "aria-live": "polite" }), moved = element("p", {}), other = element("p", {});
  const lead = element("p", { class: "live-lead" });
  readout.append(counted, moved, other);
  root.append(
    element("div", { class: "live-controls" }, ofThreshold.whole, ofScore, ofWidth.whole, ofEpoch.whole),
    lead,
    element("div", { class: "live-facets" }, ...facets.map(({ drawn }) => drawn)),
    element("div", { class: "live-panels" }, element("div", { class: "live-panel" }, against.drawn), readout),
  );

  function show() {
    const { width, epoch, score, threshold } = chosen;
    const nodes = widths[width];
    const counts = Object.fromEntries(students.map((student) => [student.role, size(student, "one", chosen)]));
    const means = Object.fromEntries(students.map((student) => [student.role, mean(student, chosen)]));
    root.state = { width: nodes, epoch: epochs[epoch], score, threshold: thresholds[threshold], counts, means };

    ofWidth.say(`${written(nodes)} nodes`);
    ofEpoch.say(written(epochs[epoch]));
    ofThreshold.say(`${thresholds[threshold]}`);
    ofEpoch.input.disabled = score === "product";
    reason.textContent = score === "product" ? " (the product is stored of the last only)" : "";
    for (const [name, radio] of radios) radio.checked = name === score;
    lead.textContent =
      `Every bar is a node’s score, the ${SCORES[score]}, as a part of its student’s largest. Nodes above the line ` +
      "count, and those below it fade. Drag it.";
    students.forEach((student, index) => {
      facets[index].show(nodes, steps(student, "one", chosen), counts[student.role]);
    });
    against.show();
    tell(nodes, counts, means);
  }

  function tell(nodes, counts, means) {
    const each = (say) => listed(students.map((student, index) => `${brief(student)} ${say(student, index)}`));
    counted.replaceChildren(
      element("b", {}, `${written(nodes)} nodes wide: `),
      each((student, index) => `${index ? "" : "keeps "}${written(counts[student.role])}`),
      `; the teacher has ${data.teacher}. `,
      `Means over ${data.members} such students are ${listed(Object.values(means).map((value) => value.toFixed(1)))}.`,
    );
    const at = (student, threshold) => size(student, "one", { ...chosen, threshold });
    const [low, high] = [0.001, 0.1].map((value) => thresholds.indexOf(value));
    const change = (student) => {
      const [from, to] = [at(student, low), at(student, high)];
      return from === to ? `stays at ${written(to)}` : `falls from ${written(from)} to ${written(to)}`;
    };
    moved.textContent = `While the threshold rises a hundredfold, from 0.001 to 0.1, ${each(change)}.`;
    const [one, last] = [chosen.score === "product" ? "incoming" : "product", { ...chosen, epoch: LAST }];
    const by = (student) => written(size(student, "one", { ...last, score: one }));
    const when = chosen.epoch === LAST ? "" : ", at the last epoch";
    const keeps = each((student, index) => `${index ? "" : "keeps "}${by(student)}`);
    other.textContent = `Counted by the ${SCORES[one]} instead${when}, ${keeps}.`;
  }

  show();
});
