// The client's logic against a scripted server and a clock that stands still: `node --test tests/js`.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { GatewayError, connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World } from "./world.mjs";

const MINUTE = 60_000;
const URL_OF_GATEWAY = "wss://ws.example.com/production";

let world;
let states;

beforeEach(() => {
  world = new World().install();
  states = [];
});

/** A client that has had the time to connect, if the world lets it. */
async function start(options = {}) {
  const client = connect({ url: URL_OF_GATEWAY, tokenUrl: "/token/", channel: "lobby", ...options });
  client.on("$state", ({ state, reason }) => states.push(reason ? `${state}: ${reason}` : state));
  await world.clock.advance(0);
  return client;
}

const isCode = (code) => (error) => error instanceof GatewayError && error.code === code;

/** Replies to every request, after `onFrame` of before. */
function answerEverything(reply = (frame) => ({ echo: frame.text })) {
  const before = world.onFrame;
  world.onFrame = (socket, frame) => {
    before(socket, frame);
    if (frame.handler && frame._ws?.id) {
      queueMicrotask(() => socket.deliver({ ...reply(frame), _ws: { reply_to: frame._ws.id } }));
    }
  };
}

// ---- Tokens ----

test("every attempt gets a token of its own, with the CSRF header from the cookie", async () => {
  const client = await start();
  world.socket.cut();
  await world.clock.advance(MINUTE);

  assert.equal(client.state, "open");
  assert.deepEqual(world.sockets.map(({ url }) => url.searchParams.get("ws_token")), ["token-1", "token-2"]);
  assert.equal(world.socket.url.searchParams.get("channel"), "lobby");
  assert.deepEqual(world.requests.map(({ method }) => method), ["POST", "POST"]);
  assert.equal(world.requests[0].headers["X-CSRFToken"], "from-the-cookie");
});

test("without a readable cookie the CSRF token is the given one, else the page's", async () => {
  world.cookie = "other=1";
  await start();
  await start({ csrfToken: () => "given" });

  assert.deepEqual(world.requests.map(({ headers }) => headers["X-CSRFToken"]), ["from-the-page", "given"]);
});

test("the token can travel as a subprotocol and is in no address then", async () => {
  await start({ tokenBy: "subprotocol" });

  assert.deepEqual(world.socket.protocols, ["websocket-gateway", "wstoken.token-1"]);
  assert.equal(world.socket.url.searchParams.has("ws_token"), false);
});

test("without an option the token travels as the token view says", async () => {
  world.onToken = () => ({ status: 200, body: { token: "token-9", token_by: "subprotocol" } });
  await start();
  assert.deepEqual(world.socket.protocols, ["websocket-gateway", "wstoken.token-9"]);
  assert.equal(world.socket.url.searchParams.has("ws_token"), false);

  await start({ tokenBy: "query" });
  assert.equal(world.socket.url.searchParams.get("ws_token"), "token-9");
});

test("a public endpoint is connected to without a token", async () => {
  const client = await start({ tokenUrl: "" });

  assert.equal(client.state, "open");
  assert.deepEqual([world.requests.length, world.socket.url.search], [0, "?channel=lobby"]);
});

for (const status of [401, 403]) {
  test(`${status} from the token view ends it, with the reason, and no attempt follows`, async () => {
    world.onToken = () => ({ status, body: { error: "not_authenticated" } });
    const client = await start();
    await world.clock.advance(60 * MINUTE);

    assert.deepEqual([client.state, client.reason], ["closed", "unauthorized"]);
    assert.equal(world.requests.length, 1);
    assert.throws(() => client.send("say"), isCode("closed"));
  });
}

test("after a login the page may try again", async () => {
  const works = world.onToken;
  world.onToken = () => ({ status: 403, body: {} });
  const client = await start();
  world.onToken = works;
  client.connect();
  await world.clock.advance(0);

  assert.equal(client.state, "open");
});

test("429 waits as long as Retry-After says", async () => {
  const works = world.onToken;
  world.onToken = () => ({ status: 429, body: {}, headers: { "Retry-After": "40" } });
  const client = await start();
  world.onToken = works;

  await world.clock.advance(39_999);
  assert.deepEqual([world.requests.length, client.reason], [1, "rate_limited"]);
  await world.clock.advance(2_000);
  assert.equal(client.state, "open");
});

