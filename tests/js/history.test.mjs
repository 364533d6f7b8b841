// Channels with a history, over a whole client: positions, recovery, the object of a channel.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { GatewayError, connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { Locks, World, settle } from "./world.mjs";

const MINUTE = 60_000;
const URL = "wss://ws.example.com/production";

let world;
let log;
let epoch;

/** What the server answers about a channel with a history. */
function answer(since) {
  const top = log.length;
  if (!since) {
    return { epoch, offset: top };
  }
  const start = "last" in since ? Math.max(0, top - since.last) : since.offset;
  const lost = !("last" in since) && since.epoch !== epoch && (since.epoch || since.offset) ? "epoch" : undefined;
  const offset = lost ? 0 : start;
  const messages = log.slice(offset, offset + 100).map((data, i) => ({ offset: offset + i + 1, data }));
  return { epoch, offset, ...(lost && { lost }), ...((messages.length || lost) && { messages, more: offset + messages.length < top }) };
}

beforeEach(() => {
  world = new World().install();
  log = [];
  epoch = "e1";
  const plain = world.onFrame;
  world.onFrame = (socket, frame) => {
    const { type, channels, id, channel } = frame._ws ?? {};
    if (channels) {
      const answers = Object.entries(channels).map(([name, since]) => [name, name.startsWith("plain") ? {} : answer(since)]);
      const done = type === "subscribe" ? "subscribed" : "recovered";
      queueMicrotask(() => socket.deliver({ _ws: { type: done, reply_to: id, channels: Object.fromEntries(answers) } }));
    } else if (type === "history") {
      queueMicrotask(() => socket.deliver({ _ws: { type, channel, reply_to: id, messages: [{ offset: 1, data: { n: 1 } }], more: false } }));
    } else {
      plain(socket, frame);
    }
  };
});

async function start(options = {}) {
  const client = connect({ url: URL, tokenUrl: "/token/", gapMs: 2_000, ...options });
  await world.clock.advance(0);
  return client;
}

function publish(n, { to = world.open, ...more } = {}) {
  log.push({ n });
  to.forEach((socket) => socket.deliver({ n, _ws: { channel: "orders", epoch, offset: log.length, ...more } }));
}

function listen(client, name = "orders", options = {}) {
  const handle = client.channel(name, options);
  const got = { shown: [], lost: [], errors: [], handle };
  handle.on("message", ({ n }, { offset, recovered }) => got.shown.push([n, offset, recovered]));
  handle.on("lost", (loss) => got.lost.push(loss));
  handle.on("error", ({ code }) => got.errors.push(code));
  return got;
}

test("what is published while the client is away is shown after the reconnect, in order", async () => {
  const client = await start();
  const got = listen(client);
  await world.clock.advance(1_000);
  publish(1);
  world.socket.cut();
  publish(2, { to: [] });
  publish(3, { to: [] });
  await world.clock.advance(MINUTE);
  publish(4);

  assert.deepEqual(got.shown, [[1, 1, false], [2, 2, true], [3, 3, true], [4, 4, false]]);
  assert.deepEqual(got.handle.position, { epoch: "e1", offset: 4 });
  assert.deepEqual(world.socket.sent.map(({ _ws }) => _ws.type), ["subscribe"], "one frame for a reconnect");
});

test("twenty channels are asked for in one frame after a cut", async () => {
  const client = await start();
  Array.from({ length: 20 }, (_, i) => client.subscribe(`plain${i}`));
  await world.clock.advance(1_000);
  world.socket.cut();
  await world.clock.advance(MINUTE);

  assert.equal(world.socket.sent.length, 1);
  assert.equal(Object.keys(world.socket.sent[0]._ws.channels).length, 20);
});

test("a page begins at the position that it was rendered with", async () => {
  log = [{ n: 1 }, { n: 2 }, { n: 3 }];
  const client = await start({ positions: { orders: { epoch: "e1", offset: 1 } } });
  const got = listen(client);
  await world.clock.advance(1_000);

  assert.deepEqual(got.shown, [[2, 2, true], [3, 3, true]]);
});

test("a page without a position begins now, and one that asks for the last messages with these", async () => {
  log = [{ n: 1 }, { n: 2 }, { n: 3 }];
  const now = listen(await start());
  const last = listen(await start(), "orders", { since: { last: 2 } });
  await world.clock.advance(1_000);

  assert.deepEqual(now.shown, []);
  assert.deepEqual(last.shown, [[2, 2, true], [3, 3, true]]);
});

