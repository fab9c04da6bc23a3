// "Prune it yourself": the nodes of a student go, one by one, in an order of the reader's choice.
//
// The data is that of spectral/book/live/pruning.py. The pruned student's answers are computed here, from its weights;
// what pruning costs on 10,000 test patterns was computed beforehand. In `root.state` stands what is shown.
"use strict";

live.mount("pruning", (root, data) => {
  const { element, svg } = live;
  const WIDTH = 360, LEFT = 50, RIGHT = WIDTH - 10; // in the units of all drawings, nearly pixels
  const ORDERS = {
    greedy: "the error itself (greedy)",
    incoming: "the score ‖w‖",
    product: "the product ‖w‖ ‖w out‖",
    random: "chance",
  };
  const NUMBERS = { minimumFractionDigits: 0, maximumSignificantDigits: 2 };
  const number = (value) => Math.abs(value).toLocaleString("en", NUMBERS);
  const round = (value) => Math.round(100 * value) / 100;
  const sum = (values) => values.reduce((all, value) => all + value, 0);
  const dot = (a, b) => sum(a.map((value, index) => value * b[index]));
  const norm = (values) => Math.hypot(...values);
  const scale = (from, to, low, high) => (value) => low + ((value - from) / (to - from)) * (high - low);
  const path = (xs, ys) => xs.map((x, index) => `${index ? "L" : "M"}${round(x)} ${round(ys[index])}`).join("");
  const line = (x1, y1, x2, y2, of) => svg("line", { x1, y1, x2, y2, class: of });
  const text = (x, y, of, ...words) => svg("text", { x, y, class: of }, ...words);
  const italic = (letter) => svg("tspan", { class: "variable" }, letter);
  const drawing = (height, title, ...parts) =>
    svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title }, ...parts);

  // ---- The network -------------------------------------------------------------------------------------------------

  const relu = (value) => Math.max(value, 0);

  // The answer to an input x with only some nodes: y = sum_k relu(sum_i W2_ki relu(w_i · x)), as in Student.forward.
  function answer(student, kept, x) {
    const second = new Float64Array(student.second[0].length);
    for (const node of kept) {
      const said = relu(dot(student.first[node], x));
      if (said > 0) student.second[node].forEach((weight, k) => (second[k] += weight * said));
    }
    return second.reduce((all, value) => all + relu(value), 0);
  }

  // Points of the line, as parts of the way from the first input to the second; and the inputs there.
  const points = data.teachers[0].answers.map(
    (_, index, all) => data.ends[0] + (index / (all.length - 1)) * (data.ends[1] - data.ends[0]),
  );
  const onLine = ([a, b], t) => a.map((value, index) => value + t * (b[index] - value));
  const answers = (teacher, student, kept) => points.map((t) => answer(student, kept, onLine(teacher.line, t)));

  // Where on the line a node begins or ceases to answer, and so bends the answer; null if not on this part of it.
  function bend(teacher, weight) {
    const [at0, at1] = teacher.line.map((x) => dot(weight, x));
    const t = at0 / (at0 - at1);
    return t > data.ends[0] && t < data.ends[1] ? t : null;
  }

  // ---- What is chosen ----------------------------------------------------------------------------------------------

  const instance = (live.instances = (live.instances ?? 0) + 1);
  const name = (what) => `pruning-${what}-${instance}`; // what radio buttons of one group share, and no others have
  const chosen = { teacher: data.teachers[0], student: null, order: "greedy", n: 0 };
  const usual = (teacher) => teacher.students.find((one) => one.penalty === 1) ?? teacher.students[0];
  chosen.student = usual(chosen.teacher);
  const start = () => Math.round(0.6 * chosen.student.orders[chosen.order].critical); // some nodes are gone
  chosen.n = start();

  function radios(what, legend, options, checked, choose) {
    const group = element("fieldset", { class: "live-choice" }, element("legend", {}, legend));
    for (const [label, value] of options) {
      const input = element("input", {
        type: "radio",
        name: name(what),
        autocomplete: "off",
        checked: value === checked,
        change: () => choose(value),
      });
      group.append(element("label", {}, input, element("span", {}, label)));
    }
    return group;
  }

  const penalties = element("div", { class: "live-slot" });
  function offer() {
    const options = chosen.teacher.students.map((student) => [`× ${student.penalty}`, student]);
    const choose = (student) => {
      chosen.student = student;
      draw();
    };
    penalties.replaceChildren(radios("penalty", "Penalties", options, chosen.student, choose));
  }

  const teachers = radios(
    "teacher",
    "Teacher",
    data.teachers.map((teacher) => [`${teacher.nodes} nodes`, teacher]),
    chosen.teacher,
    (teacher) => {
      const same = teacher.students.find((one) => one.penalty === chosen.student.penalty);
      Object.assign(chosen, { teacher, student: same ?? usual(teacher) });
      chosen.n = start();
      offer();
      draw();
    },
  );
  const order = element(
    "select",
    {
      autocomplete: "off",
      change: () => {
        chosen.order = order.value;
        draw();
      },
    },
    ...Object.entries(ORDERS).map(([value, label]) => element("option", { value }, label)),
  );
  const slider = element("input", {
    type: "range",
    min: 0,
    step: 1,
    autocomplete: "off",
    input: () => {
      chosen.n = Number(slider.value);
      cut();
    },
  });
  const count = element("output", {});
  const readout = element("div", { class: "live-readout", "aria-live": "polite" });
  const network = element("div", {}), curves = element("div", {}), onTheLine = element("div", {});

  root.append(
    element(
      "div",
      { class: "live-controls" },
      teachers,
      penalties,
      element("label", { class: "live-choice" }, element("span", { class: "live-name" }, "Nodes go by"), order),
    ),
    element(
      "div",
      { class: "live-panels" },
      element(
        "div",
        { class: "live-panel" },
        network,
        element("label", { class: "live-slide" }, element("span", {}, "Nodes kept: ", count), slider),
        curves,
      ),
      element("div", { class: "live-panel" }, onTheLine, readout),
    ),
  );

  // ---- Drawings ----------------------------------------------------------------------------------------------------

  let moving = []; // what follows the number of nodes, without a new drawing: functions of it

  function draw() {
    moving = [];
    slider.max = chosen.teacher.most;
    slider.value = chosen.n;
    const n = scale(0, chosen.teacher.most, LEFT, RIGHT);
    network.replaceChildren(drawNetwork(n));
    curves.replaceChildren(drawCurves(n));
    onTheLine.replaceChildren(drawAnswers());
    cut();
  }

  function cut() {
    const { teacher, student, order, n } = chosen;
    const of = student.orders[order], own = teacher.orders[order];
    const kept = of.order.slice(0, n);
    root.state = {
      n,
      nodes: student.nodes,
      error: at(of.grown, n),
      teacher: at(own.grown, n),
      critical: of.critical,
      kept,
      points,
      answers: answers(teacher, student, kept),
    };
    count.textContent = `${n} of ${student.nodes}`;
    for (const move of moving) move(root.state);
    tell(root.state);
  }

  const at = (grown, n) => grown[Math.min(n, grown.length - 1)];

  // The nodes of the student above its inputs and below what it says, from the last to go to the first.
  function drawNetwork(n) {
    const { teacher, student, order } = chosen;
    const ranked = student.orders[order].order;
    const inputs = student.first[0].length, second = student.second[0].length;
    const TOP = 12, MIDDLE = 66, BOTTOM = 120;
    const rows = Math.ceil(teacher.most / 50), apart = rows > 1 ? 11 : 0;
    const x = (rank) => n(rank + 0.5), y = (rank) => MIDDLE + ((rank % rows) - (rows - 1) / 2) * apart;
    const place = (index, count) => LEFT + ((index + 0.5) / count) * (RIGHT - LEFT);
    const power = ranked.map((node) => norm(student.first[node]) * norm(student.second[node]));
    const largest = Math.max(...power), biggest = rows > 1 ? 3.2 : 4;
    const strong = (weights) => {
      const least = 0.6 * Math.max(...weights.map(Math.abs));
      return weights.flatMap((weight, index) => (Math.abs(weight) >= least ? [index] : []));
    };
    const edges = [], nodes = [];
    ranked.forEach((node, rank) => {
      const ends = [
        ...strong(student.first[node]).map((index) => [place(index, inputs), TOP]),
        ...strong(student.second[node]).map((index) => [place(index, second), BOTTOM]),
      ];
      const d = ends.map(([to, end]) => `M${round(x(rank))} ${y(rank)}L${round(to)} ${end}`).join("");
      const r = round(Math.max(1.3, biggest * Math.sqrt(power[rank] / largest)));
      edges.push(svg("path", { d }));
      nodes.push(svg("circle", { cx: round(x(rank)), cy: y(rank), r }));
    });
    const dead = [];
    for (let rank = ranked.length; rank < Math.min(teacher.most, student.nodes); rank++)
      dead.push(svg("circle", { cx: round(x(rank)), cy: y(rank), r: 1, class: "dead" }));
    const row = (count, height) =>
      Array.from({ length: count }, (_, index) => svg("circle", { cx: place(index, count), cy: height, r: 2.5 }));
    const guide = line(0, TOP + 10, 0, BOTTOM + 12, "guide");
    moving.push(({ n: count }) => {
      nodes.forEach((one, rank) => {
        one.classList.toggle("gone", rank >= count);
        edges[rank].classList.toggle("gone", rank >= count);
      });
      guide.setAttribute("transform", `translate(${round(n(count))} 0)`);
    });
    const vanished = n(teacher.most) - n(ranked.length);
    return drawing(
      BOTTOM + 12,
      `The student's ${ranked.length} nodes between its inputs and its second layer, the last to go on the left`,
      svg("g", { class: "edges" }, ...edges),
      svg("g", { class: "ends" }, ...row(inputs, TOP), ...row(second, BOTTOM)),
      svg("g", { class: "nodes" }, ...nodes, ...dead),
      guide,
      ...[["inputs", TOP], ["nodes", MIDDLE], ["layer 2", BOTTOM]].map(([label, height]) =>
        text(LEFT - 8, height + 4, "end", label),
      ),
      vanished > 95 ? text(RIGHT, MIDDLE + apart * rows / 2 + 17, "end", "vanished in training") : "",
    );
  }

  // What pruning costs, for the student and the teacher, and below it the critical sizes at all penalties.
  function drawCurves(n) {
    const { teacher, student, order } = chosen;
    const of = student.orders[order], own = teacher.orders[order];
    const TOP = 14, BOTTOM = 166, STRIP = 226, STEP = 17;
    const bent = (grown) => Math.asinh(grown / 3e-4); // a logarithm that lets zero and less have a place
    const y = scale(bent(-2e-4), bent(1.2), BOTTOM, TOP), height = (grown) => y(bent(grown));
    const curve = (grown, role) =>
      svg("path", {
        class: role,
        d: path(
          grown.map((_, index) => n(index)),
          grown.map(height),
        ),
      });
    const whole = [...of.grown, ...Array(Math.max(0, teacher.most + 1 - of.grown.length)).fill(0)];
    const ticks = [1, 0.1, 0.01, 0.001, 0].flatMap((value) => [
      text(LEFT - 8, round(height(value)) + 4, "end", `${1000 * value}`),
      line(LEFT - 4, height(value), LEFT, height(value), "axis"),
    ]);
    const every = teacher.most / 4, early = of.critical < teacher.most / 2; // the curve has left that height free
    const sizes = [0, 1, 2, 3, 4].map((part) => text(n(part * every), BOTTOM + 15, "middle", `${part * every}`));
    const bottom = STRIP + STEP * teacher.students.length;
    const strip = teacher.students.flatMap((one, row) => {
      const { critical } = one.orders[order], current = one === student, middle = STRIP + STEP * (row + 0.5);
      const before = n(teacher.nodes) - n(critical); // a number would stand on the teacher's line
      const beside = critical > 0.85 * teacher.most || (before > 0 && before < 26) ? [-8, "end"] : [8, ""];
      return [
        line(LEFT, middle, RIGHT, middle, "faint"),
        text(LEFT - 8, middle + 4, `end ${current ? "strong" : ""}`, `× ${one.penalty}`),
        svg("circle", { cx: n(critical), cy: middle, r: 4.5, class: current ? "critical current" : "critical" }),
        text(n(critical) + beside[0], middle + 4, `${beside[1]} number ${current ? "strong" : ""}`, `${critical}`),
      ];
    });
    const guide = line(0, TOP, 0, BOTTOM, "guide");
    const point = svg("circle", { r: 5, class: "point" }), ownPoint = svg("circle", { r: 3.5, class: "own point" });
    moving.push(({ n: count, error, teacher: grown }) => {
      guide.setAttribute("transform", `translate(${round(n(count))} 0)`);
      point.setAttribute("transform", `translate(${round(n(count))} ${round(height(error))})`);
      ownPoint.setAttribute("transform", `translate(${round(n(count))} ${round(height(grown))})`);
      ownPoint.classList.toggle("absent", count > teacher.nodes);
    });
    const drawn = drawing(
      bottom + 18,
      "Growth of the error against the number of nodes kept, and the critical size at each strength of the penalties",
      line(LEFT, height(data.tolerance), RIGHT, height(data.tolerance), "faint"),
      text(early ? RIGHT : LEFT + 8, height(data.tolerance) - 4, `quiet ${early ? "end" : ""}`, "above: a cost"),
      line(LEFT, TOP, LEFT, BOTTOM, "axis"),
      line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"),
      ...ticks,
      ...sizes,
      text((LEFT + RIGHT) / 2, BOTTOM + 30, "middle", "nodes kept, ", italic("n")),
      text(LEFT + 8, TOP - 3, "", "growth ", italic("Δ(n)"), ", thousandths of E[y²]"),
      ...legend(TOP + 4, [
        ["student", "student"],
        ["teacher", "teacher, pruned too"],
      ]),
      guide,
      curve(whole, "student"),
      curve(own.grown, "teacher"),
      ownPoint,
      point,
      text(LEFT + 8, STRIP - 9, "", "critical size, by the strength of the penalties"),
      line(n(teacher.nodes), STRIP - 2, n(teacher.nodes), bottom, "teacher"),
      text(n(teacher.nodes), bottom + 13, "middle", `the teacher's ${teacher.nodes}`),
      ...strip,
    );
    drawn.addEventListener("pointerdown", (event) => drag(event, drawn));
    drawn.addEventListener("pointermove", (event) => event.buttons & 1 && drag(event, drawn));
    return drawn;
  }

  // A press on the curve moves the slider there.
  function drag(event, drawn) {
    const { left, width } = drawn.getBoundingClientRect();
    const inside = ((event.clientX - left) / width) * WIDTH;
    const n = Math.round(scale(LEFT, RIGHT, 0, chosen.teacher.most)(inside));
    slider.value = chosen.n = Math.min(Math.max(n, 0), chosen.teacher.most);
    cut();
  }

  // At the right, from a height on downwards: lines with what they are.
  function legend(top, entries) {
    return entries.flatMap(([role, label], index) => [
      line(RIGHT - 148, top + 17 * index, RIGHT - 124, top + 17 * index, role),
      text(RIGHT - 118, top + 17 * index + 4, "", label),
    ]);
  }

  // The answers along the line, and where each node bends them.
  function drawAnswers() {
    const { teacher, student, order } = chosen;
    const ranked = student.orders[order].order;
    const TOP = 44, BOTTOM = 262, RUG = 300;
    const whole = answers(teacher, student, ranked);
    const x = scale(data.ends[0], data.ends[1], LEFT, RIGHT);
    const most = 1.2 * Math.max(...teacher.answers, ...whole), y = scale(0, most, BOTTOM, TOP);
    const curve = (values, role) => svg("path", { class: role, d: path(points.map(x), values.map(y)) });
    const pruned = svg("path", { class: "student" });
    // A drawing of its own within this one cuts off what a pruned student answers beyond the axes.
    const [width, height] = [RIGHT - LEFT, BOTTOM - TOP];
    const inside = svg(
      "svg",
      { x: LEFT, y: TOP, width, height, viewBox: `${LEFT} ${TOP} ${width} ${height}` },
      curve(whole, "whole"),
      pruned,
      curve(teacher.answers, "teacher"),
    );
    const bends = ranked.flatMap((node, rank) => {
      const t = bend(teacher, student.first[node]);
      return t === null ? [] : [[rank, line(x(t), RUG - 8, x(t), RUG + 8, "bend")]];
    });
    moving.push((state) => {
      pruned.setAttribute("d", path(points.map(x), state.answers.map(y)));
      for (const [rank, tick] of bends) tick.classList.toggle("gone", rank >= state.n);
      state.bends = [bends.filter(([rank]) => rank < state.n).length, bends.length];
    });
    const unit = [0.1, 0.2, 0.5, 1, 2, 5].find((one) => most / one < 6) ?? 10;
    const ticks = [];
    for (let value = 0; value <= most; value += unit)
      ticks.push(
        text(LEFT - 8, round(y(value)) + 4, "end", number(value)),
        line(LEFT - 4, y(value), LEFT, y(value), "axis"),
      );
    return drawing(
      RUG + 26,
      "Answers along a straight line through two test inputs: the teacher's, the whole student's, the pruned student's",
      text(LEFT + 8, 11, "", "answers along a line through two test inputs"),
      ...legendOfAnswers(),
      line(LEFT, TOP, LEFT, BOTTOM, "axis"),
      line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"),
      ...ticks,
      ...[[0, "one input"], [1, "another"]].flatMap(([t, label]) => [
        line(x(t), TOP, x(t), BOTTOM, "faint"),
        text(x(t), BOTTOM + 15, "middle", label),
      ]),
      inside,
      ...bends.map(([, tick]) => tick),
      text(LEFT - 8, RUG + 4, "end", "bends"),
      text((LEFT + RIGHT) / 2, RUG + 23, "middle quiet", "where each node bends the answer"),
    );
  }

  // In one row, above the answers.
  function legendOfAnswers() {
    return [
      ["teacher", "teacher", 0],
      ["whole", "whole student", 82],
      ["student", "pruned student", 195],
    ].flatMap(([role, label, left]) => [
      line(LEFT + left, 30, LEFT + 22 + left, 30, role),
      text(LEFT + 27 + left, 34, "", label),
    ]);
  }

  // ---- In words ----------------------------------------------------------------------------------------------------

  function tell({ n, nodes, error, teacher: own, critical, bends }) {
    const { teacher, order } = chosen;
    const unit = "thousandths of E[y²]";
    const grown = (value, of = "") => {
      if (Math.abs(value) < data.tolerance) return "has not grown";
      return `has ${value > 0 ? "grown" : "fallen"} by ${number(1000 * value)} ${of}`;
    };
    const beside =
      n > teacher.nodes
        ? `the teacher has no more than ${teacher.nodes} nodes.`
        : `the teacher’s, cut to as many, ${grown(own, Math.abs(error) < data.tolerance ? unit : "")}`.trim() + ".";
    const sizes = teacher.students.map((one) => one.orders[order].critical);
    const factors = teacher.students.map((one) => one.penalty);
    readout.replaceChildren(
      element("p", {}, element("b", {}, `${n} of ${nodes} nodes kept`), `: the error ${grown(error, unit)}; ${beside}`),
      element("p", {}, `On the line ${bends[0]} of ${bends[1]} bends are left.`),
      element(
        "p",
        {},
        `The critical size is ${critical} nodes: with fewer the error grows by ${1000 * data.tolerance} ${unit} or more. `,
        `With penalties × ${listed(factors)} it is ${listed(sizes)}. ${place(teacher.nodes, factors, sizes)}`,
      ),
    );
  }

  const listed = (values) => `${values.slice(0, -1).join(", ")} and ${values.at(-1)}`;

  // Whether critical sizes are the teacher's whatever the penalties, to a quarter, or pass it on their way.
  function place(nodes, factors, sizes) {
    const off = factors.filter((_, index) => Math.abs(sizes[index] / nodes - 1) > 0.25);
    if (!off.length) return `It stays near the teacher’s ${nodes}.`;
    if (off.length === 1 && sizes.length > 2) return `It stays near the teacher’s ${nodes}, but for × ${off[0]}.`;
    const passed = Math.min(...sizes) < nodes && nodes < Math.max(...sizes);
    return passed ? `It slides through the teacher’s ${nodes}.` : "";
  }

  offer();
  draw();
});