test("an answer without a token is no token", async () => {
  world.onToken = () => ({ status: 200, body: {} });
  const client = await start();

  assert.deepEqual([client.state, client.reason], ["reconnecting", "unreachable"]);
  assert.equal(world.sockets.length, 0);
});

test("a Retry-After of a century is not one of no time", async () => {
  world.onToken = () => ({ status: 429, body: {}, headers: { "Retry-After": "3155760000" } });
  await start();
  await world.clock.advance(MINUTE);

  assert.equal(world.requests.length, 1);
});

test("an address that is none ends it, with the reason, and no attempt follows", async () => {
  const client = await start({ url: "/ws/" });
  await world.clock.advance(60 * MINUTE);

  assert.deepEqual([client.state, client.reason], ["closed", "bad_url"]);
  assert.equal(world.requests.length, 1);
});

for (const share of [false, true]) {
  test(`a page without an address is closed, says so once, and asks for no token (share: ${share})`, async (context) => {
    const warn = context.mock.method(console, "warn", () => {});
    const client = await start({ url: "", share });
    await world.clock.advance(60 * MINUTE);

    assert.deepEqual([client.state, client.reason], ["closed", "bad_url"]);
    assert.deepEqual(states, ["closed: bad_url"]);
    assert.equal(warn.mock.callCount(), 1);
    assert.equal(world.requests.length, 0);
    assert.equal(world.sockets.length, 0);
    assert.throws(() => client.send("say"), isCode("closed"));
    client.connect();
    await world.clock.advance(60 * MINUTE);
    assert.equal(client.state, "closed");
  });
}

test("what a page without an address asked for already is refused", async (context) => {
  context.mock.method(console, "warn", () => {});
  const client = connect({ url: "" });

  await assert.rejects(client.request("say"), isCode("closed"));
});

test("a token view that is down is tried again until it is back", async () => {
  const works = world.onToken;
  world.onToken = () => (world.requests.length % 2 ? new TypeError("network") : { status: 502, body: {} });
  const client = await start();
  await world.clock.advance(10 * MINUTE);
  assert.deepEqual([client.state, client.reason], ["reconnecting", "unreachable"]);

  world.onToken = works;
  await world.clock.advance(MINUTE);
  assert.equal(client.state, "open");
});

// ---- Attempts ----

test("pauses are drawn from a window that doubles up to the longest", async () => {
  world.onToken = () => new TypeError("network");
  world.random = 0.999999;
  await start({ backoffMs: 1_000, backoffMaxMs: 8_000 });
  const times = [0];
  while (times.length < 7) {
    const before = world.requests.length;
    await world.clock.advance(1);
    if (world.requests.length > before) {
      times.push(world.clock.now);
    }
  }

  assert.deepEqual(times.slice(1).map((time, i) => time - times[i]), [1000, 2000, 4000, 8000, 8000, 8000]);
});

test("a handshake that hangs is given up", async () => {
  world.onSocket = () => {};
  await start({ connectMs: 20_000 });
  await world.clock.advance(21_000);

  assert.equal(world.sockets.length, 2);
  assert.equal(world.sockets[0].closed, true);
});

test("nothing is tried while the browser is offline, and at once when it is back", async () => {
  world.online = false;
  const client = await start();
  await world.clock.advance(60 * MINUTE);
  assert.deepEqual([client.state, client.reason, world.requests.length], ["reconnecting", "offline", 0]);

  world.goOnline();
  await world.clock.advance(0);
  assert.equal(client.state, "open");
});

test("an attempt that waits is given up when the browser goes offline", async () => {
  const client = await start();
  world.online = false;
  world.socket.cut();
  world.dispatch("offline");
  await world.clock.advance(60 * MINUTE);

  assert.deepEqual([client.reason, world.sockets.length], ["offline", 1]);
});

test("states go from connecting to open to reconnecting and back, each with its reason", async () => {
  const client = await start();
  world.socket.cut();
  await world.clock.advance(MINUTE);
  client.close();

  assert.deepEqual(states, ["open", "reconnecting: cut", "open", "closed: closed by the page"]);
});

