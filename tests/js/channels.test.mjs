// Channels whose server is in trouble: what is asked for again, what is final, and what the page is told.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { GatewayError, connect } from "../../websocket_gateway/static/websocket_gateway/client.js";
import { World, channelOf, settle } from "./world.mjs";

const MINUTE = 60_000;

let world;
let works;

beforeEach(() => {
  world = new World().install();
  works = world.onFrame;
});

async function start(options = {}) {
  const client = connect({ url: "wss://ws.example.com/production", tokenUrl: "/token/", ...options });
  client.errors = [];
  client.on("$error", (error) => client.errors.push(error));
  await world.clock.advance(0);
  return client;
}

const isCode = (code) => (error) => error instanceof GatewayError && error.code === code;

/** The next `times` frames of these types are answered by `respond`; everything else works. */
function trouble(respond, { times = Infinity, types = ["subscribe", "unsubscribe"] } = {}) {
  let left = times;
  world.onFrame = (socket, frame) => {
    if (left > 0 && types.includes(frame._ws?.type)) {
      left -= 1;
      queueMicrotask(() => respond(socket, frame));
    } else {
      works(socket, frame);
    }
  };
}

/** `pending`, `joined`, or the code with which it was refused. */
async function stateOf(promise) {
  let state = "pending";
  promise.then(
    () => (state = "joined"),
    ({ code }) => (state = code),
  );
  await settle();
  return state;
}

const NOT_FINAL = ["busy", "internal_error", "rate_limited", "unknown_control", "a_code_of_a_newer_server"];
const FINAL = ["channel_denied", "invalid_channel", "permission_denied", "too_many_channels"];

const TROUBLES = {
  "API Gateway's error frame": (socket) => socket.fail(),
  "an error that does not say what it answers": (socket) =>
    socket.deliver({ _ws: { error: { code: "internal_error", message: "No." } } }),
  ...Object.fromEntries(NOT_FINAL.map((code) => [code, (socket, frame) => socket.refuse(frame, code)])),
};

for (const [name, respond] of Object.entries(TROUBLES)) {
  test(`a channel that meets ${name} is asked for again until it is joined`, async () => {
    const client = await start();
    trouble(respond, { times: 3 });
    const joined = client.subscribe("news");
    await world.clock.advance(20_000);

    assert.equal(await stateOf(joined), "joined");
    const asked = world.socket.controls("subscribe");
    assert.equal(asked.length, 4);
    assert.deepEqual(new Set(asked.map(({ channel }) => channel)), new Set(["news"]));
    await world.clock.advance(10 * MINUTE);
    assert.equal(world.socket.controls("subscribe").length, 4, "and then no more");
  });

  test(`a channel of hours that meets ${name} after a cut is joined again`, async () => {
    const client = await start();
    await client.subscribe("news");
    await world.clock.advance(60 * MINUTE);
    trouble(respond, { times: 2 });
    world.socket.cut();
    await world.clock.advance(MINUTE);

    assert.equal(client.state, "open");
    assert.equal(world.socket.controls("subscribe").length, 3);
    assert.equal(await stateOf(client.subscribe("news")), "joined");
    assert.deepEqual(client.errors.filter(({ code }) => NOT_FINAL.slice(2).includes(code)), []);
  });
}

test("pauses between attempts at a channel double, as those of requests do", async () => {
  world.random = 0.999999;
  const client = await start({ backoffMs: 1_000, backoffMaxMs: 8_000 });
  const times = [];
  trouble((socket, frame) => {
    times.push(Math.round(world.clock.now));
    socket.refuse(frame, "busy");
  });
  client.subscribe("news");
  await world.clock.advance(MINUTE);

  const pauses = times.slice(1).map((time, i) => time - times[i]);
  assert.deepEqual(pauses.slice(0, 6), [1000, 2000, 4000, 8000, 8000, 8000]);
});

test("twenty channels that fail together are joined within the first window", async () => {
  const client = await start();
  trouble((socket) => socket.fail(), { times: 20 });
  const channels = Array.from({ length: 20 }, (_, i) => client.subscribe(`c${i}`));
  await world.clock.advance(1_000);

  assert.deepEqual(await Promise.all(channels.map(stateOf)), Array(20).fill("joined"));
  assert.equal(world.socket.controls("subscribe").length, 40);
});

