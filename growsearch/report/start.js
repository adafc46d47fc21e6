"use strict";
/** Run text as a script of the page. */
function runScript(text) {
  const script = document.createElement("script");
  script.textContent = text;
  document.body.append(script);
}

/** Unpack plotly, which is most of the page, then run what draws with it. */
async function start() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (one) => one.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  runScript(await new Response(unpacked).text());
  document.querySelectorAll("script.drawing").forEach((one) => runScript(one.textContent));
  document.dispatchEvent(new Event("drawn"));
}

if (window.DecompressionStream) {
  start();
} else {
  document.querySelectorAll(".plot").forEach((plot) => {
    plot.textContent = "This browser cannot unpack the charts: take one of 2023 or later.";
  });
}