test("the signal closes it, also before it began", async () => {
  const controller = new AbortController();
  const client = await start({ signal: controller.signal });
  controller.abort();
  const never = await start({ signal: AbortSignal.abort() });
  await world.clock.advance(60 * MINUTE);

  assert.deepEqual([client.reason, never.reason], ["aborted", "aborted"]);
  assert.equal(world.sockets.length, 1);
  assert.equal(world.open.length, 0);
});

// ---- Is anybody there? ----

test("it pings only when nothing has come for a while", async () => {
  await start({ heartbeatMs: 4 * MINUTE });
  for (let minute = 0; minute < 20; minute += 1) {
    world.socket.deliver({ type: "news" });
    await world.clock.advance(MINUTE);
  }
  assert.equal(world.socket.controls("ping").length, 0);

  await world.clock.advance(9 * MINUTE);
  assert.equal(world.socket.controls("ping").length, 2);
  assert.equal(world.sockets.length, 1);
});

test("a peer that does not answer is dead, and not waited for", async () => {
  const client = await start({ heartbeatMs: 4 * MINUTE, pongMs: 10_000 });
  world.onFrame = () => {};
  await world.clock.advance(4 * MINUTE + 9_000);
  assert.equal(client.state, "open");
  await world.clock.advance(1_000);
  assert.equal(client.reason, "cut");

  await world.clock.advance(MINUTE);
  assert.equal(world.sockets.length, 2);
});

test("a page that is looked at again asks at once", async () => {
  await start();
  world.dispatch("visibilitychange");

  assert.equal(world.socket.controls("ping").length, 1);
});

// ---- Rotation ----

test("the next connection is open before the first is closed, and nothing is missed or doubled", async () => {
  const client = await start({ rotateMs: 110 * MINUTE, handoverMs: 5_000 });
  const got = [];
  client.on("$message", (frame) => got.push(frame.n));
  let n = 0;
  for (let second = 0; second < 120 * 60; second += 1) {
    n += 1;
    // Whoever is connected gets it; over the older socket later than over the newer.
    for (const socket of [...world.open].reverse()) {
      socket.deliver({ type: "news", n });
    }
    await world.clock.advance(1_000);
  }

  assert.equal(world.sockets.length, 2);
  assert.deepEqual(states, ["open"]);
  assert.deepEqual(got, Array.from({ length: n }, (_, i) => i + 1));
  assert.equal(world.sockets[0].closed, true);
});

test("equal frames that were sent twice are given twice during a hand-over, too", async () => {
  const client = await start({ rotateMs: 1_000, handoverMs: 5_000 });
  let got = 0;
  client.on("tick", () => (got += 1));
  await world.clock.advance(2_000);
  const [old, young] = world.open;
  [old, young, young, old].forEach((socket) => socket.deliver({ type: "tick" }));

  assert.equal(got, 2);
});

test("a rotation that fails leaves the open connection alone and is tried again", async () => {
  const client = await start({ rotateMs: MINUTE });
  world.onSocket = (socket) => socket.cut();
  await world.clock.advance(2 * MINUTE);
  assert.equal(client.state, "open");
  assert.ok(world.sockets.length > 2);

  world.onSocket = (socket) => socket.accept();
  await world.clock.advance(2 * MINUTE);
  assert.equal(world.sockets[0].closed, true);
  assert.deepEqual(states, ["open"]);
});

test("a request that went over the old socket is answered over it", async () => {
  const client = await start({ rotateMs: MINUTE });
  await world.clock.advance(56_000);
  const reply = client.request("say");
  await world.clock.advance(3_000);
  const [old, young] = world.open;
  old.deliver({ ok: true, _ws: { reply_to: old.said[0]._ws.id } });

  assert.deepEqual(await reply, { ok: true });
  assert.equal(young.said.length, 0);
});

// ---- Messages ----

test("what is sent waits for the connection and goes in order", async () => {
  world.online = false;
  const client = await start();
  client.send("say", { text: "one" });
  client.send("say", { text: "two" });
  world.goOnline();
  await world.clock.advance(0);

  assert.deepEqual(world.socket.said, [{ text: "one", handler: "say" }, { text: "two", handler: "say" }]);
});

