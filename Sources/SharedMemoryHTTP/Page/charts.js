"use strict";
// Small charts of the last five minutes, from the server's metrics, while the page is visible.

const charts = {
  period: 5,
  samples: [],
  series: [
    { name: "Changes", metric: "sharedmem_segment_publications_total", isCounter: true },
    { name: "Attached processes", metric: "sharedmem_segment_attached" },
    { name: "Subscribers", metric: "sharedmem_subscribers" },
  ],

  async run() {
    for (;; await sleep(this.period * 1000)) {
      if (document.hidden || !current?.name) continue;
      try {
        const response = await send("GET", "/metrics");
        this.add(current.name, await response.text());
      } catch {
        this.clear();
      }
      $("charts").hidden = this.samples.length < 2;
    }
  },

  clear() {
    this.samples = [];
    $("charts").hidden = true;
  },

  add(name, page) {
    const values = this.series.map(({ metric }) => {
      const start = `\n${metric}{segment="${name}"} `;
      const at = page.indexOf(start);
      return at < 0 ? NaN : parseFloat(page.slice(at + start.length));
    });
    this.samples = values.some(Number.isNaN) ? [] : [...this.samples.slice(-60), values];
    if (this.samples.length > 1) $("charts").replaceChildren(...this.series.map((series, index) => this.draw(series, index)));
  },

  draw({ name, isCounter }, index) {
    const all = this.samples.map((values) => values[index]);
    const values = isCounter ? all.slice(1).map((value, each) => Math.max(0, value - all[each])) : all;
    const [width, height] = [240, 36];
    const highest = Math.max(1, ...values);
    const x = (each) => width - (values.length - each) * (width / 60);
    const y = (value) => height - (value / highest) * (height - 10);
    const path = values.map((value, each) =>
      isCounter ? `M${x(each)} ${height}V${y(value)}h3V${height}z` : `${each ? "V" : `M${x(0)} `}${y(value)}${each ? "" : ""}H${x(each + 1)}`);
    const last = isCounter ? values.reduce((sum, value) => sum + value, 0) : values[values.length - 1];
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${name} in the last five minutes: ${isCounter ? `${last} in all` : `${last} now`}, at most ${highest}${isCounter ? ` in ${this.period} seconds` : ""}`);
    svg.setAttribute("class", isCounter ? "bars" : "line");
    line.setAttribute("d", path.join(""));
    svg.append(line);
    return make("figure", {}, make("figcaption", {}, isCounter ? `${name} in five minutes` : name, make("b", {}, String(last))), svg);
  },
};
