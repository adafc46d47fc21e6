"use strict";
const picker = document.getElementById("grown-policy");

function show(needed, present) {
  document.querySelector(`[data-needs="${needed}"]`).hidden = !present;
  document.querySelector(`[data-lacks="${needed}"]`).hidden = present;
  return present;
}

function drawWidths(policy, growth, color) {
  if (!show("widths", growth.sites.length > 0)) return;
  const place = document.getElementById("widths");
  const first = growth.widths.map((row) => row.find((width) => width !== null));
  const shares = growth.widths.map((row, site) => row.map((width) => width === null ? null : width / first[site]));
  const columns = growth.columns.map((step) => (step === 0 ? "seed" : String(step)));
  const all = shares.flat().filter((share) => share !== null);
  place.style.height = `${Math.max(11, 6 + 1.7 * growth.sites.length)}rem`;
  const trace = {
    type: "heatmap", x: columns, y: growth.sites, z: shares, text: growth.widths, xgap: 2, ygap: 2,
    texttemplate: columns.length <= 20 ? "%{text}" : "", hovertemplate: "%{y}: %{text} wide after step %{x}<extra></extra>",
    colorscale: [[0, color("ramp-low")], [1, color("ramp-high")]], zmin: Math.min(1, ...all), zmax: Math.max(1.01, ...all),
    hoverongaps: false, textfont: { color: color("text") },
    colorbar: { title: { text: "× seed", side: "right" }, thickness: 12, outlinewidth: 0 },
  };
  const shape = layout(color, { title: { text: "width after the growth event at step" }, type: "category", showgrid: false },
    { autorange: "reversed", type: "category", showgrid: false, title: { text: "site" } });
  Plotly.react(place, [trace], shape, settings);
  place.setAttribute("aria-label", `Widths of ${growth.sites.length} sites of ${policy.name} after each growth event`);
  fillTable("widths", `Widths of ${policy.name}, seed ${growth.seed}, after the growth event at each step.`,
    ["site", ...columns], growth.sites.map((site, row) => [site, ...growth.widths[row].map((width) => width ?? "")]));
}

function median(values) {
  const sorted = [...values].sort((one, two) => one - two), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function drawRatios(policy, growth, color) {
  if (!show("ratios", growth.ratios.length > 0)) return;
  const place = document.getElementById("ratios"), hue = color("c" + policy.style.hue);
  const steps = [...new Set(growth.ratios.map(([step]) => step))];
  const ofStep = steps.map((step) => growth.ratios.filter(([other]) => other === step));
  const medians = ofStep.map((rows) => median(rows.map(([, , ratio]) => ratio)));
  const values = growth.ratios.map(([, , ratio]) => ratio), smallest = Math.min(...values);
  const log = smallest > 0 && Math.max(1, ...values) > 10 * Math.min(1, smallest);
  const traces = [
    { x: steps, y: medians, mode: steps.length > 1 ? "lines" : "markers", line: { color: hue, width: 2 }, hoverinfo: "skip" },
    { x: growth.ratios.map(([step]) => step), y: values, text: growth.ratios.map(([, site]) => site), mode: "markers",
      marker: { color: faint(hue, 0.55), size: 8, symbol: policy.style.symbol, line: { color: hue, width: 1 } },
      hovertemplate: "%{text}: %{y:.3g} at step %{x}<extra></extra>" },
  ];
  const axis = log ? { type: "log", tickvals: [-4, -3, -2, -1, 0, 1, 2].flatMap((power) => [1, 2, 5].map((digit) => +`${digit}e${power}`)) } : {};
  const shape = layout(color, { title: { text: "optimizer steps" } }, { title: { text: "new / old" }, ...axis });
  shape.showlegend = false;
  shape.shapes = [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: color("muted"), dash: "dash", width: 1 } }];
  Plotly.react(place, traces, shape, settings);
  place.setAttribute("aria-label", `Gradient norm of new units over that of old ones, ${policy.name}, by step`);
  fillTable("ratios", `Gradient norm of new units over that of old ones, ${policy.name}, seed ${growth.seed}.`,
    ["step", "median", "each site"],
    steps.map((step, at) => [step, medians[at].toPrecision(3), ofStep[at].map(([, site, ratio]) => `${site}: ${ratio}`).join(", ")]));
}

function drawGrowth() {
  const policy = content.policies.find((candidate) => candidate.name === picker.value), color = theme();
  document.querySelectorAll(".per-policy").forEach((part) => { part.hidden = part.dataset.policy !== policy.name; });
  drawWidths(policy, policy.growth, color);
  drawRatios(policy, policy.growth, color);
}

if (picker) {
  picker.addEventListener("change", drawGrowth);
  drawings.push(drawGrowth);
  drawGrowth();
}