test("a channel that is never answered is asked for again when a request would be", async () => {
  const client = await start({ resendMs: 31_000, heartbeatMs: 10 * MINUTE });
  trouble(() => {}, { times: 1 });
  const joined = client.subscribe("news");
  await world.clock.advance(30_999);
  assert.equal(await stateOf(joined), "pending");
  await world.clock.advance(1);

  assert.equal(await stateOf(joined), "joined");
});

for (const code of FINAL) {
  test(`${code} is final: the promise rejects, the page is told, and nothing is asked again`, async () => {
    const client = await start();
    const times = code === "invalid_channel" ? 2 : 1; // it might be a server that knows the form for one channel only
    trouble((socket, frame) => socket.refuse(frame, code), { times });
    await assert.rejects(client.subscribe("staff"), isCode(code));
    world.socket.cut();
    await world.clock.advance(10 * MINUTE);

    assert.equal(client.state, "open");
    assert.equal(world.socket.controls("subscribe").length, 0);
    assert.deepEqual(client.errors.map((error) => [error.code, error.detail]), [[code, { channel: "staff" }]]);
  });
}

test("a channel that is refused after hours is told of by its name, and the others stay", async () => {
  const client = await start();
  await Promise.all([client.subscribe("staff"), client.subscribe("news")]);
  await world.clock.advance(60 * MINUTE);
  world.onFrame = (socket, { _ws: ours }) => {
    const error = { code: "channel_denied", message: "No." };
    queueMicrotask(() => socket.deliver({ _ws: { type: "subscribed", reply_to: ours.id, channels: { staff: { error }, news: {} } } }));
  };
  world.socket.cut();
  await world.clock.advance(MINUTE);

  assert.deepEqual(client.errors.map(({ code, detail }) => [code, detail]), [["channel_denied", { channel: "staff" }]]);
  assert.equal(await stateOf(client.subscribe("news")), "joined");
  assert.equal(world.socket.sent.length, 1, "one frame for both");
});

test("a channel that is refused after an attempt of unknown outcome is left", async () => {
  const client = await start();
  trouble((socket, frame) => (client.errors.length ? socket.refuse(frame, "channel_denied") : socket.fail()), {
    types: ["subscribe"],
  });
  await Promise.all([assert.rejects(client.subscribe("staff"), isCode("channel_denied")), world.clock.advance(5_000)]);

  assert.deepEqual(world.socket.sent.map(({ _ws }) => _ws.type), ["subscribe", "subscribe", "unsubscribe"]);
});

test("a channel that was refused can be asked for again by the page", async () => {
  const client = await start();
  trouble((socket, frame) => socket.refuse(frame, "channel_denied"), { times: 1 });
  await assert.rejects(client.subscribe("staff"), isCode("channel_denied"));

  assert.equal(await stateOf(client.subscribe("staff")), "joined");
});

for (const [name, respond] of Object.entries({ ...TROUBLES, silence: () => {} })) {
  test(`leaving a channel that meets ${name} is asked for again until it is left`, async () => {
    const client = await start();
    await client.subscribe("news");
    trouble(respond, { times: 1 });
    client.unsubscribe("news");
    await world.clock.advance(MINUTE);

    assert.equal(world.socket.controls("unsubscribe").length, 2);
    assert.equal(world.socket.controls("subscribe").length, 1);
  });
}

test("what is left while it is being joined is joined and left, one after the other", async () => {
  const client = await start();
  const held = [];
  trouble((socket, frame) => held.push(() => works(socket, frame)));
  const joined = client.subscribe("news");
  client.unsubscribe("news");
  await assert.rejects(joined, isCode("unsubscribed"));
  assert.deepEqual(world.socket.sent.map(({ _ws }) => _ws.type), ["subscribe"]);

  held.shift()();
  await settle();
  const again = client.subscribe("news");
  assert.deepEqual(world.socket.sent.map(({ _ws }) => _ws.type), ["subscribe", "unsubscribe"]);
  assert.equal(await stateOf(again), "pending", "it is on its way out");
  held.shift()();
  await settle();
  held.shift()();

  assert.equal(await stateOf(again), "joined");
  assert.deepEqual(world.socket.sent.map(({ _ws }) => _ws.type), ["subscribe", "unsubscribe", "subscribe"]);
});

test("a refusal of what the page has left by then is nothing to tell", async () => {
  const client = await start();
  trouble((socket, frame) => socket.refuse(frame, "channel_denied"));
  const joined = client.subscribe("staff");
  client.unsubscribe("staff");
  await assert.rejects(joined, isCode("unsubscribed"));
  await world.clock.advance(MINUTE);

  assert.deepEqual(client.errors, []);
  assert.deepEqual(world.socket.sent.map(({ _ws }) => _ws.type), ["subscribe"]);
});

