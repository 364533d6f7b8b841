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

test("a channel of another tab that fails is asked for again by the one that has the connection", async () => {
  const [, second] = [await openTab(), await openTab()];
  const works = world.onFrame;
  const codes = ["busy", "internal_error"];
  world.onFrame = (socket, frame) => {
    const code = codes.shift();
    code ? queueMicrotask(() => socket.refuse(frame, code)) : works(socket, frame);
  };
  const joined = second.subscribe("news");
  await world.clock.advance(20_000);

  await joined;
  assert.equal(world.socket.controls("subscribe").length, 3);
});

test("a channel that is refused is told to the tabs that asked, and no next leader asks for it", async () => {
  const [first, second, third] = [await openTab(), await openTab(), await openTab()];
  const told = [];
  [first, second, third].forEach((tab, i) => tab.on("$error", ({ code, detail }) => told.push([i, code, detail])));
  world.onFrame = (socket, frame) => queueMicrotask(() => socket.refuse(frame, "channel_denied"));
  await assert.rejects(second.subscribe("staff"), { code: "channel_denied", detail: { channel: "staff" } });
  first.close();
  await world.clock.advance(0);

  assert.deepEqual(told, [[1, "channel_denied", { channel: "staff" }]]);
  assert.deepEqual([second.state, world.sockets.length], ["open", 2]);
  assert.equal(world.socket.controls("subscribe").length, 0);
});

test("a leader that closes while a channel is refused for now leaves it to the next", async () => {
  const [first, second] = [await openTab(), await openTab()];
  const works = world.onFrame;
  world.onFrame = (socket, frame) => queueMicrotask(() => socket.refuse(frame, "busy"));
  const joined = second.subscribe("news");
  await world.clock.advance(100);
  first.close();
  await world.clock.advance(100);
  world.onFrame = works;
  await world.clock.advance(20_000);

  await joined;
  assert.equal(world.sockets.length, 2);
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
