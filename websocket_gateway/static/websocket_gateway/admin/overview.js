// The live overview: reads the figures every three seconds while the page is visible, and draws them.
"use strict";
{
  const EVERY_MS = 3000;
  const SVG = "http://www.w3.org/2000/svg";
  const root = document.querySelector(".wsg-overview");
  const part = (name) => root.querySelector(`[data-${name}]`);
  const number = new Intl.NumberFormat();
  let timer = 0;
  let hours = [];

  function element(name, attributes = {}, text = "") {
    const created = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
    created.textContent = text;
    return created;
  }

  function drawn(name, attributes, ...children) {
    const created = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
    created.append(...children);
    return created;
  }

  function drawBars(target, rows, link) {
    const most = Math.max(1, ...rows.map((row) => row.count));
    const bars = rows.map((row) => {
      const bar = element("div", { class: "wsg-bar" });
      const rect = drawn("rect", { class: "wsg-fill-in", width: (100 * row.count) / most, height: 12, rx: 1 });
      bar.append(
        link ? element("a", { href: link(row), title: row.name }, row.name) : element("span", { title: row.name }, row.name),
        drawn("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" }, rect),
        element("span", {}, number.format(row.count)),
      );
      return bar;
    });
    target.replaceChildren(...(bars.length ? bars : [element("p", { class: "wsg-empty" }, root.dataset.none)]));
  }

  // One chart for each element with `data-chart`: its columns are named there, its labels in its legend.
  function drawHours(target) {
    const names = target.dataset.chart.split(" ");
    const labels = [...target.parentElement.querySelectorAll(".wsg-legend span")].map((label) => label.textContent);
    const width = Math.max(280, target.clientWidth);
    const height = 180;
    const [left, top, bottom] = [56, 12, height - 24];
    const most = Math.max(1, ...hours.flatMap((hour) => names.map((name) => hour[name])));
    const step = (width - left - 8) / hours.length;
    const every = Math.ceil(60 / step);
    const chart = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    const text = hours.map((hour) => `${clock(hour.hour)}: ${names.map((name) => hour[name]).join(" / ")}`).join(", ");
    chart.append(drawn("title", {}, `${labels.join(" / ")}: ${text}`));
    for (const [value, y] of [[most, top], [0, bottom]]) {
      chart.append(
        drawn("line", { class: "wsg-axis", x1: left, x2: width, y1: y, y2: y }),
        drawn("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, number.format(value)),
      );
    }
    hours.forEach((hour, index) => {
      const x = left + index * step;
      const column = (0.72 / names.length) * step;
      names.forEach((name, place) => {
        // One failure among thousands of deliveries is seen, too.
        const barHeight = hour[name] && Math.max(2, ((bottom - top) * hour[name]) / most);
        chart.append(drawn("rect", {
          class: `wsg-fill-${name}`, x: x + 0.14 * step + place * column, y: bottom - barHeight,
          width: column * 0.92, height: barHeight,
        }));
      });
      if (index % every === 0) {
        chart.append(drawn("text", { x: x + step / 2, y: height - 8, "text-anchor": "middle" }, clock(hour.hour)));
      }
    });
    target.replaceChildren(chart);
  }

  function drawCharts() {
    for (const target of root.querySelectorAll("[data-chart]")) drawHours(target);
  }

  function clock(time) {
    return new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }

  function drawMembers(target, channels) {
    const rows = channels.map(({ name, count, members }) => {
      const row = element("tr");
      const link = `${root.dataset.members}?present__exact=1&q=${encodeURIComponent(name)}`;
      const channel = element("td", { class: "wsg-name" });
      channel.append(element("a", { href: link }, name));
      const more = count - members.length;
      const rest = more > 0 ? [root.dataset.more.replace("{number}", number.format(more))] : [];
      row.append(channel, element("td", { class: "wsg-number" }, number.format(count)));
      row.append(element("td", { class: "wsg-name" }, [members.join(", "), ...rest].join(" ")));
      return row;
    });
    fill(target, rows, 3);
  }

  function drawRuns(target, runs) {
    const rows = runs.map((run) => {
      const row = element("tr");
      const name = element("td");
      const title = `${run.id} · ${clock(run.started)}`;
      name.append("opensRuns" in root.dataset ? element("a", { href: run.url }, title) : title);
      row.append(name, element("td", { class: "wsg-wrap" }, run.to), element("td", { class: "wsg-wrap" }, run.by));
      row.append(element("td", {}, run.state));
      for (const figure of ["recipients", "delivered", "gone", "failed"]) {
        const failed = figure === "failed" && run.failed ? " wsg-failed" : "";
        row.append(element("td", { class: `wsg-number${failed}` }, number.format(run[figure])));
      }
      return row;
    });
    fill(target, rows, 8);
  }

  function fill(target, rows, columns) {
    if (!rows.length) {
      rows.push(element("tr"));
      rows[0].append(element("td", { colspan: columns, class: "wsg-empty" }, root.dataset.none));
    }
    target.replaceChildren(...rows);
  }

  function draw(figures) {
    const list = root.dataset.list;
    part("open").textContent = number.format(figures.open);
    part("age").textContent = "";
    drawBars(root.querySelector("[data-bars=gateways]"), figures.gateways, (row) => `${list}?gateway=${row.pk}`);
    drawBars(
      root.querySelector("[data-bars=channels]"),
      figures.channels,
      (row) => `${list}?q=${encodeURIComponent(row.name)}`,
    );
    drawBars(root.querySelector("[data-bars=refusals]"), figures.refusals, null);
    hours = figures.hours;
    drawCharts();
    if (part("present")) drawMembers(part("present"), figures.members);
    drawRuns(part("runs"), figures.broadcasts);
  }

  async function readFigures() {
    timer = 0;
    try {
      const response = await fetch(root.dataset.figures, { headers: { Accept: "application/json" } });
      // After the end of the login, the response redirects to the login page.
      if (response.redirected) return location.reload();
      if (!response.ok) throw new Error(String(response.status));
      draw(await response.json());
    } catch {
      part("age").textContent = root.dataset.failed;
    }
    schedule();
  }

  function schedule() {
    if (!document.hidden && !timer) timer = setTimeout(readFigures, EVERY_MS);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    timer = 0;
    if (!document.hidden) readFigures();
  });
  window.addEventListener("resize", () => {
    if (hours.length) drawCharts();
  });
  readFigures();
}
