// Pages of other origins, tokens of one's own, and options that are none.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World } from "./world.mjs";

const MINUTE = 60_000;

let world;

beforeEach(() => {
  world = new World().install();
});

async function start(options = {}) {
  const client = connect({ url: "wss://ws.example.com/production", ...options });
  await world.clock.advance(0);
  return client;
}

test("a token of one's own is asked for at every attempt, and no address is", async () => {
  let count = 0;
  const client = await start({ token: async () => `own-${(count += 1)}` });
  world.socket.cut();
  await world.clock.advance(MINUTE);

  assert.equal(client.state, "open");
  assert.deepEqual(world.sockets.map(({ url }) => url.searchParams.get("ws_token")), ["own-1", "own-2"]);
  assert.equal(world.requests.length, 0);
});

test("the answer of the token view serves, too, and binds the page to its user", async () => {
  let user = "ada";
  const client = await start({ token: () => ({ token: "t", user }) });
  user = "grace";
  world.socket.cut();
  await world.clock.advance(MINUTE);

  assert.equal(client.reason, "user_changed");
});

test("no token of one's own means that there is no login", async () => {
  const client = await start({ token: async () => null });
  await world.clock.advance(60 * MINUTE);

  assert.deepEqual([client.state, client.reason], ["closed", "unauthorized"]);
});

test("a token of one's own that fails, or never comes, is asked for again, and the console says why", async (context) => {
  const warn = context.mock.method(console, "warn", () => {});
  const results = [Promise.reject(new TypeError("no network")), new Promise(() => {}), "own"];
  const signals = [];
  const client = await start({
    token: ({ signal }) => {
      signals.push(signal);
      return results.shift();
    },
  });
  await world.clock.advance(MINUTE);

  assert.equal(client.state, "open");
  assert.equal(warn.mock.callCount(), 1);
  assert.match(String(warn.mock.calls[0].arguments[1]), /no network/);
  assert.deepEqual(signals.map(({ aborted }) => aborted), [false, true, false]);
});

test("headers and credentials go to the token view of another origin", async () => {
  let bearer = 0;
  await start({
    tokenUrl: "https://api.example.org/token/",
    credentials: "omit",
    headers: async () => ({ Authorization: `Bearer ${(bearer += 1)}` }),
  });
  world.socket.cut();
  await world.clock.advance(MINUTE);
  await start({ tokenUrl: "/token/", headers: { "X-Tenant": "north" } });

  assert.deepEqual(
    world.requests.map(({ credentials, headers }) => [credentials, headers.Authorization ?? headers["X-Tenant"]]),
    [["omit", "Bearer 1"], ["omit", "Bearer 2"], ["same-origin", "north"]],
  );
});

for (const [wrong, right] of [
  ["tokenURL", "tokenUrl"],
  ["csrf_token", "csrfToken"],
  ["shared", "share"],
]) {
  test(`the option ${wrong} is an error that names the nearest`, () => {
    assert.throws(() => connect({ url: "wss://ws.example.com", [wrong]: 1 }), {
      code: "unknown_option",
      message: `Unknown option ${wrong}; did you mean ${right}?`,
    });
  });
}

test("a listener ends with its signal, and with its element", async () => {
  const client = await start();
  const got = [];
  const controller = new AbortController();
  const element = { isConnected: true };
  client.on("news", () => got.push("signal"), { signal: controller.signal });
  client.on("news", () => got.push("element"), { element });
  client.on("news", () => got.push("always"));
  world.socket.deliver({ type: "news" });
  controller.abort();
  element.isConnected = false;
  world.socket.deliver({ type: "news" });

  assert.deepEqual(got, ["signal", "element", "always", "always"]);
});