test("a full queue refuses, or drops the oldest and says so", async () => {
  world.online = false;
  const strict = await start({ queueLimit: 2 });
  strict.send("a");
  strict.send("b");
  assert.throws(() => strict.send("c"), isCode("queue_full"));
  await assert.rejects(strict.request("c"), isCode("queue_full"));

  const lax = await start({ queueLimit: 2, overflow: "drop-oldest" });
  const errors = [];
  lax.on("$error", (error) => errors.push(error.code));
  lax.send("a");
  const request = lax.request("b");
  lax.send("c");
  lax.send("d");
  await assert.rejects(request, isCode("dropped"));
  assert.deepEqual(errors, ["dropped"]);
});

test("a frame over the limit is refused before it could close the socket", async () => {
  const client = await start();
  client.send("say", { text: "x".repeat(32_000) });
  assert.throws(() => client.send("say", { text: "é".repeat(17_000) }), isCode("too_large"));
  await assert.rejects(client.request("say", { text: "x".repeat(33_000) }), isCode("too_large"));

  assert.equal(world.socket.said.length, 1);
});

test("the reserved key is refused", async () => {
  const client = await start();

  assert.throws(() => client.send("say", { _ws: {} }), isCode("reserved_key"));
});

test("a request gets its own reply, whatever the order", async () => {
  const client = await start();
  const [one, two] = [client.request("say", { text: "1" }), client.request("say", { text: "2" })];
  const [first, second] = world.socket.said;
  world.socket.deliver({ got: 2, _ws: { reply_to: second._ws.id } });
  world.socket.deliver({ got: 1, _ws: { reply_to: first._ws.id } });

  assert.deepEqual([await one, await two], [{ got: 1 }, { got: 2 }]);
  assert.equal(first._ws.client, second._ws.client);
});

test("an error reply, a time-out and an abort reject", async () => {
  const client = await start();
  const refused = client.request("say");
  world.socket.deliver({
    _ws: { reply_to: world.socket.said[0]._ws.id, error: { code: "permission_denied", message: "No." } },
  });
  await assert.rejects(refused, isCode("permission_denied"));

  const late = client.request("say", {}, { timeout: 5_000 });
  const controller = new AbortController();
  const aborted = client.request("say", {}, { signal: controller.signal });
  controller.abort();
  await assert.rejects(aborted, { name: "AbortError" });
  world.clock.advance(5_000);
  await assert.rejects(late, isCode("timeout"));
});

test("a request that a cut left without an answer is sent again, the very same", async () => {
  const client = await start();
  const reply = client.request("say", { text: "hello" }, { timeout: Infinity });
  const [before] = world.socket.said;
  world.socket.cut();
  answerEverything();
  await world.clock.advance(MINUTE);

  assert.deepEqual(await reply, { echo: "hello" });
  assert.deepEqual(world.sockets[1].said, [before]);
});

test("of fifty cuts none costs a request", async () => {
  const client = await start({ requestMs: Infinity });
  const handled = new Set();
  let turn = 0;
  world.onFrame = (socket, frame) => {
    if (!frame.handler) {
      return undefined;
    }
    turn += 1;
    if (turn % 3 === 0) {
      return socket.cut(); // never arrived
    }
    handled.add(frame.n);
    if (turn % 3 === 1) {
      return socket.cut(); // arrived, but the answer is lost
    }
    return socket.deliver({ _ws: { reply_to: frame._ws.id } });
  };
  const replies = Array.from({ length: 50 }, (_, n) => client.request("say", { n }));
  await world.clock.advance(60 * MINUTE);

  assert.equal((await Promise.all(replies)).length, 50);
  assert.equal(handled.size, 50);
  assert.ok(world.sockets.length > 50);
});

test("a message that was handled before resolves to null", async () => {
  const client = await start();
  const reply = client.request("say");
  world.socket.deliver({ _ws: { reply_to: world.socket.said[0]._ws.id, duplicate: true } });

  assert.equal(await reply, null);
});

