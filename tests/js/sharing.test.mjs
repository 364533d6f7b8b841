// Tabs of one browser that share a connection, with a lock manager and a bus as in the browser.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { Locks, World } from "./world.mjs";

let world;

beforeEach(() => {
  world = new World();
  world.locks = new Locks();
  world.install();
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

test("a tab that opens makes one whose login has ended try again", async () => {
  const works = world.onToken;
  world.onToken = () => ({ status: 403, body: {} });
  const first = await openTab({ user: "ada" });
  assert.equal(first.reason, "unauthorized");

  world.onToken = works; // who has logged in again opens a page
  const second = await openTab({ user: "ada" });
  await world.clock.advance(0);
  assert.deepEqual([first.state, second.state], ["open", "open"]);
  assert.equal(world.sockets.length, 1);
});

test("the tab that has the connection takes the CSRF token of one that opens", async () => {
  world.cookie = ""; // where scripts cannot read it
  const works = world.onToken;
  world.onToken = () => ({ status: 403, body: {} });
  const first = await openTab({ csrfToken: "of before the login" });
  world.onToken = ({ headers }) =>
    headers["X-CSRFToken"] === "of now" ? works() : { status: 403, body: { error: "csrf_failed" } };
  const second = await openTab({ csrfToken: "of now" });
  await world.clock.advance(0);

  assert.deepEqual([first.state, second.state], ["open", "open"]);
});

for (const how of ["throws", "rejects"]) {
  test(`where the browser denies locks (${how}), each tab has its own connection`, async () => {
    world.locks = {
      request() {
        const error = new DOMException("Access to locks is denied.", "SecurityError");
        if (how === "throws") {
          throw error;
        }
        return Promise.reject(error);
      },
    };
    world.install();
    const tabs = [await openTab(), await openTab()];
    const got = [];
    tabs.forEach((tab, i) => tab.on("news", () => got.push(i)));
    world.socket.deliver({ type: "news" });
    await tabs[1].subscribe("sports");

    assert.deepEqual(tabs.map(({ state }) => state), ["open", "open"]);
    assert.equal(world.sockets.length, 2);
    assert.deepEqual(got, [1]);
    tabs.forEach((tab) => tab.close());
  });
}

test("a tab that is looked at has the one with the connection try at once", async () => {
  const [leader, other] = [await openTab(), await openTab()];
  world.random = 0.999;
  const works = world.onSocket;
  world.onSocket = (socket) => socket.cut();
  world.socket.cut();
  await world.clock.advance(20 * 60_000);
  world.onSocket = works;
  world.dispatch("visibilitychange"); // both hear it here
  await world.clock.advance(0);

  assert.deepEqual([leader.state, other.state], ["open", "open"]);
});

test("a page that is left hands the connection on, and joins in again when it is shown", async () => {
  const first = await openTab();
  await first.subscribe("news");
  const { dispatch } = world;
  world.install(); // a page of its own
  const second = await openTab();
  assert.equal(world.sockets.length, 1);

  dispatch("pagehide");
  await world.clock.advance(0);
  assert.deepEqual([first.state, first.reason, second.state], ["reconnecting", "away", "open"]);
  assert.equal(world.open.length, 1);
  assert.equal(world.socket.controls("subscribe").length, 0);

  dispatch("pageshow", { persisted: true });
  await world.clock.advance(0);
  assert.deepEqual([first.state, second.state], ["open", "open"]);
  assert.deepEqual(world.socket.controls("subscribe").map(({ channel }) => channel), ["news"]);
  assert.equal(world.open.length, 1);
});

test("tabs of different users never share, whatever else is alike", async () => {
  await openTab({ user: "ada" });
  await openTab({ user: "grace" });
  await openTab({ user: "", followLogin: true });
  await openTab({ user: "", followLogin: true });

  assert.equal(world.sockets.length, 4);
});

test("nothing fails that is asked of a shared client after its end", async () => {
  const tab = await openTab();
  await tab.subscribe("news");
  tab.close();
  tab.unsubscribe("news");
  tab.connect();

  assert.equal(tab.state, "closed");
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
