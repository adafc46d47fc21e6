"use strict";
function drawFigures() {
  const color = theme();
  Object.entries(content.figures).forEach(([anchor, figure]) => {
    const own = figure.layout, shape = { ...own, ...layout(color, own.xaxis ?? {}, own.yaxis ?? {}) };
    Object.keys(own).filter((name) => /^[xy]axis\d+$/.test(name)).forEach((name) => {
      shape[name] = { ...shape[name[0] + "axis"], title: undefined, type: undefined, ...own[name] };
    });
    shape.colorway = [0, 1, 2, 3, 4, 5, 6].map((hue) => color("c" + hue));
    shape.legend = { ...own.legend, font: { color: color("text") } };
    shape.margin = { l: 60, r: 16, t: 20, b: 48 };
    Plotly.react(anchor, figure.data, shape, settings);
  });
}

drawings.push(drawFigures);
drawFigures();