test("a message that comes twice is shown once, and one that comes too early waits for its turn", async () => {
  const client = await start();
  const got = listen(client);
  await world.clock.advance(1_000);
  const push = (offset) => world.socket.deliver({ n: offset, _ws: { channel: "orders", epoch, offset } });
  log = [{ n: 1 }, { n: 2 }, { n: 3 }];
  push(2);
  push(3);
  push(1);
  push(1);
  push(3);

  assert.deepEqual(got.shown.map(([n]) => n), [1, 2, 3]);
  await world.clock.advance(MINUTE);
  assert.deepEqual(world.socket.sent.map(({ _ws }) => _ws.type), ["subscribe"]);
});

test("a push that is lost is asked for when its successor has waited, and not before", async () => {
  const client = await start();
  const got = listen(client);
  await world.clock.advance(1_000);
  publish(1, { to: [] });
  publish(2);
  await world.clock.advance(1_900);
  assert.deepEqual(got.shown, []);
  await world.clock.advance(200);

  assert.deepEqual(got.shown, [[1, 1, true], [2, 2, true]]);
});

test("a client waits longer where sending to everybody takes longer", async () => {
  const client = await start();
  const got = listen(client);
  await world.clock.advance(1_000);
  publish(1, { to: [] });
  publish(2, { wait: 40 });
  await world.clock.advance(39_000);
  assert.deepEqual(got.shown, []);
  await world.clock.advance(2_000);
  assert.equal(got.shown.length, 2);
});

test("a push that is lost in a quiet channel is found by the heartbeat", async () => {
  const client = await start({ heartbeatMs: MINUTE });
  const got = listen(client);
  await world.clock.advance(1_000);
  publish(1, { to: [] });
  await world.clock.advance(MINUTE);

  assert.deepEqual(got.shown, [[1, 1, true]]);
  assert.equal(world.socket.controls("ping").length, 0);
});

test("lost messages are told with both positions, and the page goes on with what there is", async () => {
  const client = await start();
  const got = listen(client);
  await world.clock.advance(1_000);
  publish(1);
  epoch = "e2";
  log = [];
  publish(7);
  await world.clock.advance(MINUTE);

  assert.deepEqual(got.lost, [{ reason: "epoch", from: { epoch: "e1", offset: 1 }, to: { epoch: "e2", offset: 0 } }]);
  assert.deepEqual(got.shown.map(([n]) => n), [1, 7]);
});

test("a page that can load its state does so at the start and when messages are lost", async () => {
  let loads = 0;
  const load = async () => {
    loads += 1;
    return { state: "…", position: { epoch, offset: log.length } };
  };
  const client = await start();
  const got = listen(client, "orders", { load });
  await world.clock.advance(1_000);
  publish(1);
  epoch = "e2";
  log = [{ n: 5 }, { n: 6 }];
  publish(7);
  await world.clock.advance(MINUTE);
  publish(8);

  assert.equal(loads, 2);
  assert.equal(got.lost.length, 1);
  assert.deepEqual(got.shown.map(([n]) => n), [1, 8], "what the state has is not shown again");
});

test("a state that cannot be loaded is loaded again", async () => {
  let loads = 0;
  const client = await start();
  const got = listen(client, "orders", {
    load: async () => {
      loads += 1;
      if (loads < 3) throw new Error("502");
      return { epoch, offset: 0 };
    },
  });
  await world.clock.advance(5 * MINUTE);

  assert.deepEqual([loads, got.errors], [3, ["load_failed", "load_failed"]]);
  publish(1);
  assert.equal(got.shown.length, 1);
});

test("a long absence is made up page by page", async () => {
  const client = await start();
  const got = listen(client);
  await world.clock.advance(1_000);
  world.socket.cut();
  Array.from({ length: 250 }, (_, n) => publish(n + 1, { to: [] }));
  await world.clock.advance(MINUTE);

  assert.deepEqual(got.shown.map(([n]) => n), Array.from({ length: 250 }, (_, n) => n + 1));
  assert.deepEqual(world.socket.sent.map(({ _ws }) => _ws.type), ["subscribe", "recover", "recover"]);
});

test("a page that uses subscribe() and on() gets the ordered stream as well", async () => {
  const client = await start();
  const got = [];
  client.on("$message", ({ n }) => got.push(n));
  await client.subscribe("orders");
  publish(1);
  world.socket.cut();
  publish(2, { to: [] });
  await world.clock.advance(MINUTE);

  assert.deepEqual(got, [1, 2]);
});

