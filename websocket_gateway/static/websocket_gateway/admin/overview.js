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
        element("a", { href: link(row), title: row.name }, row.name),
        drawn("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" }, rect),
        element("span", {}, number.format(row.count)),
      );
      return bar;
    });
    target.replaceChildren(...(bars.length ? bars : [element("p", { class: "wsg-empty" }, root.dataset.none)]));
  }

  function drawHours(target, hours) {
    const width = Math.max(300, target.clientWidth);
    const height = 180;
    const [left, top, bottom] = [44, 12, height - 24];
    const most = Math.max(1, ...hours.flatMap((hour) => [hour.connects, hour.disconnects]));
    const step = (width - left - 8) / hours.length;
    const every = step < 44 ? 3 : 1;
    const chart = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    const text = hours.map((hour) => `${clock(hour.hour)}: ${hour.connects} / ${hour.disconnects}`).join(", ");
    chart.append(drawn("title", {}, `${root.dataset.connects} / ${root.dataset.disconnects}: ${text}`));
    for (const [value, y] of [[most, top], [0, bottom]]) {
      chart.append(
        drawn("line", { class: "wsg-axis", x1: left, x2: width, y1: y, y2: y }),
        drawn("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, number.format(value)),
      );
    }
    hours.forEach((hour, index) => {
      const x = left + index * step;
      [["in", hour.connects, 0.14], ["out", hour.disconnects, 0.5]].forEach(([name, count, shift]) => {
        const barHeight = ((bottom - top) * count) / most;
        chart.append(drawn("rect", {
          class: `wsg-fill-${name}`, x: x + shift * step, y: bottom - barHeight, width: step * 0.33, height: barHeight,
        }));
      });
      if (index % every === 0) {
        chart.append(drawn("text", { x: x + step / 2, y: height - 8, "text-anchor": "middle" }, clock(hour.hour)));
      }
    });
    target.replaceChildren(chart);
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
      row.append(element("td", {}, `${run.id} · ${clock(run.started)}`));
      row.append(element("td", {}, run.to), element("td", {}, run.state));
      row.append(element("td", { class: "wsg-number" }, number.format(run.delivered)));
      row.append(element("td", { class: "wsg-number" }, number.format(run.gone)));
      const failed = run.failed ? "wsg-number wsg-failed" : "wsg-number";
      row.append(element("td", { class: failed }, number.format(run.failed)));
      return row;
    });
    fill(target, rows, 6);
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
    hours = figures.hours;
    drawHours(part("hours"), hours);
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
    if (hours.length) drawHours(part("hours"), hours);
  });
  readFigures();
}
