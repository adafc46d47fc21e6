"use strict";
const envelopePicker = document.getElementById("envelope-policy");

/** Values without the first steep part; a double click shows all. */
function laterValues(lines) {
  const later = lines.flatMap((values) => values.slice(Math.floor(0.25 * values.length)));
  const low = Math.min(...later), high = Math.max(...later), space = 0.06 * (high - low) || 0.01;
  return [low - space, high + space];
}

function envelopeTraces(one, color) {
  const hue = color("c" + one.style.hue), x = one.flops, every = Math.ceil(x.length / 6);
  const marks = (values, style, at) => ({
    x: x.filter((_, index) => index % every === at), y: values.filter((_, index) => index % every === at),
    mode: "markers", hoverinfo: "skip", showlegend: false,
    marker: { symbol: style.symbol, size: 8, color: color("c" + style.hue), line: { color: color("page"), width: 1 } },
  });
  const line = (values, name, style, width) => ({
    x, y: values, name, mode: "lines", line: { color: color("c" + style.hue), width, dash: style.dash },
    hovertemplate: `<b>${name}</b> %{y:.4g}<extra></extra>`,
  });
  return [
    { x: [...x, ...[...x].reverse()], y: [...one.policy, ...[...one.envelope].reverse()], fill: "toself", mode: "lines",
      fillcolor: faint(hue, 0.16), line: { width: 0 }, hoverinfo: "skip", showlegend: false },
    ...one.sizes.flatMap((size, index) => [line(size.values, size.name, size.style, 1.4),
      marks(size.values, size.style, (3 * (index + 1)) % every)]),
    { x, y: one.envelope, name: "best fixed size at each moment", mode: "lines", hoverinfo: "skip",
      line: { color: color("text"), width: 3.5, dash: "dash" } },
    line(one.policy, one.name, one.style, 3), marks(one.policy, one.style, 0),
  ];
}

function drawEnvelope() {
  const place = document.getElementById("envelope-curves");
  if (!place) return;
  const one = content.envelopes.find((each) => !envelopePicker || each.name === envelopePicker.value), color = theme();
  const y = { title: { text: one.metric_words }, range: laterValues([one.policy, ...one.sizes.map((size) => size.values)]) };
  const shape = layout(color, { title: { text: "training FLOPs" }, exponentformat: "SI" }, { ...y, ...(one.percent ? { tickformat: ".1%" } : {}) });
  shape.hovermode = "x unified";
  shape.legend = { font: { color: color("text") }, orientation: "h", y: 1.02, yanchor: "bottom" };
  shape.margin.t = 56;
  Plotly.react(place, envelopeTraces(one, color), shape, settings);
  place.setAttribute("aria-label", `${one.metric_words} against training FLOPs, of ${one.name} and ${one.sizes.map((size) => size.name).join(", ")}`);
  fillEnvelopeTable(one);
}

/** The curves at a fifth, two fifths ... of the way. */
function fillEnvelopeTable(one) {
  const show = (value) => one.percent ? `${(100 * value).toFixed(2)} %` : value.toPrecision(4);
  const change = (value) => (value > 0 ? "+" : "") + (one.percent ? `${(100 * value).toFixed(2)} points` : value.toPrecision(3));
  const count = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3, notation: "compact" });
  const places = [1, 2, 3, 4, 5].map((part) => Math.round((part / 5) * (one.flops.length - 1)));
  const row = (name, values, shown = show) => [name, ...places.map((at) => shown(values[at]))];
  fillTable("envelope-curves", `${one.metric_words}, mean over the seeds, at the same training FLOPs.`,
    ["", ...places.map((at) => `at ${count(one.flops[at])}`)],
    [row(one.name, one.policy), ...one.sizes.map((size) => row(size.name, size.values)),
      row("best fixed size", one.envelope), row(`${one.name} minus it`, one.difference, change)]);
}

if (envelopePicker) envelopePicker.addEventListener("change", drawEnvelope);
drawings.push(drawEnvelope);
drawEnvelope();
