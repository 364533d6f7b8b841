// A page belongs to the user that it was rendered for.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World } from "./world.mjs";

const MINUTE = 60_000;

let world;
let user;

beforeEach(() => {
  world = new World().install();
  user = "ada";
  world.onToken = () => ({ status: 200, body: { token: `token-${(world.tokens += 1)}`, user } });
});

async function start(options = {}) {
  const client = connect({ url: "wss://ws.example.com/production", tokenUrl: "/token/", ...options });
  await world.clock.advance(0);
  return client;
}

test("when another user has logged in the page ends, and nothing is sent in the other's name", async () => {
  const client = await start({ user: "ada" });
  const reply = client.request("say", { text: "hello" }, { timeout: Infinity });
  user = "grace";
  world.socket.cut();
  client.send("say", { text: "queued" });
  const ended = assert.rejects(reply, { code: "closed", message: /user_changed/ });
  await world.clock.advance(MINUTE);

  await ended;
  assert.deepEqual([client.state, client.reason], ["closed", "user_changed"]);
  assert.equal(world.sockets.length, 1);
  world.dispatch("visibilitychange");
  await world.clock.advance(60 * MINUTE);
  assert.equal(world.sockets.length, 1);
});

test("a page without a mark is bound to the user of its first token", async () => {
  const client = await start();
  user = "grace";
  world.socket.cut();
  await world.clock.advance(MINUTE);

  assert.deepEqual([client.state, client.reason], ["closed", "user_changed"]);
});

test("the next connection of a rotation is not the other user's, and the first is not kept", async () => {
  const client = await start({ user: "ada", rotateMs: MINUTE });
  user = "grace";
  await world.clock.advance(2 * MINUTE);

  assert.deepEqual([client.reason, world.open.length], ["user_changed", 0]);
});

test("an anonymous visitor's page does not become the one of who logs in", async () => {
  const client = await start({ user: "" });

  assert.deepEqual([client.state, client.reason, world.sockets.length], ["closed", "user_changed", 0]);
});

test("followLogin allows that, once", async () => {
  const client = await start({ user: "", followLogin: true });
  assert.equal(client.state, "open");

  user = "grace";
  world.socket.cut();
  await world.clock.advance(MINUTE);
  assert.equal(client.reason, "user_changed");
});

test("followLogin changes no user into another", async () => {
  const client = await start({ user: "grace", followLogin: true });

  assert.equal(client.reason, "user_changed");
});

test("a mark under an older key is as good", async () => {
  world.onToken = () => ({ status: 200, body: { token: "t", user: "new", user_fallbacks: ["old", "ada"] } });
  const client = await start({ user: "ada" });

  assert.equal(client.state, "open");
});

test("a token view that says nothing of users is trusted", async () => {
  user = undefined;
  const client = await start({ user: "ada" });

  assert.equal(client.state, "open");
});
