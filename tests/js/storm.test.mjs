// A thousand clients lose their connections at once; the server takes a hundred new ones a second.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World, numbers } from "./world.mjs";

const CLIENTS = 1_000;
const PER_SECOND = 100;

test("a reconnect storm spreads over the back-off window", async (t) => {
  const world = new World();
  world.random = numbers(7);
  world.install();
  const options = { url: "wss://ws.example.com/production", tokenUrl: "/token/" };
  const clients = Array.from({ length: CLIENTS }, () => connect(options));
  await world.clock.advance(60_000);
  assert.equal(world.open.length, CLIENTS);

  const times = [];
  const begun = world.clock.now;
  const second = (time) => Math.floor((time - begun) / 1_000);
  const taken = new Map();
  world.onSocket = (socket) => {
    const now = second(world.clock.now);
    times.push(world.clock.now - begun);
    taken.set(now, (taken.get(now) ?? 0) + 1);
    return taken.get(now) > PER_SECOND ? socket.cut() : socket.accept();
  };
  world.open.forEach((socket) => socket.cut());
  await world.clock.advance(3 * 60_000);

  const attempts = [];
  times.forEach((time) => (attempts[Math.floor(time / 1_000)] = (attempts[Math.floor(time / 1_000)] ?? 0) + 1));
  t.diagnostic(`attempts per second: ${Array.from(attempts, (count) => count ?? 0).join(" ")}`);
  assert.ok(clients.every(({ state }) => state === "open"), "everybody is back");
  // The first window is one second long: every tenth of it gets its share (and the first who were refused).
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const share = times.filter((time) => Math.floor(time / 100) === tenth).length;
    assert.ok(share > 60 && share < 200, `${share} attempts in tenth ${tenth}`);
  }
  assert.ok(attempts[4] < attempts[0] / 2, "the crowd thins out");
  assert.ok(times.length < 6 * CLIENTS, `${times.length} attempts`);
  clients.forEach((client) => client.close());
});
