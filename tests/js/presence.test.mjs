// Who is in a channel, over a whole client.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World, numbers, settle } from "./world.mjs";

const URL = "wss://ws.example.com/production";

let world;
let room; // id -> {info, v}: what the server knows
let asked;
let refusal;

beforeEach(() => {
  world = new World().install();
  room = new Map([["u:1", { info: { name: "Ada" }, v: 1 }]]);
  asked = 0;
  refusal = null;
  const plain = world.onFrame;
  world.onFrame = (socket, frame) => {
    const { type, id, channel, after, channels } = frame._ws ?? {};
    if (type === "presence") {
      asked += 1;
      const members = [...room].map(([member, row]) => ({ id: member, ...row })).slice(after, after + 100);
      const more = after + members.length < room.size;
      const page = { count: room.size, members, more, ...(more && { after: after + members.length }) };
      queueMicrotask(() => socket.deliver({ _ws: { type, channel, reply_to: id, ...(refusal ? { error: refusal } : page) } }));
    } else if (channels) {
      const joined = Object.fromEntries(Object.keys(channels).map((name) => [name, {}]));
      queueMicrotask(() => socket.deliver({ _ws: { type: "subscribed", reply_to: id, channels: joined } }));
    } else {
      plain(socket, frame);
    }
  };
});

/** A page in the channel, and each state that it was told. */
async function start(options = {}) {
  const client = connect({ url: URL, tokenUrl: "/token/", ...options });
  const seen = [];
  const channel = client.channel("room");
  channel.presence.on("change", ({ members, count }) => seen.push([members.map(({ id }) => id).join(" "), count]));
  await world.clock.advance(0);
  await world.clock.advance(100);
  return { client, channel, seen, last: () => seen.at(-1) };
}

let generation = 10;

function change(kind, id, { silent = false, to = world.open, late = false } = {}) {
  generation += 1;
  const row = { info: {}, v: generation };
  kind === "join" ? room.set(id, row) : room.delete(id);
  const frame = { _ws: { type: "presence", channel: "room", count: room.size, [kind]: [{ id, ...row }] } };
  if (!silent && !late) {
    to.forEach((socket) => socket.deliver(frame));
  }
  return () => world.open.forEach((socket) => socket.deliver(frame));
}

test("a page is told who is there, who comes, and who goes after the grace", async () => {
  const { last } = await start();
  assert.deepEqual(last(), ["u:1", 1]);

  change("join", "u:2");
  assert.deepEqual(last(), ["u:1 u:2", 2]);

  change("leave", "u:2");
  await world.clock.advance(9_000);
  assert.deepEqual(last(), ["u:1 u:2", 2]);
  await world.clock.advance(1_001);
  assert.deepEqual(last(), ["u:1", 1]);
});

test("a page that is loaded again never disappears for the others", async () => {
  const { seen } = await start();
  change("join", "u:2");
  const before = seen.length;
  change("leave", "u:2");
  await world.clock.advance(3_000);
  change("join", "u:2");
  await world.clock.advance(20_000);
  assert.deepEqual(seen.slice(before), []);
  assert.deepEqual(seen.at(-1), ["u:1 u:2", 2]);
});

const RENDERED = {
  count: 3,
  members: [
    { id: "u:1", info: { name: "Ada" }, v: 1 },
    { id: "u:2", info: {}, v: 2 },
    { id: "u:3", info: {}, v: 3, left: true },
  ],
  more: false,
};

test("a page begins with the members that it was rendered with, and what changed meanwhile is told once", async () => {
  room.set("u:4", { info: {}, v: 4 }); // came since; u:2 has gone, u:3 was loading its page again and does not come
  const { seen } = await start({ members: { room: RENDERED }, presenceGraceMs: 5_000 });
  assert.deepEqual(seen, [["u:1 u:2 u:3", 3], ["u:1 u:2 u:3 u:4", 4]]);
  await world.clock.advance(60_000);
  assert.deepEqual(seen.at(-1), ["u:1 u:4", 2]);
});

test("a member who left before the page was rendered and comes back is always shown", async () => {
  room.set("u:2", { info: {}, v: 2 }).set("u:3", { info: {}, v: 5 });
  const { seen } = await start({ members: { room: RENDERED } });
  await world.clock.advance(60_000);
  assert.deepEqual(seen, [["u:1 u:2 u:3", 3]]);
});

test("without a connection the page shows whom it was rendered with, and each later listener what is shown now", async () => {
  const { channel, seen } = await start({ url: "", members: { room: RENDERED } });
  await world.clock.advance(60_000);
  assert.deepEqual(seen, [["u:1 u:2 u:3", 3], ["u:1 u:2", 2]]);
  const late = [];
  channel.presence.on("change", ({ count }) => late.push(count));
  const end = channel.presence.on("change", () => assert.fail());
  end();
  await settle();
  assert.deepEqual([late, seen.length], [[2], 2]);
});

