// The inbox of a user, over whole clients: several devices of one user, and a server that keeps the cursor.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { Locks, World, numbers, settle } from "./world.mjs";

const URL = "wss://ws.example.com/production";
const INBOX = "user_7";

let world;
let log; // what was published
let acked;
let epoch;
let frames; // the `ack` frames
let cut; // loses the answer to the next `ack`

function progress() {
  return { epoch, acked, last: log.length, unread: log.length - acked };
}

function answer(since) {
  const start = since?.acked ? acked : since?.epoch === epoch ? since.offset : since ? 0 : log.length;
  const lost = since?.epoch && since.epoch !== epoch ? { lost: "epoch" } : {};
  const messages = log.slice(start, start + 100).map((data, i) => ({ offset: start + i + 1, data }));
  return { ...lost, epoch, offset: start, ...(messages.length && { messages, more: start + messages.length < log.length }), ...progress() };
}

beforeEach(() => {
  world = new World();
  world.locks = new Locks();
  world.install();
  [log, acked, epoch, frames, cut] = [[], 0, "e1", [], false];
  world.onToken = () => ({ status: 200, body: { token: "t", user: "mark", inbox: INBOX } });
  const plain = world.onFrame;
  world.onFrame = (socket, frame) => {
    const { type, channels, id } = frame._ws ?? {};
    if (type === "ack") {
      const at = channels[INBOX];
      frames.push(at.offset);
      const moved = at.epoch === epoch && at.offset > acked;
      acked = moved ? at.offset : acked;
      const told = { type: "acked", channels: { [INBOX]: progress() } };
      queueMicrotask(() => cut || socket.deliver({ _ws: { ...told, reply_to: id } }));
      moved && world.open.forEach((other) => other !== socket && queueMicrotask(() => other.deliver({ _ws: told })));
    } else if (channels) {
      const answers = Object.fromEntries(Object.entries(channels).map(([name, since]) => [name, answer(since)]));
      const done = type === "subscribe" ? "subscribed" : "recovered";
      queueMicrotask(() => socket.deliver({ _ws: { type: done, reply_to: id, channels: answers } }));
    } else {
      plain(socket, frame);
    }
  };
});

function publish(n, to = world.open) {
  log.push({ n });
  to.forEach((socket) => socket.deliver({ n, _ws: { channel: INBOX, epoch, offset: log.length } }));
}

/** A device whose listener keeps what it got. */
async function device(listener = () => {}, options = {}) {
  const client = connect({ url: URL, tokenUrl: "/token/", ...options });
  const got = [];
  const unread = [];
  client.inbox.on("message", ({ n }, delivery) => (got.push(n), listener(n, delivery)));
  client.inbox.on("unread", (number) => unread.push(number));
  await world.clock.advance(0);
  return { client, got, unread };
}

/** The errors that the page's listeners make while this runs; the client throws them where they disturb nothing. */
async function collecting(deed) {
  const errors = [];
  const { queueMicrotask: real } = globalThis;
  globalThis.queueMicrotask = (task) =>
    real(() => {
      try {
        task();
      } catch (error) {
        errors.push(error.message);
      }
    });
  await deed();
  globalThis.queueMicrotask = real;
  return errors;
}

test("what waits is shown, acknowledged after a second in one frame, and not shown again", async () => {
  [1, 2, 3].forEach((n) => publish(n));
  const { client, got, unread } = await device();
  assert.deepEqual(got, [1, 2, 3]);
  assert.equal(client.inbox.unread, 3);

  await world.clock.advance(999);
  assert.deepEqual(frames, []);
  await world.clock.advance(1);
  assert.deepEqual(frames, [3]);
  assert.deepEqual(unread, [3, 0]);

  publish(4);
  assert.equal(client.inbox.unread, 1);
  await world.clock.advance(1_000);
  assert.deepEqual(frames, [3, 4]);
  const later = await device();
  assert.deepEqual(later.got, []);
  assert.equal(later.client.inbox.unread, 0);
});

test("a promise counts once it resolves, and everything before it waits for it", async () => {
  const open = new Map();
  const { client } = await device((n) => new Promise((resolve) => open.set(n, resolve)));
  [1, 2, 3].forEach((n) => publish(n));
  open.get(2)();
  open.get(3)();
  await world.clock.advance(5_000);
  assert.deepEqual(frames, []);

  open.get(1)();
  await world.clock.advance(1_000);
  assert.deepEqual(frames, [3]);
  assert.equal(client.inbox.unread, 0);
});

for (const [how, fail] of [
  ["throws", () => { throw new Error("broken"); }],
  ["rejects", () => Promise.reject(new Error("broken"))],
]) {
  test(`what a listener ${how} at is not acknowledged, nor what follows, and comes again`, async () => {
    const errors = await collecting(async () => {
      await device((n) => (n === 2 ? fail() : null));
      [1, 2, 3].forEach((n) => publish(n));
      await world.clock.advance(5_000);
    });
    assert.deepEqual(errors, ["broken"]);
    assert.deepEqual(frames, [1]);

    const { got } = await device();
    assert.deepEqual(got, [2, 3]);
    await world.clock.advance(1_000);
    assert.equal(acked, 3);
  });
}

