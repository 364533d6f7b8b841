// Servers that answer at random: ten quiet minutes later each client is open, and in exactly its channels.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World, numbers } from "./world.mjs";

const RUNS = Number(process.env.WEBSOCKET_GATEWAY_TEST_SEEDS ?? 1_000);
const MINUTE = 60_000;
const CHANNELS = ["news", "sports", "chat", "orders", "staff"];
const NOT_FINAL = ["busy", "internal_error", "a_code_of_a_newer_server"];
const ANSWERS = ["answer", "answer", "answer", "fail", "late", "refuse", "silence", "cut", "gone"];
const TOKENS = ["token", "token", "token", "token", "429", "429 with Retry-After", "502", "csrf", "network", "nothing", "no token"];
const HANDSHAKES = ["open", "open", "open", "open", "refused", "nothing", "cut"];

/** Handles each frame at a moment of its own, as Django's workers do, and keeps the channels of each connection. */
class Server {
  calm = false;
  denied = new Set();
  met = new Set();

  constructor(world, random) {
    this.world = world;
    this.random = random;
    world.onFrame = (socket, frame) => this.receive(socket, frame._ws);
    world.onSocket = (socket) => this.shake(socket);
    const issue = world.onToken;
    world.onToken = () => this.answerToken(issue);
  }

  pick(list) {
    const found = this.calm ? list[0] : list[Math.floor(this.random() * list.length)];
    this.met.add(found);
    return found;
  }

  after(ms, step) {
    this.world.clock.set(step, this.random() * ms);
  }

  answerToken(issue) {
    // Redirects are rare: they end the client until the user logs in.
    const fate = !this.calm && this.random() < 0.02 ? this.pick(["redirect"]) : this.pick(TOKENS);
    return {
      "429": { status: 429, body: {} },
      "429 with Retry-After": { status: 429, body: {}, headers: { "Retry-After": String(Math.ceil(this.random() * 60)) } },
      "502": { status: 502, body: {} },
      csrf: { status: 403, body: { error: "csrf_failed" } },
      network: new TypeError("network"),
      "no token": { status: 200, body: {} },
      nothing: "nothing",
      redirect: "redirect",
    }[fate] ?? issue();
  }

  shake(socket) {
    const fate = this.pick(HANDSHAKES);
    this.after(500, () => {
      fate === "refused" ? socket.cut() : fate !== "nothing" && socket.accept();
      fate === "cut" && this.after(3_000, () => socket.closed || socket.cut());
    });
  }

  /** @returns {Set<string>} */
  channelsOf(socket) {
    return (socket.channels ??= new Set());
  }

  /** All connections end at once, as with a new version of everything. */
  restart() {
    this.world.open.forEach((socket) => socket.cut());
  }

  receive(socket, ours) {
    if (ours.type === "ping") {
      this.pick(["pong", "pong", "silence"]) === "pong" && socket.deliver({ _ws: { type: "pong" } });
      return;
    }
    const fate = this.pick(ANSWERS);
    const answer = (frame) => this.after(500, () => socket.closed || socket.deliver(frame));
    const handle = () => {
      if (ours.type === "unsubscribe") {
        this.channelsOf(socket).delete(ours.channel);
        return { channel: ours.channel };
      }
      const channels = {};
      for (const channel of Object.keys(ours.channels)) {
        const busy = !this.calm && this.random() < 0.1;
        const code = busy ? "busy" : this.denied.has(channel) && "channel_denied";
        code || this.channelsOf(socket).add(channel);
        channels[channel] = code ? { error: { code, message: "No." } } : {};
      }
      return { channels };
    };
    this.after(2_000, () => {
      if (socket.closed) {
        return;
      }
      if (fate === "answer") {
        answer({ _ws: { type: `${ours.type}d`, reply_to: ours.id, ...handle() } });
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
    });
  }
}

/** Another tab of the same site gets a token: who was logged out is logged in. */
function logIn() {
  const tab = new BroadcastChannel("websocket-gateway login /token/");
  tab.postMessage(true);
  tab.close();
}

/** What a page does with its client, remembered. */
class User {
  /** @type {Map<string, {state: string}>} The channels that it wants. */
  asked = new Map();
  endings = new Set();

