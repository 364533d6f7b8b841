// Servers that answer at random: after that is over, each client is in exactly the channels that it asked for.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World, numbers } from "./world.mjs";

const RUNS = Number(process.env.WEBSOCKET_GATEWAY_TEST_SEEDS ?? 200);
const MINUTE = 60_000;
const CHANNELS = ["news", "sports", "chat", "orders", "staff"];
const NOT_FINAL = ["busy", "internal_error", "a_code_of_a_newer_server"];

/** Handles each frame at a moment of its own, as Django's workers do, and keeps the channels of each connection. */
class Server {
  calm = false;
  denied = new Set();

  constructor(world, random) {
    this.world = world;
    this.random = random;
    world.onFrame = (socket, frame) => this.receive(socket, frame._ws);
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  /** @returns {Set<string>} */
  channelsOf(socket) {
    return (socket.channels ??= new Set());
  }

  receive(socket, ours) {
    const { clock } = this.world;
    if (ours.type === "ping") {
      socket.deliver({ _ws: { type: "pong" } });
      return;
    }
    const fate = this.calm ? "answer" : this.pick(["answer", "answer", "fail", "late", "refuse", "silence", "cut", "gone"]);
    const answer = (frame) => clock.set(() => socket.closed || socket.deliver(frame), this.random() * 500);
    const handle = () => {
      if (ours.type === "subscribe" && this.denied.has(ours.channel)) {
        answer({ _ws: { reply_to: ours.id, error: { code: "channel_denied", message: "No." } } });
        return false;
      }
      this.channelsOf(socket)[ours.type === "subscribe" ? "add" : "delete"](ours.channel);
      return true;
    };
    clock.set(() => {
      if (socket.closed) {
        return;
      }
      if (fate === "answer" && handle()) {
        answer({ _ws: { type: `${ours.type}d`, channel: ours.channel, reply_to: ours.id } });
      } else if (fate === "late") {
        handle(); // done, and the answer is lost
        socket.fail();
      } else if (fate === "fail") {
        socket.fail();
      } else if (fate === "refuse") {
        socket.refuse({ _ws: ours }, this.pick(NOT_FINAL));
      } else if (fate === "gone") {
        socket.refuse({ _ws: ours }, "not_connected");
      } else if (fate === "cut") {
        socket.cut();
      }
    }, this.random() * 2_000);
  }
}

async function run(seed) {
  const random = numbers(seed);
  const world = new World();
  world.random = random;
  world.install();
  const server = new Server(world, random);
  const client = connect({
    url: "wss://ws.example.com/production",
    tokenUrl: "/token/",
    rotateMs: (2 + 8 * random()) * MINUTE,
    maxRefusals: Infinity,
  });
  const asked = new Map();
  client.on("$error", ({ code, detail }) => code === "channel_denied" && asked.delete(detail.channel));
  for (let turn = 0; turn < 60; turn += 1) {
    const channel = server.pick(CHANNELS);
    const what = random();
    if (what < 0.5) {
      const found = { state: "pending" };
      asked.set(channel, found);
      client.subscribe(channel).then(
        () => (found.state = "joined"),
        ({ code }) => (found.state = code),
      );
    } else if (what < 0.75) {
      asked.delete(channel);
      client.unsubscribe(channel);
    } else if (what < 0.8) {
      world.socket?.cut();
    } else if (what < 0.85) {
      server.denied[server.denied.has("staff") ? "delete" : "add"]("staff");
    }
    await world.clock.advance(random() * 20_000);
  }
  server.calm = true;
  await world.clock.advance(3 * MINUTE);
  while (world.open.length > 1) {
    await world.clock.advance(1_000); // a hand-over
  }
  const wanted = [...asked.keys()].sort();
  const { state } = client;
  client.close();

  assert.equal(state, "open", `seed ${seed}`);
  assert.deepEqual([...server.channelsOf(world.socket)].sort(), wanted, `seed ${seed}`);
  assert.deepEqual([...asked.values()].filter((found) => found.state !== "joined"), [], `seed ${seed}`);
  return { sockets: world.sockets.length, wanted: wanted.length };
}

test(`after ${RUNS} kinds of trouble each client is in exactly the channels that it asked for`, async (t) => {
  let [sockets, wanted] = [0, 0];
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const found = await run(seed);
    sockets += found.sockets;
    wanted += found.wanted;
  }

  t.diagnostic(`${sockets} connections, ${wanted} channels at the end`);
  assert.ok(wanted > RUNS, "most clients want channels at the end");
});
