"use strict";
const content = JSON.parse(document.getElementById("content").textContent);
const settings = { displayModeBar: false, responsive: true };
const drawings = []; // functions that draw everything anew, in the colours of the page

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

/** What a chart shows as a table, in the closed part below it: the first cell of a row is its title. */
function fillTable(anchor, caption, titles, rows) {
  const table = document.createElement("table"), box = document.createElement("div");
  box.className = "wide";
  box.tabIndex = 0;
  table.createCaption().textContent = caption;
  const add = (row, kind, text, scope) => {
    const cell = document.createElement(kind);
    cell.textContent = text;
    if (scope) cell.scope = scope;
    row.append(cell);
  };
  const head = table.createTHead().insertRow();
  titles.forEach((title) => add(head, "th", title, "col"));
  const body = table.createTBody();
  rows.forEach(([title, ...cells]) => {
    const row = body.insertRow();
    add(row, "th", title, "row");
    cells.forEach((cell) => add(row, "td", cell));
  });
  box.append(table);
  const place = document.getElementById(`${anchor}-table`);
  [...place.children].slice(1).forEach((old) => old.remove());
  place.append(box);
}

function drawAll() {
  drawings.forEach((draw) => draw());
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
