"use strict";
const content = JSON.parse(document.getElementById("content").textContent);
const titles = {
  step: "optimizer steps", training_flops: "training FLOPs", seconds: "seconds",
  validation_accuracy: "validation accuracy", validation_loss: "validation loss", train_loss: "training loss",
};
const settings = { displayModeBar: false, responsive: true };

function theme() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue("--" + name).trim();
}

function chosen(group) {
  return document.querySelector(`input[name="${group}"]:checked`).value;
}

function layout(color, x, y) {
  const axis = { gridcolor: color("line"), zeroline: false, linecolor: color("line"), automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: color("text") },
    margin: { l: 60, r: 16, t: 12, b: 48 },
    xaxis: { ...axis, ...x }, yaxis: { ...axis, ...y },
    hoverlabel: { bgcolor: color("panel"), bordercolor: color("line"), font: { color: color("text") } },
  };
}

/** "#rrggbb" as a translucent colour. */
function faint(hex, alpha) {
  const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${parts.join(",")},${alpha})`;
}

/** Value of the piecewise linear curve (xs, ys) at x. */
function between(xs, ys, x) {
  const next = xs.findIndex((value) => value >= x);
  if (next < 0) return ys[ys.length - 1];
  if (next === 0) return ys[0];
  const share = (x - xs[next - 1]) / (xs[next] - xs[next - 1]);
  return ys[next - 1] + share * (ys[next] - ys[next - 1]);
}

function wideRange(metric) {
  const values = content.policies.flatMap((policy) => policy.metrics[metric]?.low ?? []);
  const smallest = Math.min(...values);
  return metric.endsWith("loss") && smallest > 0 && Math.max(...values) > 20 * smallest;
}

/** Accuracies without the first rise, where all curves are alike; undefined shows all. A double click shows all. */
function laterRange(metric) {
  if (!metric.endsWith("accuracy")) return undefined;
  const curves = content.policies.flatMap((policy) => policy.metrics[metric] ?? []).filter((curve) => curve.mean.length > 5);
  if (!curves.length) return undefined;
  const low = Math.min(...curves.map((curve) => Math.min(...curve.low.slice(Math.floor(curve.low.length / 5)))));
  const high = Math.max(...curves.flatMap((curve) => curve.high));
  const space = 0.05 * (high - low) || 0.01;
  return [low - space, high + space];
}

function drawCurves() {
  const color = theme(), axis = chosen("axis"), metric = chosen("metric"), traces = [];
  content.policies.forEach((policy, index) => {
    const curve = policy.metrics[metric];
    if (!curve) return;
    const x = policy.x[axis], hue = color("c" + (index % 8)), group = policy.name;
    traces.push({
      x: [...x, ...[...x].reverse()], y: [...curve.high, ...[...curve.low].reverse()], fill: "toself",
      fillcolor: faint(hue, 0.16), line: { width: 0 }, hoverinfo: "skip", showlegend: false, legendgroup: group, mode: "lines",
    });
    traces.push({
      x, y: curve.mean, name: policy.name, legendgroup: group, mode: x.length > 1 ? "lines" : "markers",
      line: { color: hue, width: 2.2, dash: index < 8 ? "solid" : "dash" },
      hovertemplate: `<b>${policy.name}</b> %{y:.4g}<extra></extra>`,
    });
    const steps = policy.growth.steps;
    traces.push({
      x: steps.map((step) => between(policy.x.step, x, step)), y: steps.map((step) => between(policy.x.step, curve.mean, step)),
      mode: "markers", marker: { symbol: "triangle-up", size: 8, color: hue }, legendgroup: group, showlegend: false,
      text: steps, hovertemplate: `<b>${policy.name}</b> grew at step %{text}<extra></extra>`,
    });
  });
  const percent = metric.endsWith("accuracy") ? { tickformat: ".0%" } : {};
  const y = { title: { text: titles[metric] }, range: laterRange(metric), type: wideRange(metric) ? "log" : "linear", ...percent };
  const shape = layout(color, { title: { text: titles[axis] } }, y);
  shape.legend = { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 };
  shape.margin.t = 40;
  shape.hovermode = "closest";
  Plotly.react("curves", traces, shape, settings);
}

function drawWidths() {
  const place = document.getElementById("widths");
  if (!place) return;
  const color = theme(), policy = content.policies.find((candidate) => candidate.name === chosen("grown")), growth = policy.growth;
  const shares = growth.widths.map((row) => row.map((width) => width / row[0]));
  const columns = growth.columns.map((step) => (step === 0 ? "seed" : String(step)));
  place.style.height = `${Math.max(9, 5 + 1.7 * growth.sites.length)}rem`;
  const trace = {
    type: "heatmap", x: columns, y: growth.sites, z: shares, text: growth.widths, xgap: 2, ygap: 2,
    texttemplate: columns.length <= 20 ? "%{text}" : "", hovertemplate: "%{y}: %{text} wide after step %{x}<extra></extra>",
    colorscale: [[0, color("ramp-low")], [1, color("ramp-high")]], zmin: 1,
    colorbar: { title: { text: "× seed", side: "right" }, thickness: 12, outlinewidth: 0 },
  };
  const shape = layout(color, { title: { text: "width after the growth step at" }, type: "category", showgrid: false },
    { autorange: "reversed", type: "category", showgrid: false });
  Plotly.react(place, [trace], shape, settings);
}

function draw() {
  drawCurves();
  drawWidths();
}

document.querySelectorAll(".controls input").forEach((input) => input.addEventListener("change", draw));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