test("a channel that is left and joined at once, as React's Strict Mode does, is no error", async () => {
  const client = await start();
  const errors = [];
  client.channel("news").leave();
  client.channel("news").on("error", ({ code }) => errors.push(code));
  await settle();
  assert.deepEqual(errors, []);

  trouble((socket, frame) => socket.refuse(frame, "channel_denied"));
  client.channel("staff").leave();
  client.channel("staff").on("error", ({ code }) => errors.push(code));
  await settle();
  assert.deepEqual(errors, ["channel_denied"]);
});

test("subscribing twice asks once, and both hear the answer", async () => {
  const client = await start();
  trouble((socket, frame) => socket.refuse(frame, "busy"), { times: 1 });
  const both = [client.subscribe("news"), client.subscribe("news")];
  assert.equal(world.socket.controls("subscribe").length, 1);
  await world.clock.advance(5_000);

  assert.deepEqual(await Promise.all(both.map(stateOf)), ["joined", "joined"]);
  assert.equal(world.socket.controls("subscribe").length, 2);
});

test("a second answer changes nothing, whatever it says", async () => {
  const client = await start();
  world.onFrame = (socket, frame) => {
    works(socket, frame);
    queueMicrotask(() => works(socket, frame));
    queueMicrotask(() => queueMicrotask(() => socket.refuse(frame, "channel_denied")));
  };
  client.on("$message", () => assert.fail("it is not a message of the application"));
  assert.equal(await stateOf(client.subscribe("news")), "joined");
  await world.clock.advance(MINUTE);

  assert.equal(world.socket.controls("subscribe").length, 1);
  assert.deepEqual(client.errors, []);
});

test("a late copy of `subscribe` that joins what was left is undone", async () => {
  const client = await start();
  await client.subscribe("news");
  const [{ channel, id }] = world.socket.controls("subscribe");
  client.unsubscribe("news");
  await settle();
  world.socket.deliver({ _ws: { type: "subscribed", channel, reply_to: id } });
  await settle();

  assert.equal(world.socket.controls("unsubscribe").length, 2);
});

test("a late copy of `unsubscribe` that leaves what is being joined does not win", async () => {
  const client = await start();
  await client.subscribe("news");
  client.unsubscribe("news");
  await settle();
  const [{ channel, id }] = world.socket.controls("unsubscribe");
  trouble(() => {}, { times: 1 });
  const joined = client.subscribe("news");
  world.socket.deliver({ _ws: { type: "unsubscribed", channel, reply_to: id } });

  assert.equal(await stateOf(joined), "joined");
  const ids = world.socket.controls("subscribe").map((ours) => ours.id);
  assert.equal(new Set(ids).size, 3, "asked once more, under another id");
});

test("a connection that has ended for the server is given up, and everything goes over the next", async () => {
  const client = await start({ requestMs: 2 * MINUTE });
  await client.subscribe("news");
  const [first] = world.sockets;
  world.onFrame = (socket, frame) => {
    if (socket === first && frame._ws?.id) {
      queueMicrotask(() => socket.refuse(frame, "not_connected"));
    } else if (frame.handler) {
      queueMicrotask(() => socket.deliver({ ok: true, _ws: { reply_to: frame._ws.id } }));
    } else {
      works(socket, frame);
    }
  };
  const reply = client.request("say");
  const joined = client.subscribe("sports");
  await world.clock.advance(MINUTE);

  assert.deepEqual(await reply, { ok: true });
  assert.equal(await stateOf(joined), "joined");
  assert.equal(first.closed, true);
  assert.deepEqual(world.sockets[1].controls("subscribe").map(({ channel }) => channel), ["news", "sports"]);
});

test("a server to which no connection is known is not stormed", async () => {
  const client = await start();
  trouble((socket, frame) => socket.refuse(frame, "not_connected"));
  client.subscribe("news");
  await world.clock.advance(5 * MINUTE);

  assert.ok(world.sockets.length > 5 && world.sockets.length < 40, `${world.sockets.length} attempts`);
});

