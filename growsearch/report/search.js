"use strict";
const narrow = matchMedia("(max-width: 640px)");

function drawFigures() {
  const color = theme();
  Object.entries(content.figures).forEach(([anchor, figure]) => {
    const own = figure.layout, shape = { ...own, ...layout(color, own.xaxis ?? {}, own.yaxis ?? {}) };
    Object.keys(own).filter((name) => /^[xy]axis\d+$/.test(name)).forEach((name) => {
      shape[name] = { ...shape[name[0] + "axis"], title: undefined, type: undefined, ...own[name] };
    });
    if (narrow.matches) stack(shape, figure.data);
    shape.colorway = [0, 1, 2, 3, 4, 5, 6].map((hue) => color("c" + hue));
    shape.legend = { ...own.legend, orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { color: color("text") } };
    shape.margin = { l: 60, r: 16, t: 20, b: 48 };
    document.getElementById(anchor).style.height = shape.height ? `${shape.height}px` : null;
    Plotly.react(anchor, figure.data.map((trace) => themed(trace, color)), shape, settings);
  });
}

/** A trace in the colours of the page, where it has none of its own. */
function themed(trace, color) {
  const own = { ...trace };
  if (trace.type === "bar" && trace.error_x) own.error_x = { color: color("muted"), ...trace.error_x };
  if (trace.mode === "markers" && trace.showlegend === false) own.marker = { ...trace.marker, color: color("c0") };
  return own;
}

/** Charts that stand side by side one below the other. */
function stack(shape, traces) {
  const places = [...new Set(traces.map((trace) => `xaxis${(trace.xaxis ?? "x").slice(1)}`))];
  if (places.length < 2) return;
  places.forEach((name, place) => {
    const top = 1 - place / places.length, upright = name.replace("x", "y");
    shape[name] = { ...shape[name], domain: [0, 1] };
    shape[upright] = { ...shape[upright], domain: [top - 0.6 / places.length, top], showticklabels: true };
  });
  shape.height = 240 * places.length;
}

narrow.addEventListener("change", drawAll);
drawings.push(drawFigures);
drawFigures();
