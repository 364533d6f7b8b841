// The list of messages: in order, each once, with the state of one's own messages.

import { element } from "./page.js";

const STATES = { sending: "Sending…", sent: "Sent", delivered: "Delivered", failed: "Not sent" };

export class MessageList {
  #list = document.getElementById("messages");
  #empty = document.getElementById("empty");
  #username;

  constructor(username) {
    this.#username = username;
  }

  /** A message of this user that the server has not saved yet. */
  addMine(text, key) {
    const item = this.#make({ author: this.#username, text, sent_on: new Date().toISOString() });
    item.dataset.key = key;
    this.mark(item, "sending");
    this.#insert(item, null);
    return item;
  }

  /** A message that the server has saved: in the page, or sent to it. It may be both. */
  add({ id, key, ...message }) {
    if (document.getElementById(`message-${id}`)) {
      return;
    }
    const mine = key && this.#list.querySelector(`[data-key="${CSS.escape(key)}"]`);
    const item = mine || this.#make(message);
    item.id = `message-${id}`;
    item.dataset.id = id;
    if (mine) {
      this.mark(item, "delivered");
    }
    // Messages that are not saved yet come last.
    const after = [...this.#list.children].find((other) => other !== item && Number(other.dataset.id ?? Infinity) > id);
    this.#insert(item, after ?? null);
  }

  /** What became of one's own message; with `again` a button that does it once more. */
  mark(item, fate, again) {
    if (item.dataset.fate === "delivered") {
      return;
    }
    item.dataset.fate = fate;
    item.querySelector(".fate")?.remove();
    const line = element("div", STATES[fate], "fate");
    if (again) {
      const button = element("button", "Send again", "link");
      button.addEventListener("click", again);
      line.append(" · ", button);
    }
    item.append(line);
  }

  showWhetherEmpty() {
    this.#empty.hidden = this.#list.childElementCount > 0;
  }

  #make({ author, text, sent_on }) {
    const item = element("li", "", author === this.#username ? "message mine" : "message");
    item.dataset.author = author;
    const time = element("time", new Date(sent_on).toLocaleTimeString([], { timeStyle: "short" }));
    time.dateTime = sent_on;
    const meta = element("div", "", "meta");
    meta.append(element("span", author, "author"), time);
    item.append(meta, element("div", text, "text"));
    return item;
  }

  #insert(item, before) {
    const list = this.#list;
    const atBottom = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    if (!item.isConnected || item.nextElementSibling !== before) {
      list.insertBefore(item, before);
    }
    for (const changed of [item, item.nextElementSibling]) {
      changed?.classList.toggle(
        "new-author",
        changed.previousElementSibling?.dataset.author !== changed.dataset.author,
      );
    }
    this.#empty.hidden = true;
    if (atBottom || item.classList.contains("mine")) {
      list.scrollTop = list.scrollHeight;
    }
  }
}
