// Tabs of one browser that share a connection, with a lock manager and a bus as in the browser.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { Bus, Locks, World } from "./world.mjs";

let world;
let real;

beforeEach(() => {
  world = new World();
  world.locks = new Locks();
  world.install();
  real = globalThis.BroadcastChannel;
  globalThis.BroadcastChannel = Bus;
});

afterEach(() => {
  globalThis.BroadcastChannel = real;
  Bus.all.clear();
});

async function openTab(options = {}) {
  const tab = connect({ url: "wss://ws.example.com/production", tokenUrl: "/token/", share: true, ...options });
  await world.clock.advance(0);
  return tab;
}

test("tabs share one socket, and all get every frame", async () => {
  const tabs = [await openTab(), await openTab(), await openTab()];
  const got = [];
  tabs.forEach((tab, i) => tab.on("news", () => got.push(i)));
  world.socket.deliver({ type: "news" });
  await world.clock.advance(0);

  assert.equal(world.sockets.length, 1);
  assert.deepEqual(tabs.map(({ state }) => state), ["open", "open", "open"]);
  assert.deepEqual(got, [0, 1, 2]);
  tabs.forEach((tab) => tab.close());
});

test("a reply reaches the tab that asked", async () => {
  const [, second] = [await openTab(), await openTab()];
  const reply = second.request("say", { text: "hello" });
  await world.clock.advance(0);
  const [frame] = world.socket.said;
  world.socket.deliver({ ok: true, _ws: { reply_to: frame._ws.id } });

  assert.deepEqual(await reply, { ok: true });
});

test("when the leader closes another tab connects, joins its channels and sends again what had no answer", async () => {
  const [first, second] = [await openTab(), await openTab()];
  await second.subscribe("news");
  const reply = second.request("say", { text: "hello" });
  await world.clock.advance(0);
  const [before] = world.sockets[0].said;
  first.close();
  await world.clock.advance(0);

  assert.equal(world.sockets.length, 2);
  assert.equal(world.sockets[0].closed, true);
  assert.equal(second.state, "open");
  assert.deepEqual(world.socket.controls("subscribe").map(({ channel }) => channel), ["news"]);
  assert.deepEqual(world.socket.said, [before]);
  world.socket.deliver({ _ws: { reply_to: before._ws.id } });
  assert.deepEqual(await reply, {});
});

test("a channel is left when the last tab has left it", async () => {
  const [first, second] = [await openTab(), await openTab()];
  await Promise.all([first.subscribe("news"), second.subscribe("news")]);
  second.unsubscribe("news");
  await world.clock.advance(0);
  assert.equal(world.socket.controls("unsubscribe").length, 0);

  first.unsubscribe("news");
  await world.clock.advance(0);
  assert.equal(world.socket.controls("subscribe").length, 1);
  assert.equal(world.socket.controls("unsubscribe").length, 1);
});

test("a refusal is told to every tab, and any of them may try again", async () => {
  const works = world.onToken;
  world.onToken = () => ({ status: 403, body: {} });
  const tabs = [await openTab(), await openTab()];
  assert.deepEqual(tabs.map(({ reason }) => reason), ["unauthorized", "unauthorized"]);

  world.onToken = works;
  tabs[1].connect();
  await world.clock.advance(0);
  assert.deepEqual(tabs.map(({ state }) => state), ["open", "open"]);
});

test("without Web Locks each tab has its own", async () => {
  delete world.locks;
  world.install();
  await openTab();
  await openTab();

  assert.equal(world.sockets.length, 2);
});

test("other users and other channels do not share", async () => {
  await openTab({ shareKey: "ada" });
  await openTab({ shareKey: "grace" });
  await openTab({ shareKey: "grace", channel: "kitchen" });

  assert.equal(world.sockets.length, 3);
});