test("the page can acknowledge at once, also what its listener failed at or what nobody listened to", async () => {
  const errors = await collecting(async () => {
    const { client } = await device(() => { throw new Error("broken"); });
    publish(1);
    client.inbox.ack();
    await world.clock.advance(0);
    client.close();
  });
  assert.deepEqual([errors, frames], [["broken"], [1]]);

  const badge = connect({ url: URL, tokenUrl: "/token/" });
  const numbers = [];
  badge.inbox.on("unread", (number) => numbers.push(number));
  await world.clock.advance(0);
  publish(2);
  await world.clock.advance(10_000);
  assert.deepEqual([frames, numbers], [[1], [0, 1]]);
  badge.inbox.ack();
  await world.clock.advance(0);
  assert.deepEqual([frames, numbers], [[1, 2], [0, 1, 0]]);
});

test("an acknowledgement on one device updates the badge of the other, which need not acknowledge", async () => {
  const phone = connect({ url: URL, tokenUrl: "/token/" });
  const numbers = [];
  phone.inbox.on("unread", (number) => numbers.push(number));
  await world.clock.advance(0);
  const desk = await device();
  publish(1);
  publish(2);
  await world.clock.advance(1_000);

  assert.deepEqual(numbers, [0, 1, 2, 0]);
  assert.deepEqual(desk.unread, [0, 1, 2, 0]);
  assert.deepEqual(frames, [2]);
});

test("progress that arrives late or twice does not raise the badge again", async () => {
  const { client, unread } = await device();
  [1, 2, 3].forEach((n) => publish(n));
  const old = { type: "acked", channels: { [INBOX]: { epoch, acked: 1, last: 3, unread: 2 } } };
  await world.clock.advance(1_000);
  world.socket.deliver({ _ws: old });
  world.socket.deliver({ _ws: old });
  assert.equal(client.inbox.unread, 0);
  assert.equal(unread.at(-1), 0);
});

test("tabs that share a connection show the same number, and the first to return acknowledges", async () => {
  const tabs = [await device(() => {}, { share: true }), await device(() => {}, { share: true })];
  await world.clock.advance(0);
  publish(1);
  publish(2);
  await world.clock.advance(0);
  assert.deepEqual(tabs.map(({ got }) => got), [[1, 2], [1, 2]]);
  await world.clock.advance(1_000);
  assert.deepEqual(tabs.map(({ client }) => client.inbox.unread), [0, 0]);
  assert.equal(acked, 2);

  publish(3);
  await world.clock.advance(0);
  const third = await device(() => {}, { share: true });
  await world.clock.advance(0);
  assert.deepEqual(third.got, [3]);
});

test("an acknowledgement whose answer is lost is sent again after the cut, and a cut costs no message", async () => {
  const { client, got } = await device();
  publish(1);
  cut = true;
  await world.clock.advance(1_000);
  assert.deepEqual(frames, [1]);
  cut = false;
  world.socket.cut();
  publish(2, []);
  await world.clock.advance(60_000);

  assert.deepEqual(got, [1, 2]);
  assert.equal(acked, 2);
  assert.equal(client.inbox.unread, 0);
});

test("a history that was forgotten begins again, and an old acknowledgement does not count in it", async () => {
  const { client, got } = await device();
  const lost = [];
  client.inbox.on("lost", ({ reason }) => lost.push(reason));
  publish(1);
  publish(2);
  [log, acked, epoch] = [[], 0, "e2"];
  publish(3);
  await world.clock.advance(5_000);

  assert.deepEqual(got, [1, 2, 3]);
  assert.deepEqual(lost, ["epoch"]);
  assert.deepEqual([acked, client.inbox.unread], [1, 0]);
});

test("a page knows the number before it is connected, and says where there is no inbox", async () => {
  const client = connect({ url: URL, tokenUrl: "/token/", inbox: INBOX, unread: 5 });
  assert.equal(client.inbox.unread, 5);
  client.close();

  world.onToken = () => ({ status: 200, body: { token: "t", user: "mark" } });
  const without = connect({ url: URL, tokenUrl: "/token/" });
  const errors = [];
  without.inbox.on("error", ({ code }) => errors.push(code));
  await world.clock.advance(0);
  assert.deepEqual(errors, ["no_inbox"]);
});

test("over cuts, lost and doubled frames on two devices: nothing is lost, the badge ends right", async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    [log, acked, frames] = [[], 0, []];
    const random = numbers(seed);
    const shown = new Set();
    const devices = [await device((n) => shown.add(n)), await device((n) => shown.add(n))];
    for (let n = 1; n <= 50; n += 1) {
      publish(n, world.open.flatMap((socket) => (random() < 0.1 ? [] : random() < 0.1 ? [socket, socket] : [socket])));
      cut = random() < 0.1;
      random() < 0.1 && world.open.at(random() * world.open.length)?.cut();
      await world.clock.advance(random() * 1_500);
    }
    cut = false;
    await world.clock.advance(10 * 60_000);
    assert.equal(shown.size, 50, `seed ${seed}`);
    assert.deepEqual([acked, ...devices.map(({ client }) => client.inbox.unread)], [50, 0, 0], `seed ${seed}`);
    devices.forEach(({ got }) => assert.deepEqual(got, got.toSorted((a, b) => a - b), `seed ${seed}`));
    devices.forEach(({ client }) => client.close());
    await settle();
  }
});
