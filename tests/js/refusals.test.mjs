// Servers that refuse for now, networks that come and go, pages that are looked at again: nothing of it is for good.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World } from "./world.mjs";

const MINUTE = 60_000;

let world;
let states;

beforeEach(() => {
  world = new World().install();
  states = [];
});

async function start(options = {}) {
  const client = connect({ url: "wss://ws.example.com/production", tokenUrl: "/token/", ...options });
  client.on("$state", ({ state, reason }) => states.push(reason ? `${state}: ${reason}` : state));
  await world.clock.advance(0);
  return client;
}

/** The CSRF tokens that were tried. */
const tried = () => world.requests.map(({ headers }) => headers["X-CSRFToken"]);

// ---- The pace ----

test("handshakes that are refused for an hour are tried a few times a minute, then every few minutes, and never given up", async () => {
  world.onSocket = (socket) => socket.cut();
  const client = await start();
  await world.clock.advance(5 * MINUTE);
  const quick = world.sockets.length;
  await world.clock.advance(55 * MINUTE);

  assert.deepEqual([client.state, client.reason], ["reconnecting", "refused"]);
  assert.ok(quick >= 10 && quick <= 14, `${quick} attempts in the first five minutes`);
  assert.ok(world.sockets.length - quick <= 30, `${world.sockets.length - quick} attempts in the 55 minutes after`);

  world.onSocket = (socket) => socket.accept();
  await world.clock.advance(3 * MINUTE);
  assert.equal(client.state, "open");
});

test("the slow pace is jittered", async () => {
  const times = [];
  world.onSocket = (socket) => socket.cut();
  for (const random of [0, 0.999]) {
    world.random = random;
    const client = await start({ maxRefusals: 1, slowMs: 10_000 });
    const [begun, count] = [world.clock.now, world.sockets.length];
    while (world.sockets.length === count) {
      await world.clock.advance(10);
    }
    times.push(Math.round((world.clock.now - begun) / 1_000));
    client.close();
  }

  assert.deepEqual(times, [5, 15]);
});

test("a connection makes the pace quick again", async () => {
  world.onSocket = (socket) => socket.cut();
  await start({ maxRefusals: 3 });
  await world.clock.advance(5 * MINUTE);
  world.onSocket = (socket) => socket.accept();
  await world.clock.advance(5 * MINUTE);
  world.socket.cut();
  const before = world.sockets.length;
  await world.clock.advance(1_000);

  assert.equal(world.sockets.length, before + 1);
});

test("429 without Retry-After becomes slow, too, and says why", async () => {
  world.onToken = () => ({ status: 429, body: {} });
  const client = await start();
  await world.clock.advance(60 * MINUTE);

  assert.deepEqual([client.state, client.reason], ["reconnecting", "rate_limited"]);
  assert.ok(world.requests.length < 45, `${world.requests.length} requests in an hour`);
});

test("Retry-After may be a date, and no event is sooner", async () => {
  const works = world.onToken;
  const date = new Date(Date.now() + 90_000).toUTCString();
  world.onToken = () => ({ status: 429, body: {}, headers: { "Retry-After": date } });
  const client = await start();
  world.onToken = works;
  await world.clock.advance(80_000);
  world.dispatch("visibilitychange");
  await world.clock.advance(9_000);
  assert.equal(world.requests.length, 1);

  await world.clock.advance(2_000);
  assert.equal(client.state, "open");
});

for (const [what, bring] of [
  ["the page is looked at again", () => world.dispatch("visibilitychange")],
  ["the page comes out of the browser's cache", () => world.dispatch("pageshow", { persisted: true })],
  ["the network is back", () => world.goOnline()],
]) {
  test(`when ${what} during a pause, it is tried at once`, async () => {
    world.random = 0.999;
    world.onSocket = (socket) => socket.cut();
    const client = await start();
    await world.clock.advance(10 * MINUTE);
    world.onSocket = (socket) => socket.accept();
    bring();
    await world.clock.advance(0);

    assert.equal(client.state, "open");
  });
}

test("forty times online in a minute do not ask for forty tokens", async () => {
  world.onSocket = (socket) => socket.cut();
  const client = await start();
  const before = world.tokens;
  for (let i = 0; i < 40; i += 1) {
    world.goOffline();
    await world.clock.advance(750);
    world.goOnline();
    await world.clock.advance(750);
  }

  assert.ok(world.tokens - before < 12, `${world.tokens - before} tokens`);
  world.onSocket = (socket) => socket.accept();
  await world.clock.advance(MINUTE);
  assert.equal(client.state, "open", "and it does not stop");
});

test("forty times online in a minute do not send forty pings over an open connection", async () => {
  await start();
  for (let i = 0; i < 40; i += 1) {
    world.dispatch("online");
    await world.clock.advance(1_500);
  }

  assert.ok(world.socket.controls("ping").length <= 5, `${world.socket.controls("ping").length} pings`);
  assert.equal(world.sockets.length, 1);
});

test("a cut while the token of a rotation is under way makes one connection, not two", async () => {
  const works = world.onToken;
  const client = await start({ rotateMs: MINUTE, backoffMs: 10_000 });
  world.random = 0.9;
  let deliver = () => {};
  const { fetch } = globalThis;
  globalThis.fetch = (...all) => new Promise((resolve) => (deliver = () => resolve(fetch(...all))));
  world.onToken = works;
  await world.clock.advance(MINUTE);
  world.socket.cut();
  await world.clock.advance(100);
  globalThis.fetch = fetch;
  deliver();
  await world.clock.advance(20_000);

  assert.deepEqual([client.state, world.sockets.length], ["open", 2]);
});

