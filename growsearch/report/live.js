"use strict";
const words = (name) => name.replaceAll("_", " ");
let state = null;

/** A choice that keeps what was chosen while its options change. */
function offer(id, options) {
  const menu = document.getElementById(id), before = menu.value;
  if ([...menu.options].map((one) => one.value).join() === options.join()) return;
  menu.replaceChildren(...options.map((one) => new Option(id === "metric" ? words(one) : one, one, false, one === before)));
}

function lines(metric) {
  const color = theme(), arms = [...new Set(state.trainings.map((one) => one.arm))].sort(), named = new Set();
  return state.trainings.flatMap((one) => {
    const y = one.metrics[metric];
    if (!y || !one.step.length) return [];
    const hue = color("c" + (arms.indexOf(one.arm) % 7)), first = !named.has(one.arm);
    named.add(one.arm);
    const grown = one.grown.map((step) => one.step.findIndex((at) => at >= step)).filter((at) => at >= 0);
    return [
      { x: one.step, y, name: one.arm, text: one.name, legendgroup: one.arm, showlegend: first, mode: "lines",
        line: { color: hue, width: one.state === "running" ? 2.4 : 1.2, shape: metric === "parameters" ? "hv" : "linear" },
        hovertemplate: `<b>${one.name}</b> %{y:.4g} at step %{x}<extra></extra>` },
      { x: grown.map((at) => one.step[at]), y: grown.map((at) => y[at]), mode: "markers", showlegend: false, legendgroup: one.arm, hoverinfo: "skip",
        marker: { symbol: "line-ns-open", size: 12, color: hue, line: { width: 2 } } },
    ];
  });
}

function drawChart(anchor, metric) {
  const shape = layout(theme(), { title: { text: "steps" } }, { title: { text: words(metric) }, exponentformat: "SI" });
  shape.legend = { orientation: "h", y: 1.02, yanchor: "bottom", font: { color: theme()("text") } };
  shape.showlegend = true;
  shape.uirevision = metric; // a zoom stays while data come in
  Plotly.react(anchor, lines(metric), shape, settings);
  const rows = state.trainings.map((one) => [one.name, ...[one.step, one.metrics[metric] ?? []].map((values) => String(values.at(-1) ?? ""))]);
  fillTable(anchor, `${words(metric)}, last`, ["training", "step", words(metric)], rows);
}

/** Bars as long as a site is wide: what the seed had, and what growth added. */
function drawNetwork() {
  const one = state.trainings.find((each) => each.name === document.getElementById("training").value);
  const place = document.getElementById("live-network"), events = document.getElementById("live-events");
  const sites = Object.entries(one?.widths ?? {});
  const widest = Math.max(1, ...sites.map(([, units]) => units));
  place.replaceChildren(...sites.map(([site, units]) => {
    const row = document.createElement("div"), seed = Math.min(one.before[site] ?? units, units);
    row.className = "bar";
    row.append(...[["span", site], ["i", ""], ["b", ""], ["span", `${one.before[site] ?? 0} to ${units}`]].map(([kind, text]) => {
      const part = document.createElement(kind);
      part.textContent = text;
      return part;
    }));
    row.children[1].style.width = `${(50 * seed) / widest}%`;
    row.children[2].style.width = `${(50 * (units - seed)) / widest}%`;
    return row;
  }));
  if (!sites.length) place.textContent = one ? "It has not grown yet." : "";
  events.replaceChildren(...(one?.events ?? []).slice(-12).map((event) => {
    const item = document.createElement("li");
    item.textContent = `step ${event.step}: ${event.words}`;
    return item;
  }));
}

function drawState() {
  if (!state) return;
  const counts = Object.entries(state.counts).map(([name, count]) => `${count} ${name}`).join(", ");
  document.getElementById("now").textContent = `${counts || "nothing has been logged yet"}${state.command ? "; at work: " + state.command : "; nobody is at work on it"}`;
  const metrics = [...new Set(state.trainings.flatMap((one) => Object.keys(one.metrics)))];
  offer("metric", metrics);
  offer("training", [...state.trainings].sort((one, other) => !!other.grown.length - !!one.grown.length).map((one) => one.name));
  if (metrics.length) drawChart("live-curves", document.getElementById("metric").value);
  drawChart("live-sizes", "parameters");
  drawNetwork();
}

async function refresh() {
  try {
    const answer = await fetch("state.json");
    if (!answer.ok) throw new Error(answer.statusText);
    state = await answer.json();
    drawState();
  } catch (error) {
    document.getElementById("now").textContent = "growsearch watch has ended; what is shown is the last that it said.";
  }
  setTimeout(refresh, 2000);
}

drawings.push(drawState);
["metric", "training"].forEach((id) => document.getElementById(id).addEventListener("change", drawState));
refresh();
