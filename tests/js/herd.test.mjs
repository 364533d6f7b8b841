// Clients of a channel with a history come back at once; AWS takes a twentieth of them in a second, as it takes
// 500 of 10,000. WEBSOCKET_GATEWAY_TEST_HERD is their number.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World, numbers } from "./world.mjs";

const CLIENTS = Number(process.env.WEBSOCKET_GATEWAY_TEST_HERD ?? 500);
const PER_SECOND = CLIENTS / 20;
const MISSED = 3;

test("a herd comes back with one token, one handshake and one frame each, and misses nothing", async (t) => {
  const world = new World();
  world.random = numbers(11);
  world.install();
  // Each listener would be compared with those of all other clients.
  globalThis.addEventListener = globalThis.document.addEventListener = () => {};
  let top = 0;
  let frames = 0;
  const plain = world.onFrame;
  world.onFrame = (socket, frame) => {
    const { channels, id, type } = frame._ws ?? {};
    frames += 1;
    if (!channels) {
      plain(socket, frame);
      return;
    }
    const { offset = top } = channels.orders ?? {};
    const messages = Array.from({ length: top - offset }, (_, i) => ({ offset: offset + i + 1, data: { n: offset + i + 1 } }));
    const answer = { epoch: "e1", offset, ...(messages.length && { messages, more: false }) };
    const done = type === "subscribe" ? "subscribed" : "recovered";
    queueMicrotask(() => socket.deliver({ _ws: { type: done, reply_to: id, channels: { orders: answer } } }));
  };
  const shown = new Array(CLIENTS).fill("");
  const clients = Array.from({ length: CLIENTS }, (_, i) => {
    const client = connect({ url: "wss://ws.example.com/production", tokenUrl: "/token/" });
    client.channel("orders").on("message", ({ n }) => (shown[i] += `${n} `));
    return client;
  });
  await world.clock.advance(60_000);
  assert.equal(world.open.length, CLIENTS);

  const begun = world.clock.now;
  const second = () => Math.floor((world.clock.now - begun) / 1_000);
  const attempts = [];
  const taken = [];
  world.onSocket = (socket) => {
    const now = second();
    attempts[now] = (attempts[now] ?? 0) + 1;
    if ((taken[now] ?? 0) >= PER_SECOND) {
      socket.cut();
    } else {
      taken[now] = (taken[now] ?? 0) + 1;
      socket.accept();
    }
  };
  top = MISSED;
  frames = world.tokens = 0;
  world.open.forEach((socket) => socket.cut());
  await world.clock.advance(3 * 60_000);

  const total = attempts.reduce((sum, count) => sum + (count ?? 0), 0);
  const last = taken.length;
  t.diagnostic(`all back after ${last} s (${CLIENTS / PER_SECOND} s at best), ${(total / CLIENTS).toFixed(1)} attempts each`);
  t.diagnostic(`attempts per second: ${Array.from(attempts, (count) => count ?? 0).join(" ")}`);
  assert.ok(clients.every(({ state }) => state === "open"), "everybody is back");
  assert.ok(shown.every((numbers) => numbers === "1 2 3 "), "everybody has what was missed, once and in order");
  assert.equal(frames, CLIENTS, "one frame for each reconnect");
  assert.equal(world.tokens, total, "one token for each attempt");
  assert.ok(last <= 120, `all back after ${last} s`);
  assert.ok(total <= 7 * CLIENTS, `${total} attempts`);
  assert.ok(Math.max(...Array.from(attempts.slice(10), (count) => count ?? 0)) < CLIENTS / 5, "the crowd thins out");
  clients.forEach((client) => client.close());
});