test("an attempt that is under way is not doubled by an event", async () => {
  world.onToken = () => "nothing";
  await start();
  world.dispatch("visibilitychange");
  await world.clock.advance(1_000);

  assert.equal(world.requests.length, 1);
});

test("a token view that says nothing at all is tried again", async () => {
  const works = world.onToken;
  world.onToken = () => "nothing";
  const client = await start({ connectMs: 20_000 });
  world.onToken = works;
  await world.clock.advance(22_000);

  assert.equal(client.state, "open");
});

for (const url of ["ws://127.0.0.1:8000/x", "ws://localhost:8000/x", "ws://[::1]:8000/x"]) {
  test(`a machine without network connects to itself: ${url}`, async () => {
    world.online = false;
    const client = await start({ url });
    assert.equal(client.state, "open");

    world.socket.cut();
    world.dispatch("offline");
    await world.clock.advance(2_000);
    assert.equal(client.state, "open");
  });
}

test("a page that is left closes its connection, and opens one when it is shown again", async () => {
  const client = await start();
  const reply = client.request("say", { n: 1 }, { timeout: Infinity });
  world.dispatch("pagehide");
  assert.deepEqual([client.state, client.reason, world.open.length], ["reconnecting", "away", 0]);
  await world.clock.advance(60 * MINUTE);
  assert.equal(world.sockets.length, 1);

  world.dispatch("pageshow", { persisted: true });
  await world.clock.advance(0);
  world.socket.deliver({ ok: true, _ws: { reply_to: world.socket.said[0]._ws.id } });
  assert.deepEqual([client.state, await reply], ["open", { ok: true }]);
});

// ---- Who is logged out ----

test("the redirect of a login is unauthorized, wherever the login is", async () => {
  world.onToken = () => "redirect";
  const client = await start();
  await world.clock.advance(60 * MINUTE);

  assert.deepEqual([client.state, client.reason], ["closed", "unauthorized"]);
  assert.deepEqual(world.requests.map(({ redirect }) => redirect), ["manual"]);
});

test("the redirect to the address with its slash is followed, as a POST", async () => {
  const works = world.onToken;
  world.onToken = (options, url) => (url === "/token/?next=1" ? works() : "redirect");
  const client = await start({ tokenUrl: "/token?next=1" });

  assert.equal(client.state, "open");
  assert.deepEqual(world.requests.map(({ url, method }) => [url, method]), [
    ["/token?next=1", "POST"],
    ["/token/?next=1", "POST"],
  ]);
});

test("a login that is behind an address without slash is unauthorized all the same", async () => {
  world.onToken = (options, url) => (url === "/token" ? "redirect" : { status: 404, body: {} });
  const client = await start({ tokenUrl: "/token" });

  assert.deepEqual([client.state, client.reason], ["closed", "unauthorized"]);
});

test("who is logged out is connected again when another tab logs in", async () => {
  const works = world.onToken;
  world.onToken = () => ({ status: 403, body: {} });
  const client = await start();
  await world.clock.advance(60 * MINUTE);
  assert.equal(world.requests.length, 1);

  world.onToken = works;
  await start();
  await world.clock.advance(0);
  assert.equal(client.state, "open");
  assert.equal(world.requests.length, 3);
});

test("who is logged out is asked for again when the page is looked at, and the page hears of it only if that helps", async () => {
  const works = world.onToken;
  world.onToken = () => ({ status: 403, body: {} });
  const client = await start();
  world.dispatch("visibilitychange");
  await world.clock.advance(MINUTE);
  assert.deepEqual(states, ["closed: unauthorized"]);
  assert.equal(world.requests.length, 2);

  world.onToken = works;
  world.dispatch("visibilitychange");
  await world.clock.advance(0);
  assert.equal(client.state, "open");
});

test("an anonymous visitor's page asks for nothing when it is looked at", async () => {
  world.onToken = () => ({ status: 403, body: {} });
  await start({ user: "" });
  world.dispatch("visibilitychange");
  await world.clock.advance(MINUTE);

  assert.equal(world.requests.length, 1);
});

// ---- CSRF ----

test("of two cookies the last is taken, as Django does, and the other after it failed", async () => {
  world.cookie = "csrftoken=of-the-host; csrftoken=of-the-domain; theme=dark";
  const works = world.onToken;
  world.onToken = ({ headers }) =>
    headers["X-CSRFToken"] === "of-the-host" ? works() : { status: 403, body: { error: "csrf_failed" } };
  const client = await start();
  assert.deepEqual(tried(), ["of-the-domain", "of-the-host"]);

  world.socket.cut();
  await world.clock.advance(MINUTE);
  assert.equal(client.state, "open");
  assert.deepEqual(tried().slice(2), ["of-the-host"], "what worked comes first");
});

test("the page's token comes first, then the cookie, which a login in another tab has changed", async () => {
  const works = world.onToken;
  world.onToken = ({ headers }) =>
    headers["X-CSRFToken"] === "from-the-cookie" ? works() : { status: 403, body: { error: "csrf_failed" } };
  const client = await start({ csrfToken: "from-the-configuration" });

  assert.equal(client.state, "open");
  assert.deepEqual(tried(), ["from-the-configuration", "from-the-cookie"]);
});

test("when no CSRF token will do, that is a reason of its own, and goes on slowly", async () => {
  world.onToken = () => ({ status: 403, body: { error: "csrf_failed" } });
  const client = await start();
  assert.deepEqual([client.state, client.reason], ["reconnecting", "csrf_failed"]);
  assert.deepEqual(tried(), ["from-the-cookie", "from-the-page"]);

  await world.clock.advance(60 * MINUTE);
  assert.ok(world.requests.length < 2 * 45, `${world.requests.length} requests in an hour`);
});