test("channels that fail at a hand-over keep the old connection until they are joined", async () => {
  const client = await start({ rotateMs: 10 * MINUTE, handoverMs: 5_000 });
  await client.subscribe("news");
  trouble((socket, frame) => socket.refuse(frame, "busy"), { times: 4 });
  const got = [];
  client.on("news", ({ n }) => got.push(n));
  for (let n = 0; n < 660; n += 1) {
    for (const socket of world.open) {
      const answered = socket.controls("subscribe").length > (socket === world.sockets[0] ? 0 : 4);
      answered && socket.deliver({ type: "news", n });
    }
    await world.clock.advance(1_000);
  }

  assert.equal(world.sockets[0].closed, true);
  assert.equal(world.sockets[1].controls("subscribe").length, 5);
  assert.deepEqual(got, Array.from({ length: 660 }, (_, n) => n));
});

test("a rotation whose new connection is cut falls back to the old one, with the channels of now", async () => {
  const client = await start({ rotateMs: 10 * MINUTE, handoverMs: 5_000 });
  await client.subscribe("news");
  while (world.open.length < 2) {
    await world.clock.advance(1_000);
  }
  const [old, young] = world.open;
  trouble(() => {}, { times: 1 });
  const joined = client.subscribe("sports");
  young.cut();
  await world.clock.advance(0);

  assert.equal(client.state, "open");
  assert.equal(await stateOf(joined), "joined");
  assert.deepEqual(old.controls("subscribe").map(({ channel }) => channel), ["news", "sports"]);
});

test("a busy answer to one request repeats that one alone", async () => {
  const client = await start();
  client.request("say", { n: 1 }).catch(() => {});
  client.request("say", { n: 2 }).catch(() => {});
  world.socket.refuse(world.socket.said[0], "busy");
  await world.clock.advance(5_000);

  assert.deepEqual(world.socket.said.map(({ n }) => n), [1, 2, 1]);
});

test("an error frame that may be about anything repeats requests and channels alike", async () => {
  const client = await start();
  trouble(() => {}, { times: 1 });
  const joined = client.subscribe("news");
  client.request("say", { n: 1 }).catch(() => {});
  world.socket.fail();
  await world.clock.advance(5_000);

  assert.equal(await stateOf(joined), "joined");
  assert.deepEqual(world.socket.said.map(({ n }) => n), [1, 1]);
});

test("an error that does not say what it answers repeats no request that may have been handled", async () => {
  const client = await start();
  client.request("say", { n: 1 }).catch(() => {});
  world.socket.deliver({ _ws: { error: { code: "internal_error", message: "No." } } });
  await world.clock.advance(5_000);
  assert.equal(world.socket.said.length, 1);

  world.socket.deliver({ _ws: { error: { code: "busy", message: "No." } } });
  await world.clock.advance(5_000);
  assert.equal(world.socket.said.length, 2);
});

test("closing rejects a channel that is still asked for, and nothing is asked any more", async () => {
  const client = await start();
  trouble((socket, frame) => socket.refuse(frame, "busy"));
  const joined = client.subscribe("news");
  await world.clock.advance(100);
  client.close();
  const { length } = world.socket.sent;
  await world.clock.advance(10 * MINUTE);

  assert.equal(await stateOf(joined), "closed");
  assert.equal(world.socket.sent.length, length);
});

/** A server that takes `most` channels, answers these types after `slow` ms, and the others at once. */
function limit(most, slow = {}) {
  const mine = new Set();
  world.onFrame = (socket, frame) => {
    const { type } = frame._ws ?? {};
    const channel = channelOf(frame);
    const answer = () => {
      type === "unsubscribe" && mine.delete(channel);
      const isFull = type === "subscribe" && mine.size >= most;
      type === "subscribe" && !isFull && mine.add(channel);
      const reply = () => (isFull ? socket.refuse(frame, "too_many_channels") : works(socket, frame));
      world.clock.set(reply, slow.replies?.[type] ?? 0);
    };
    world.clock.set(answer, slow.frames?.[type] ?? 0);
  };
  return mine;
}

const RACES = {
  "runs before the leave": { frames: { unsubscribe: 20 } },
  "runs before the leave and is answered after it": { frames: { unsubscribe: 20 }, replies: { subscribe: 50 } },
};

