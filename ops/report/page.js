// Draws the plots, and draws them again as large as paper before the page is printed.
(() => {
  "use strict";
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const config = { displayModeBar: false, responsive: true };
  const holders = [...document.querySelectorAll(".drawing")];

  function draw(holder) {
    if (holder.dataset.drawn) return;
    holder.dataset.drawn = "yes";
    const { data, layout } = plots[holder.id];
    Plotly.newPlot(holder, data, layout, config);
  }

  // One at a time, in the order of the page: it can be read and scrolled meanwhile.
  function drawFrom(place) {
    if (place === holders.length) return;
    draw(holders[place]);
    setTimeout(drawFrom, 0, place + 1);
  }
  setTimeout(drawFrom, 0, 0);

  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(shown));
      const holder = document.getElementById(button.dataset.plot);
      draw(holder);
      Plotly.restyle(holder, { visible: shown }, button.dataset.traces.split(",").map(Number));
    });
  }

  const links = new Map(
    [...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]),
  );
  const parts = [...document.querySelectorAll(".part")];
  function mark() {
    const passed = parts.filter((part) => part.getBoundingClientRect().top < innerHeight / 3);
    const here = (passed.at(-1) ?? parts[0])?.id;
    for (const [id, link] of links) link.classList.toggle("here", id === here);
  }
  addEventListener("scroll", mark, { passive: true });
  mark();

  // A plot is as wide as its card on paper (style.css), less the card's padding.
  const paper = { half: 319, wide: 674, height: 180 };
  addEventListener("beforeprint", () => {
    for (const holder of holders) {
      draw(holder);
      const wide = holder.closest(".wide") !== null;
      Plotly.relayout(holder, { width: wide ? paper.wide : paper.half, height: paper.height });
    }
  });
  addEventListener("afterprint", () => {
    for (const holder of holders) Plotly.relayout(holder, { width: null, height: null, autosize: true });
  });
})();