test("API Gateway's own error frame is told, and unanswered requests are sent again", async () => {
  const client = await start();
  const errors = [];
  client.on("$error", (error) => errors.push([error.code, error.message]));
  client.on("$message", () => assert.fail("it is no message of the application"));
  const reply = client.request("say", { text: "hello" });
  world.socket.deliver({ message: "Internal server error", connectionId: "abc=", requestId: "def=" });
  answerEverything();
  await world.clock.advance(2_000);

  assert.deepEqual(await reply, { echo: "hello" });
  assert.deepEqual(errors, [["gateway", "Internal server error"]]);
});

test("a request is sent again when the server is busy, and when no answer comes at all", async () => {
  const client = await start({ requestMs: 2 * MINUTE });
  const busy = client.request("say", { text: "busy" });
  world.socket.deliver({
    _ws: { reply_to: world.socket.said[0]._ws.id, error: { code: "busy", message: "Try again." } },
  });
  await world.clock.advance(5_000);
  const lost = client.request("say", { text: "lost" });
  answerEverything();
  await world.clock.advance(MINUTE);

  assert.deepEqual([await busy, await lost], [{ echo: "busy" }, { echo: "lost" }]);
});

test("resendMs: Infinity sends nothing again", async () => {
  const client = await start({ resendMs: Infinity, requestMs: Infinity });
  client.request("say").catch(() => {});
  await world.clock.advance(MINUTE);

  assert.equal(world.sockets[0].said.length, 1);
});

test("closing rejects what waits", async () => {
  const client = await start();
  const reply = client.request("say");
  client.close();

  await assert.rejects(reply, isCode("closed"));
  assert.throws(() => client.send("say"), isCode("closed"));
});

// ---- Events ----

test("frames go to listeners of their type, and a listener that fails costs the others nothing", async (t) => {
  const client = await start();
  const got = [];
  const thrown = [];
  const { queueMicrotask: real } = globalThis;
  t.after(() => (globalThis.queueMicrotask = real));
  globalThis.queueMicrotask = (deed) => {
    try {
      deed();
    } catch (error) {
      thrown.push(error.message);
    }
  };
  client.on("news", () => {
    throw new Error("mistake");
  });
  const end = client.on("news", ({ n }) => got.push(n));
  client.on("$message", (frame) => got.push(frame));
  world.socket.deliver({ type: "news", n: 1 });
  end();
  world.socket.deliver({ type: "news", n: 2 });
  world.socket.deliver("no JSON");
  world.socket.deliver("[1]");

  assert.deepEqual(got, [{ type: "news", n: 1 }, 1, { type: "news", n: 2 }, "no JSON", [1]]);
  assert.deepEqual(thrown, ["mistake", "mistake"]);
});

test("it can be iterated over until it is closed", async () => {
  const client = await start();
  const got = [];
  const reading = (async () => {
    for await (const frame of client) {
      got.push(frame.n);
    }
  })();
  world.socket.deliver({ n: 1 });
  world.socket.deliver({ n: 2 });
  await world.clock.advance(0);
  world.socket.deliver({ n: 3 });
  client.close();
  await reading;

  assert.deepEqual(got, [1, 2, 3]);
});

// ---- Channels ----

test("channels are joined again after every reconnect and before a hand-over ends", async () => {
  const client = await start({ rotateMs: 10 * MINUTE });
  await client.subscribe("news");
  await client.subscribe("sports");
  client.unsubscribe("sports");
  world.socket.cut();
  await world.clock.advance(MINUTE);
  assert.deepEqual(world.sockets[1].controls("subscribe").map(({ channel }) => channel), ["news"]);

  await world.clock.advance(11 * MINUTE);
  assert.deepEqual(world.sockets[2].controls("subscribe").map(({ channel }) => channel), ["news"]);
  assert.deepEqual(world.sockets[0].controls("unsubscribe").map(({ channel }) => channel), ["sports"]);
});

test("a channel that may not be joined rejects, and is not asked for again", async () => {
  world.onFrame = (socket, { _ws: { id } }) =>
    socket.deliver({ _ws: { reply_to: id, error: { code: "channel_denied", message: "No." } } });
  const client = await start();
  await assert.rejects(client.subscribe("staff"), isCode("channel_denied"));
  world.socket.cut();
  await world.clock.advance(MINUTE);

  assert.equal(world.sockets.length, 2);
  assert.equal(world.socket.controls("subscribe").length, 0);
});