for (const [name, slow] of Object.entries(RACES)) {
  test(`a switch of channels at the limit succeeds where the join ${name}`, async () => {
    const client = await start();
    const mine = limit(1, slow);
    client.subscribe("a");
    await world.clock.advance(1_000);
    client.unsubscribe("a");
    const joined = client.subscribe("b");
    await world.clock.advance(10_000);

    assert.equal(await stateOf(joined), "joined");
    assert.deepEqual([...mine], ["b"]);
    assert.deepEqual(client.errors, []);
    const { length } = world.socket.controls("subscribe");
    const more = client.subscribe("c");
    await world.clock.advance(10_000);
    assert.equal(await stateOf(more), "too_many_channels", "final where nothing is left");
    assert.equal(world.socket.controls("subscribe").length, length + 1);
  });
}

for (const [name, respond] of Object.entries({ ...TROUBLES, silence: () => {} })) {
  for (const wait of [0, 3_000]) {
    test(`a join that meets ${name} is not repeated when it is left after ${wait} ms`, async () => {
      const client = await start();
      trouble(respond, { types: ["subscribe"] });
      const joined = client.subscribe("news");
      await world.clock.advance(wait);
      const { length } = world.socket.controls("subscribe");
      client.unsubscribe("news");
      await world.clock.advance(10 * MINUTE);

      assert.equal(await stateOf(joined), "unsubscribed");
      assert.equal(world.socket.controls("subscribe").length, length);
      assert.equal(world.socket.controls("unsubscribe").length, 1, "it may have been joined all the same");
      world.onFrame = works;
      assert.equal(await stateOf(client.subscribe("news")), "joined");
    });
  }
}

test("a leave that fails is not repeated once the channel is wanted again", async () => {
  const client = await start();
  await client.subscribe("news");
  trouble((socket, frame) => socket.refuse(frame, "busy"), { types: ["unsubscribe"] });
  client.unsubscribe("news");
  const joined = client.subscribe("news");
  await world.clock.advance(5_000);

  assert.equal(await stateOf(joined), "joined");
  assert.equal(world.socket.controls("unsubscribe").length, 1);
});

for (const channel of [undefined, null, "", 7, ["news"]]) {
  test(`subscribe(${JSON.stringify(channel)}) is a TypeError, and nothing is sent`, async () => {
    const client = await start();
    assert.throws(() => client.subscribe(channel), { name: "TypeError", message: /takes the name of a channel/ });
    await world.clock.advance(MINUTE);

    assert.deepEqual(world.socket.sent, []);
  });
}

/** A client in a hand-over whose new connection is refused every channel; `news` comes every second where it is joined. */
async function longHandOver() {
  const client = await start({ rotateMs: 10 * MINUTE });
  await Promise.all([client.subscribe("news"), client.subscribe("sports")]);
  const [old] = world.sockets;
  trouble((socket, frame) => (socket === old ? works(socket, frame) : socket.refuse(frame, "busy")));
  while (world.sockets.length < 2) {
    await world.clock.advance(1_000);
  }
  return { client, old };
}

test("the old connection stays while the new one is refused the channels, and no frame is lost", async () => {
  const { client, old } = await longHandOver();
  const got = [];
  client.on("news", () => got.push(1));
  for (let n = 0; n < 120; n += 1) {
    old.closed || old.deliver({ type: "news" });
    await world.clock.advance(1_000);
  }
  assert.equal(got.length, 120);

  world.onFrame = works;
  await world.clock.advance(MINUTE);
  assert.equal(old.closed, true);
  assert.equal(client.state, "open");
  await world.clock.advance(10_000);
  world.socket.deliver({ type: "news" });
  assert.equal(got.length, 121);
});

test("a long hand-over ends when the server closes the old connection, and frames count afresh", async () => {
  const { client, old } = await longHandOver();
  const got = [];
  client.on("news", () => got.push(1));
  await world.clock.advance(MINUTE);
  [1, 2, 3].forEach(() => old.deliver({ type: "news" }));
  old.cut();
  world.onFrame = works;
  await world.clock.advance(MINUTE);
  world.socket.deliver({ type: "news" });

  assert.equal(client.state, "open");
  assert.equal(world.sockets.length, 2);
  assert.equal(got.length, 4);
});

test("a channel that is left in a long hand-over is left on the old connection, and ends it when it was the last", async () => {
  const { client, old } = await longHandOver();
  await world.clock.advance(MINUTE);
  client.unsubscribe("news");
  await world.clock.advance(10_000);
  assert.deepEqual(old.controls("unsubscribe").map(({ channel }) => channel), ["news"]);
  assert.equal(old.closed, false);

  client.unsubscribe("sports");
  await world.clock.advance(10_000);
  assert.equal(old.closed, true);
});