test("the primary channel, which is not subscribed to, is made up for as well", async () => {
  const client = await start({ channel: "orders" });
  const got = [];
  client.on("$message", ({ n }) => got.push(n));
  publish(1);
  world.socket.cut();
  publish(2, { to: [] });
  await world.clock.advance(MINUTE);

  assert.deepEqual(got, [1, 2]);
  assert.deepEqual(world.socket.sent.map(({ _ws }) => _ws.type), ["recover"]);
});

test("messages of a channel without a history are listened to alone, too", async () => {
  const client = await start();
  const got = [];
  client.channel("plain1").on("message", (message, { offset }) => got.push([message.n, offset]));
  await world.clock.advance(1_000);
  world.socket.deliver({ n: 1, _ws: { channel: "plain1" } });
  world.socket.deliver({ n: 2, _ws: { channel: "plain2" } });

  assert.deepEqual(got, [[1, undefined]]);
});

test("a rotation loses and doubles nothing", async () => {
  const client = await start({ rotateMs: 10 * MINUTE, handoverMs: 5_000 });
  const got = listen(client);
  for (let n = 1; n <= 1_300; n += 1) {
    await world.clock.advance(1_000);
    publish(n, { to: world.open.slice(-1) });
  }

  assert.ok(world.sockets.length > 2);
  assert.deepEqual(got.shown.map(([n]) => n), Array.from({ length: 1_300 }, (_, n) => n + 1));
});

test("a tab that comes to a channel which its connection is in already shows what is published from then on", async () => {
  world.locks = new Locks();
  world.install();
  const tabs = [await start({ share: true }), await start({ share: true })];
  publish(1, { to: [] });
  const first = listen(tabs[0]);
  await world.clock.advance(1_000);
  const second = listen(tabs[1]);
  await world.clock.advance(1_000);
  publish(2);
  await world.clock.advance(1_000);

  assert.equal(world.sockets.length, 1);
  assert.deepEqual([first.shown, second.shown], [[[2, 2, false]], [[2, 2, false]]]);
  assert.deepEqual(second.handle.position, { epoch: "e1", offset: 2 });
  tabs.forEach((tab) => tab.close());
});

test("an earlier page of a channel is read on demand", async () => {
  const client = await start();
  const { handle } = listen(client);
  await world.clock.advance(1_000);
  const reading = handle.history({ limit: 50, before: 2 });
  await world.clock.advance(10);

  assert.deepEqual(await reading, { messages: [{ offset: 1, data: { n: 1 } }], more: false });
  assert.deepEqual(world.socket.sent.at(-1)._ws.before, 2);
});

test("a refused history rejects with the server's code", async () => {
  const client = await start();
  const { handle } = listen(client);
  await world.clock.advance(1_000);
  world.onFrame = (socket, frame) => queueMicrotask(() => socket.refuse(frame, "permission_denied"));
  await assert.rejects(handle.history(), (error) => error instanceof GatewayError && error.code === "permission_denied");
});

test("leaving a channel ends it, and joining again begins anew", async () => {
  const client = await start();
  const first = listen(client);
  await world.clock.advance(1_000);
  publish(1);
  first.handle.leave();
  await world.clock.advance(1_000);
  publish(2, { to: [] });
  const second = listen(client);
  await world.clock.advance(1_000);
  publish(3);
  await settle();

  assert.notEqual(second.handle, first.handle);
  assert.deepEqual(second.shown.map(([n]) => n), [3]);
});

test("a server of the release before is asked channel by channel", async () => {
  world.onFrame = (socket, frame) => {
    const { type, channel, id } = frame._ws ?? {};
    queueMicrotask(() =>
      channel
        ? socket.deliver({ _ws: { type: `${type}d`, channel, reply_to: id } })
        : socket.refuse(frame, type === "subscribe" ? "invalid_channel" : "unknown_control"),
    );
  };
  const client = await start();
  await Promise.all([client.subscribe("a"), client.subscribe("b")]);
  world.socket.cut();
  await world.clock.advance(MINUTE);

  const asked = world.socket.sent.filter(({ _ws }) => _ws.type === "subscribe");
  assert.deepEqual(asked.map(({ _ws }) => _ws.channel), [undefined, "a", "b"]);
  assert.equal(client.state, "open");
  assert.ok(world.socket.sent.length < 12, "it is not asked again and again for what it does not know");
});