  constructor(client) {
    this.client = client;
    client.on("$error", ({ code, detail }) => code === "channel_denied" && this.asked.delete(detail.channel));
    client.on("$state", ({ state, reason }) => state === "closed" && this.endings.add(reason));
  }

  subscribe(channel) {
    if (this.client.state === "closed") {
      return;
    }
    const found = { state: "pending" };
    this.asked.set(channel, found);
    this.client.subscribe(channel).then(
      () => (found.state = "joined"),
      ({ code }) => (found.state = code),
    );
  }

  unsubscribe(channel) {
    this.asked.delete(channel);
    this.client.unsubscribe(channel);
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
  });
  const user = new User(client);
  const doings = [
    [0.35, () => user.subscribe(server.pick(CHANNELS))],
    [0.6, () => user.unsubscribe(server.pick(CHANNELS))],
    [0.65, () => world.socket?.cut()],
    [0.7, () => server.denied[server.denied.has("staff") ? "delete" : "add"]("staff")],
    [0.75, () => server.restart()],
    [0.8, () => (world.online ? world.goOffline() : world.goOnline())],
    [0.85, () => world.dispatch("visibilitychange")],
    [0.9, () => (world.dispatch("pagehide"), world.clock.set(() => world.dispatch("pageshow", { persisted: true }), 5_000))],
    [0.95, logIn],
  ];
  for (let turn = 0; turn < 60; turn += 1) {
    const what = random();
    doings.find(([until]) => what < until)?.[1]();
    await world.clock.advance(random() * 20_000);
  }
  await world.clock.advance(5_000); // the last page that was left is shown again
  server.calm = true;
  server.restart();
  world.online || world.goOnline();
  logIn();
  await world.clock.advance(10 * MINUTE);
  while (world.open.length > 1) {
    await world.clock.advance(1_000); // a hand-over
  }
  const wanted = [...user.asked.keys()].sort();
  const { state } = client;
  const [socket] = world.open;
  client.close();

  assert.equal(state, "open", `seed ${seed}`);
  assert.deepEqual([...user.endings].filter((reason) => reason !== "unauthorized" && reason !== "closed by the page"), []);
  assert.deepEqual([...server.channelsOf(socket)].sort(), wanted, `seed ${seed}`);
  // The promise of a channel that waited when the client was logged out is rejected; the channel is joined all the same.
  const left = [...user.asked.values()].filter((found) => found.state !== "joined" && found.state !== "closed");
  assert.deepEqual(left, [], `seed ${seed}`);
  return { sockets: world.sockets.length, requests: world.requests.length, wanted: wanted.length, server, user };
}

test(`after ${RUNS} kinds of trouble each client is open, and in exactly the channels that it asked for`, async (t) => {
  let [sockets, requests, wanted, loggedOut] = [0, 0, 0, 0];
  const met = new Set();
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const found = await run(seed);
    sockets += found.sockets;
    requests += found.requests;
    wanted += found.wanted;
    loggedOut += found.user.endings.has("unauthorized") ? 1 : 0;
    found.server.met.forEach((fate) => met.add(fate));
  }

  t.diagnostic(`${requests} requests for tokens, ${sockets} connections, ${wanted} channels, ${loggedOut} logged out`);
  assert.ok(wanted > RUNS, "most clients want channels at the end");
  assert.ok(loggedOut > RUNS / 20, "some clients were logged out meanwhile");
  assert.deepEqual([...TOKENS, ...HANDSHAKES, ...ANSWERS, ...NOT_FINAL, "redirect"].filter((fate) => !met.has(fate)), []);
});