test("changes before a script listens are not lost", async () => {
  const client = connect({ url: URL, tokenUrl: "/token/", members: { room: RENDERED } });
  const channel = client.channel("room");
  await world.clock.advance(100);
  assert.equal(asked, 0);
  change("join", "u:9");
  const seen = [];
  channel.presence.on("change", ({ members }) => seen.push(members.map(({ id }) => id).join(" ")));
  await settle();
  assert.equal(seen[0], "u:1 u:2 u:3 u:9");
});

test("a channel that is joined again does not begin with what the page was rendered with", async () => {
  const { client, channel } = await start({ members: { room: RENDERED } });
  channel.leave();
  assert.deepEqual(client.channel("room").presence.members, []);
});

test("of a large channel the page was rendered with the number", async () => {
  const { seen } = await start({ members: { room: { ...RENDERED, count: 900, more: true } } });
  assert.deepEqual(seen[0], ["", 900]);
});

test("what comes twice or in the wrong order changes nothing", async () => {
  const { last } = await start({ presenceGraceMs: 0 });
  const join = change("join", "u:2", { late: true });
  const leave = change("leave", "u:2", { late: true });
  leave();
  join();
  join();
  await world.clock.advance(1_000);
  assert.deepEqual(last(), ["u:1", 1]);
});

test("a change that is lost is found by the number, or at the next heartbeat", async () => {
  const { last } = await start({ presenceGraceMs: 0 });
  change("join", "u:2", { silent: true });
  change("join", "u:3");
  await world.clock.advance(3_001);
  assert.deepEqual(last(), ["u:1 u:3 u:2", 3]);

  change("leave", "u:3", { silent: true });
  await world.clock.advance(6 * 60_000 + 1);
  assert.deepEqual(last(), ["u:1 u:2", 2]);
});

test("a change that is pushed while the list is asked for wins", async () => {
  const { channel, last } = await start({ presenceGraceMs: 0 });
  const answer = world.onFrame;
  let late = () => {};
  world.onFrame = (socket, frame) => {
    if (frame._ws?.type === "presence") {
      const members = [...room].map(([id, row]) => ({ id, ...row }));
      late = () => socket.deliver({ _ws: { type: "presence", reply_to: frame._ws.id, count: members.length, members, more: false } });
    } else {
      answer(socket, frame);
    }
  };
  channel.presence.refresh();
  await settle();
  change("join", "u:2");
  late();
  assert.deepEqual(last(), ["u:1 u:2", 2]);
});

test("after a cut the list is asked for again", async () => {
  const { last } = await start({ presenceGraceMs: 0 });
  world.open.forEach((socket) => socket.drop?.() ?? socket.cut?.() ?? socket.fail?.());
  change("leave", "u:1", { silent: true });
  change("join", "u:4", { silent: true });
  await world.clock.advance(60_000);
  assert.deepEqual(last(), ["u:4", 1]);
});

test("a large channel is a number, and pages on demand", async () => {
  for (let n = 2; n <= 650; n += 1) {
    room.set(`u:${n}`, { info: {}, v: n });
  }
  const { channel, last } = await start();
  assert.deepEqual(last(), ["", 650]);
  assert.equal(asked, 5);

  world.open.forEach((socket) => socket.deliver({ _ws: { type: "presence", channel: "room", count: 651 } }));
  assert.deepEqual(last(), ["", 651]);
  const waiting = channel.presence.list({ after: 600 });
  await world.clock.advance(0);
  assert.equal((await waiting).members.length, 50);
});

test("a channel without presence says so, once", async () => {
  refusal = { code: "presence_off", message: "This channel has no presence." };
  const client = connect({ url: URL, tokenUrl: "/token/" });
  const errors = [];
  const channel = client.channel("room");
  channel.on("error", ({ code }) => errors.push(code));
  channel.presence.on("change", () => assert.fail());
  await world.clock.advance(20 * 60_000);
  assert.deepEqual(errors, ["presence_off"]);
});

test("the list is asked for once, when the channel is joined", async () => {
  const client = connect({ url: URL, tokenUrl: "/token/" });
  await world.clock.advance(100);
  client.channel("room").presence.on("change", () => {});
  await world.clock.advance(100);
  assert.equal(asked, 1);
});

test("who does not listen asks for nothing", async () => {
  const client = connect({ url: URL, tokenUrl: "/token/" });
  client.channel("room");
  await world.clock.advance(20 * 60_000);
  assert.equal(asked, 0);
});

test("over loss, doubles and disorder every page ends with the right list", async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = numbers(seed);
    const { client, last } = await start({ presenceGraceMs: 1_000 });
    for (let n = 0; n < 40; n += 1) {
      const id = `u:${Math.floor(random() * 6)}`;
      const send = change(room.has(id) ? "leave" : "join", id, { late: true });
      for (let copies = Math.floor(random() * 3); copies > 0; copies -= 1) {
        setTimeout(send, random() * 5_000);
      }
      await world.clock.advance(random() * 2_000);
    }
    await world.clock.advance(7 * 60_000);
    assert.deepEqual(last()[0].split(" ").filter(Boolean).sort(), [...room.keys()].sort(), `seed ${seed}`);
    assert.equal(last()[1], room.size);
    client.close();
  }
});
