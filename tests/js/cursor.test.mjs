// The place of a page in a channel, in a world that cuts, loses, doubles and reorders: consecutive, or told.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Cursor } from "../../websocket_gateway/client/cursor.js";
import { numbers } from "./world.mjs";

const SEEDS = Number(process.env.WEBSOCKET_GATEWAY_TEST_SEEDS ?? 1_000) / 5;
const real = { setTimeout, clearTimeout, random: Math.random };

/** Timers in the order in which they are due; nothing waits. */
class Time {
  now = 0;
  #heap = [];
  #count = 0;

  at(ms, callback) {
    const timer = { due: this.now + ms, count: (this.#count += 1), callback, isOver: false };
    let i = this.#heap.push(timer) - 1;
    for (let up = (i - 1) >> 1; i && this.#before(timer, this.#heap[up]); i = up, up = (i - 1) >> 1) {
      this.#heap[i] = this.#heap[up];
      this.#heap[up] = timer;
    }
    return timer;
  }

  #before(a, b) {
    return a.due < b.due || (a.due === b.due && a.count < b.count);
  }

  #pop() {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (this.#heap.length) {
      let i = 0;
      for (let low = 1; low < this.#heap.length; low = 2 * i + 1) {
        low += low + 1 < this.#heap.length && this.#before(this.#heap[low + 1], this.#heap[low]) ? 1 : 0;
        if (!this.#before(this.#heap[low], last)) break;
        this.#heap[i] = this.#heap[low];
        i = low;
      }
      this.#heap[i] = last;
    }
    return first;
  }

  run(until) {
    while (this.#heap.length && this.#heap[0].due <= until) {
      const { due, callback, isOver } = this.#pop();
      this.now = due;
      isOver || callback();
    }
  }
}

/** A server with one channel. */
class Server {
  log = [];
  epoch = "e1";

  constructor({ retain = Infinity, page = 100 }) {
    Object.assign(this, { retain, page });
  }

  answer(since) {
    const top = this.log.length;
    const floor = Math.max(0, top - this.retain);
    if (!since) {
      return { epoch: this.epoch, offset: top };
    }
    const other = since.epoch !== this.epoch && (since.epoch || since.offset) ? "epoch" : undefined;
    const lost = other ?? (since.offset > top ? "ahead" : since.offset < floor ? "expired" : undefined);
    const offset = lost ? floor : since.offset;
    const messages = this.log.slice(offset, offset + this.page).map((data, i) => ({ offset: offset + i + 1, data }));
    return { epoch: this.epoch, offset, lost, messages, more: offset + messages.length < top };
  }
}

function simulate(seed, { count = 1_000, cuts = 10, loss = 0.01, double = 0.02, silence = 0.02, restarts = 0, since, ...kept }) {
  const random = numbers(seed);
  const time = new Time();
  globalThis.setTimeout = (callback, ms) => time.at(ms, callback);
  globalThis.clearTimeout = (timer) => timer && (timer.isOver = true);
  Math.random = random;
  const server = new Server(kept);
  const shown = [];
  const losses = [];
  const subscribed = new Set();
  let open = 0;
  let sockets = 0;
  const exchange = (socket, since, callback) => {
    const send = () => {
      if (open !== socket) return;
      if (random() < silence) {
        time.at(3_000, send);
        return;
      }
      time.at(5 + random() * 100, () => {
        if (open !== socket) return;
        subscribed.add(socket);
        const answer = server.answer(since());
        time.at(5 + random() * 200, () => open === socket && callback(answer)); // pushes overtake it, and it overtakes them
      });
    };
    send();
  };
  const cursor = new Cursor(since === undefined ? { epoch: "e1", offset: 0 } : since, {
    deliver: (data, offset) => shown.push({ epoch: cursor.since.epoch, offset, data }),
    lost: (loss) => (losses.push(loss), false),
    ask: (asked, answered) => {
      let isTaken = false;
      exchange(open, () => asked, (answer) => isTaken || answered(answer));
      return () => (isTaken = true);
    },
  }, 2_000);
  const connect = () => {
    sockets += 1;
    open = sockets;
    cursor.opened();
    const asked = cursor.since;
    exchange(open, () => asked, (answer) => cursor.answered(answer, asked));
  };
  const cut = (pause) => {
    const dead = open;
    open = 0;
    cursor.closed();
    time.at(pause, connect);
    time.at(random() * 5_000, () => subscribed.delete(dead)); // `$disconnect` is late
  };
  const push = (socket, at) => {
    const arrive = (ms) => time.at(ms, () => open === socket && cursor.pushed(at, at.data));
    random() < loss || arrive(5 + random() ** 4 * 3_000);
    random() < double && arrive(5 + random() * 5_000);
  };
  let published = 0;
  const publish = () => {
    published += 1;
    server.log.push(published);
    const at = { epoch: server.epoch, offset: server.log.length, data: published };
    time.at(random() * 50, () => subscribed.forEach((socket) => push(socket, at)));
    published < count && time.at(random() * 20, publish);
  };
  const beat = () => {
    const asked = cursor.since;
    cursor.state === "live" && exchange(open, () => asked, (answer) => cursor.answered(answer, asked));
    time.at(20_000, beat);
  };
  connect();
  time.at(1, publish);
  time.at(20_000, beat);
  for (let i = 0; i < cuts; i += 1) {
    time.at(100 + random() * count * 10, () => open && cut(random() < 0.3 ? 1 : random() * 4_000));
  }
  for (let i = 1; i <= restarts; i += 1) {
    time.at((count * 10 * i) / (restarts + 1), () => Object.assign(server, { epoch: `e${i + 1}`, log: [] }));
  }
  time.run(count * 10 + 120_000);
  return { shown, losses, published, state: cursor.state };
}

/** Each epoch's offsets go up; where one is left out, that was told. */
function check({ shown, losses, published, state }, seed) {
  let gaps = 0;
  shown.slice(1).forEach(({ epoch, offset }, i) => {
    const before = shown[i];
    if (epoch === before.epoch) {
      assert.ok(offset > before.offset, `seed ${seed}: ${offset} after ${before.offset}`);
      gaps += offset === before.offset + 1 ? 0 : 1;
    }
  });
  assert.ok(gaps <= losses.length, `seed ${seed}: ${gaps} gaps, ${losses.length} told`);
  assert.equal(shown.at(-1).data, published, `seed ${seed}: not up to date`);
  assert.equal(state, "live", `seed ${seed}`);
}

afterEach(() => {
  Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
  Math.random = real.random;
});

const WORLDS = {
  "ten cuts": { complete: true },
  "no cut, every twentieth push lost, every tenth doubled": { cuts: 0, loss: 0.05, double: 0.1, complete: true },
  "forty cuts": { cuts: 40, complete: true },
  "pages of seven": { page: 7, complete: true },
  "a page that was rendered before the first message": { since: { epoch: "", offset: 0 }, complete: true },
  "a history of fifty messages": { retain: 50, told: true },
  "a history that is restored twice": { restarts: 2, told: true },
};

for (const [name, { complete, told, ...options }] of Object.entries(WORLDS)) {
  test(`each message is shown once and in order, or its loss is told: ${name}`, () => {
    let losses = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const found = simulate(seed, options);
      check(found, seed);
      losses += found.losses.length;
      if (complete) {
        assert.equal(found.shown.length, found.published, `seed ${seed}`);
        assert.deepEqual(found.losses, [], `seed ${seed}`);
      }
    }
    assert.equal(losses > 0, Boolean(told));
  });
}
