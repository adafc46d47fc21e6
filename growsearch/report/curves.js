"use strict";
const titles = {
  step: "optimizer steps", training_flops: "training FLOPs", seconds: "seconds", epoch: "epochs",
  validation_accuracy: "validation accuracy", validation_loss: "validation loss", train_loss: "training loss",
  parameters: "parameters",
};
const MARKS = 6; // markers on a curve, so that it is told from others without its colour

function shownPolicies() {
  const names = new Set([...document.querySelectorAll('input[name="shown"]:checked')].map((box) => box.value));
  return content.policies.filter((policy) => names.has(policy.name));
}

/** Value of the piecewise linear curve (xs, ys) at x. */
function between(xs, ys, x) {
  const next = xs.findIndex((value) => value >= x);
  if (next < 0) return ys[ys.length - 1];
  if (next === 0) return ys[0];
  const share = (x - xs[next - 1]) / (xs[next] - xs[next - 1]);
  return ys[next - 1] + share * (ys[next] - ys[next - 1]);
}

function known(values) {
  return values.filter((value) => value !== null);
}

function logarithmic(policies, metric) {
  const values = policies.flatMap((policy) => known(policy.metrics[metric]?.low ?? []));
  const smallest = Math.min(...values);
  return !metric.endsWith("accuracy") && smallest > 0 && Math.max(...values) > 20 * smallest;
}

/** Accuracies without the first rise, where all curves are alike; undefined shows all. A double click shows all. */
function laterRange(policies, metric) {
  if (!metric.endsWith("accuracy")) return undefined;
  const curves = policies.flatMap((policy) => policy.metrics[metric] ?? []).filter((curve) => curve.mean.length > 5);
  if (!curves.length) return undefined;
  const low = Math.min(...curves.map((curve) => Math.min(...known(curve.low.slice(Math.floor(0.4 * curve.low.length))))));
  const high = Math.max(...curves.flatMap((curve) => known(curve.high)));
  const space = 0.05 * (high - low) || 0.01;
  return [low - space, high + space];
}

/** Band, line, a few markers, and ticks where the median seed grew. */
function tracesOf(policy, index, metric, axis, color) {
  const curve = policy.metrics[metric], x = policy.x[axis], hue = color("c" + policy.style.hue), group = policy.name;
  const every = Math.max(1, Math.ceil(x.length / MARKS)), start = index % every;
  const marked = x.map((_, at) => at).filter((at) => at % every === start || x.length === 1);
  const quiet = { hoverinfo: "skip", showlegend: false, legendgroup: group };
  const steps = policy.growth?.steps ?? [];
  return [
    { x: [...x, ...[...x].reverse()], y: [...curve.high, ...[...curve.low].reverse()], fill: "toself",
      fillcolor: faint(hue, 0.14), line: { width: 0 }, mode: "lines", ...quiet },
    { x, y: curve.mean, name: policy.name, legendgroup: group, mode: "lines", showlegend: false,
      line: { color: hue, width: 2.2, dash: policy.style.dash },
      hovertemplate: `<b>${policy.name}</b> %{y:.4g}<extra></extra>` },
    { x: marked.map((at) => x[at]), y: marked.map((at) => curve.mean[at]), mode: "markers", ...quiet,
      marker: { symbol: policy.style.symbol, size: 9, color: hue, line: { color: color("page"), width: 1 } } },
    { x: steps.map((step) => between(policy.x.step, x, step)),
      y: steps.map((step) => between(policy.x.step, curve.mean, step)), mode: "markers", showlegend: false,
      marker: { symbol: "line-ns-open", size: 11, color: hue, line: { width: 2 } }, legendgroup: group, text: steps,
      hovertemplate: `<b>${policy.name}</b> grew at step %{text}<extra></extra>` },
  ];
}

function drawCurves() {
  const place = document.getElementById("curves");
  if (!place) return;
  const color = theme(), axis = chosen("axis"), metric = chosen("metric");
  const policies = shownPolicies().filter((policy) => policy.metrics[metric] && policy.x[axis]);
  const traces = policies.flatMap((policy, index) => tracesOf(policy, index, metric, axis, color));
  const percent = metric.endsWith("accuracy") ? { tickformat: ".0%" } : {};
  const y = { title: { text: titles[metric] }, range: laterRange(policies, metric), ...percent };
  y.type = logarithmic(policies, metric) ? "log" : "linear";
  const counted = (key) => (key === "training_flops" || key === "parameters" ? { exponentformat: "SI" } : {});
  const shape = layout(color, { title: { text: titles[axis] }, ...counted(axis) }, { ...y, ...counted(metric) });
  shape.hovermode = "closest";
  Plotly.react(place, traces, shape, settings);
  place.setAttribute("aria-label", `${titles[metric]} against ${titles[axis]}, of ${policies.map((one) => one.name).join(", ")}`);
  fillCurveTable(policies, metric, axis);
}

/** The curves at a fifth, two fifths ... of each policy's way. */
function fillCurveTable(policies, metric, axis) {
  const show = (value) => value === null ? "" : metric.endsWith("accuracy") ? `${(100 * value).toFixed(2)} %` : value.toPrecision(4);
  const count = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3, notation: "compact" });
  const rows = policies.map((policy) => {
    const x = policy.x[axis], curve = policy.metrics[metric];
    const places = [1, 2, 3, 4, 5].map((part) => Math.round((part / 5) * (x.length - 1)));
    return [policy.name, ...places.map((at) => `${show(curve.mean[at])} at ${count(x[at])}`)];
  });
  fillTable("curves", `${titles[metric]}, mean over the seeds, at ${titles[axis]}, along the way of each policy shown.`,
    ["policy", "a fifth", "two fifths", "three fifths", "four fifths", "end"], rows);
}

document.querySelectorAll('input[name="axis"], input[name="metric"], input[name="shown"]').forEach((input) =>
  input.addEventListener("change", drawCurves));
document.querySelectorAll("button[data-shown]").forEach((button) => button.addEventListener("click", () => {
  document.querySelectorAll('input[name="shown"]').forEach((box) => { box.checked = button.dataset.shown === "all"; });
  drawCurves();
}));
drawings.push(drawCurves);
drawCurves();
