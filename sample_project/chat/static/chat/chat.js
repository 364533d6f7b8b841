// The chat page. The client of the gateway handles the connection: tokens, reconnecting, sending again.

import { fromPage } from "../websocket_gateway/client.js";
import { showMentions } from "./mentions.js";
import { MessageList } from "./messages.js";
import { element, notice } from "./page.js";

const config = JSON.parse(document.getElementById("chat-config").textContent);
const csrfToken = document.querySelector("[name=csrfmiddlewaretoken]").value;
const form = document.getElementById("composer");
const field = document.getElementById("text");
const stateLine = document.getElementById("state");
const typingLine = document.getElementById("typing");
const messages = new MessageList(config.username);

const TYPING_MS = 3_000;
const WORDS = {
  connecting: "Connecting",
  open: "Connected",
  reconnecting: "Reconnecting",
  offline: "Offline",
  unreachable: "Cannot reach the server, trying again",
  refused: "Refused, trying again",
  rate_limited: "Too many connections, waiting",
  csrf_failed: "Refused (CSRF), trying again",
  unauthorized: "logged out",
  user_changed: "another user",
  bad_url: "no address",
};

function start() {
  config.messages.forEach((message) => messages.add(message));
  messages.showWhetherEmpty();
  if (!document.getElementById("websocket-gateway")) {
    show("closed", "Closed: no gateway");
    notice("There is no gateway yet: run create_gateway, then reload this page.", { problem: true, stays: true });
    return;
  }
  const client = fromPage();
  client.on("$state", (change) => stateChanged(change));
  client.on("$error", ({ code, message }) => code === "gateway" && notice(message, { problem: true }));
  client.on("message", received);
  client.on("notification", ({ text }) => notice(text));
  client.on("typing", showTyping);
  // Each message of a room comes once and in order, also after a cut. What came too long ago is in a new page.
  for (const room of config.rooms) {
    client.channel(room).on("lost", () => window.location.reload());
  }
  showMentions(client);
  client.channel(config.here).presence.on("change", showPeople);
  composer(client);
}

// ---- The connection ------------------------------------------------------------------------

function stateChanged({ state, reason }) {
  const why = WORDS[reason] ?? reason;
  show(state, state === "closed" ? `Closed: ${why}` : (WORDS[reason] ?? WORDS[state]));
  if (state === "closed" && reason === "unauthorized") {
    notice("You are logged out.", { problem: true, stays: true, link: ["Log in", config.loginUrl] });
  } else if (state === "closed" && reason === "user_changed") {
    notice("Another user has logged in.", { problem: true, stays: true, link: ["Reload", window.location.href] });
  } else if (state === "closed") {
    notice(`The server does not let this page connect (${reason}).`, {
      problem: true,
      stays: true,
      link: ["Reload", window.location.href],
    });
  }
}

let lostAt = 0;
let counting = 0;

function show(state, words) {
  stateLine.dataset.state = state;
  stateLine.textContent = words;
  clearInterval(counting);
  lostAt = state === "reconnecting" ? lostAt || Date.now() : 0;
  if (lostAt) {
    // How long already. Not for screen readers, which would say every second.
    const waited = element("span", "");
    waited.ariaHidden = "true";
    stateLine.append(waited);
    const count = () => (waited.textContent = `${Math.round((Date.now() - lostAt) / 1000)} s`);
    counting = setInterval(count, 1_000);
    count();
  }
}

// ---- Frames --------------------------------------------------------------------------------

function received(message) {
  if (message.room !== config.room) {
    const unread = document.querySelector(`[data-room="${CSS.escape(message.room)}"] .unread`);
    unread.textContent = Number(unread.textContent || 0) + 1;
    unread.setAttribute("aria-label", `${unread.textContent} unread`);
    unread.hidden = false;
    return;
  }
  if (typingLine.dataset.author === message.author) {
    typingLine.textContent = "";
  }
  messages.add(message);
}

/** Who has this room open: each user once, in however many pages. Of very many there is only the number. */
function showPeople({ members, count }) {
  const names = members.length ? members.map(({ info }) => info.name) : [count ? `${count} users` : "No users"];
  document.getElementById("people").replaceChildren(...names.map((name) => element("li", name)));
}

let typingTimer = 0;

function showTyping({ author, room }) {
  if (room !== config.room) {
    return;
  }
  typingLine.dataset.author = author;
  typingLine.textContent = `${author} is typing…`;
  clearTimeout(typingTimer);
  typingTimer = setTimeout(() => (typingLine.textContent = ""), TYPING_MS + 1_000);
}

// ---- What the user does --------------------------------------------------------------------

function composer(client) {
  let toldAt = 0;
  field.addEventListener("input", () => {
    if (client.state === "open" && Date.now() - toldAt > TYPING_MS) {
      toldAt = Date.now();
      client.send("typing");
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text) {
      say(client, text);
      toldAt = 0;
      field.value = "";
      field.focus();
    }
  });
}

/** Shows the message at once; what becomes of it stands beside it. */
async function say(client, text) {
  const key = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("");
  const item = messages.addMine(text, key);
  try {
    // Without a time limit: the client waits for a connection, and sends again after a lost one.
    const reply = await client.request("send_message", { text, key }, { timeout: Infinity });
    if (reply?.type === "problem") {
      notice(reply.text, { problem: true });
      item.remove();
    } else {
      messages.mark(item, "sent");
    }
  } catch {
    messages.mark(item, "failed", () => {
      item.remove();
      say(client, text);
    });
  }
}

const notify = document.getElementById("notify");
notify.addEventListener("click", async () => {
  notify.disabled = true;
  try {
    const response = await fetch(config.notifyUrl, { method: "POST", headers: { "X-CSRFToken": csrfToken } });
    if (!response.ok) {
      notice("The notification could not be sent.", { problem: true });
    }
  } catch {
    notice("The site does not answer.", { problem: true });
  } finally {
    notify.disabled = false;
  }
});

start();
