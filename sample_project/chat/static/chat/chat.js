// The chat page: fetches a token, opens the socket, and opens it again whenever it closes.

const config = JSON.parse(document.getElementById("chat-config").textContent);
const csrfToken = document.querySelector("[name=csrfmiddlewaretoken]").value;
const page = {
  state: document.getElementById("state"),
  messages: document.getElementById("messages"),
  empty: document.getElementById("empty"),
  notices: document.getElementById("notices"),
  form: document.getElementById("composer"),
  text: document.getElementById("text"),
  send: document.getElementById("send"),
  notify: document.getElementById("notify"),
};

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
// API Gateway closes a socket that was silent for ten minutes.
const PING_MS = 4 * 60_000;
const NOTICE_MS = 6_000;

let socket = null;
let attempt = 0;
let timer = 0;

// ---- The connection ------------------------------------------------------------------------

async function connect() {
  if (!config.socketUrl) {
    show("closed", "No gateway");
    notice("There is no gateway yet: run create_gateway, then reload this page.", { problem: true, stays: true });
    return;
  }
  show("connecting", attempt ? "Reconnecting" : "Connecting");
  let token;
  try {
    token = await fetchToken();
  } catch (error) {
    if (error.status === 403) {
      show("closed", "Logged out");
      window.location.assign(config.loginUrl);
      return;
    }
    retry(error.retryAfter);
    return;
  }
  const url = new URL(config.socketUrl);
  url.searchParams.set("ws_token", token);
  url.searchParams.set("channel", config.channel);
  open(new WebSocket(url));
}

function open(next) {
  socket = next;
  let ping = 0;
  next.addEventListener("open", () => {
    attempt = 0;
    show("open", "Connected");
    ping = setInterval(() => next.send(JSON.stringify({ _ws: { type: "ping" } })), PING_MS);
    catchUp();
  });
  next.addEventListener("message", (event) => receive(event.data));
  next.addEventListener("close", () => {
    clearInterval(ping);
    retry();
  });
}

async function fetchToken() {
  const response = await fetch(config.tokenUrl, { method: "POST", headers: { "X-CSRFToken": csrfToken } });
  if (!response.ok) {
    const error = new Error(`The token view answered ${response.status}`);
    error.status = response.status;
    error.retryAfter = Number(response.headers.get("Retry-After")) * 1000;
    throw error;
  }
  return (await response.json()).token;
}

// Longer pauses after every failure, and random ones, so that not everybody comes back at once.
function retry(atLeastMs = 0) {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS);
  attempt += 1;
  show("connecting", navigator.onLine ? "Reconnecting" : "Offline");
  clearTimeout(timer);
  timer = setTimeout(connect, Math.max(Math.random() * longest, atLeastMs || 0));
}

window.addEventListener("online", () => {
  if (socket?.readyState === WebSocket.CLOSED) {
    attempt = 0;
    retry();
  }
});

function show(state, words) {
  page.state.dataset.state = state;
  page.state.textContent = words;
  page.send.disabled = state !== "open";
}

// ---- Frames --------------------------------------------------------------------------------

function receive(data) {
  const frame = JSON.parse(data);
  if (frame.type === "message") {
    addMessage(frame);
  } else if (frame.type === "notification") {
    notice(frame.text);
  } else if (frame.type === "problem") {
    notice(frame.text, { problem: true });
  } else if (frame.requestId && frame.message) {
    // Not ours: API Gateway itself reports that the server failed or took too long.
    notice(`The message was not taken: ${frame.message}.`, { problem: true });
  }
}

// What was said before this page opened, or while its socket was closed.
async function catchUp() {
  const last = page.messages.lastElementChild;
  try {
    const response = await fetch(`${config.historyUrl}?after=${last ? last.dataset.id : 0}`);
    (await response.json()).messages.forEach(addMessage);
  } catch {
    notice("The earlier messages could not be fetched.", { problem: true });
  }
  page.empty.hidden = page.messages.childElementCount > 0;
}

function addMessage({ id, author, text, sent_on }) {
  if (document.getElementById(`message-${id}`)) {
    return;
  }
  const item = document.createElement("li");
  item.id = `message-${id}`;
  item.dataset.id = id;
  item.dataset.author = author;
  item.className = author === config.username ? "message mine" : "message";
  const time = element("time", new Date(sent_on).toLocaleTimeString([], { timeStyle: "short" }));
  time.dateTime = sent_on;
  const meta = element("div", "", "meta");
  meta.append(element("span", author, "author"), time);
  item.append(meta, element("div", text, "text"));

  const { messages } = page;
  const atBottom = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80;
  // Live frames may overtake the history: keep to the order in which they were said.
  const next = [...messages.children].find((other) => Number(other.dataset.id) > id) ?? null;
  messages.insertBefore(item, next);
  for (const changed of [item, item.nextElementSibling]) {
    changed?.classList.toggle(
      "new-author", changed.previousElementSibling?.dataset.author !== changed.dataset.author,
    );
  }
  page.empty.hidden = true;
  if (atBottom || author === config.username) {
    messages.scrollTop = messages.scrollHeight;
  }
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function notice(text, { problem = false, stays = false } = {}) {
  const item = element("p", text, problem ? "notice problem" : "notice");
  page.notices.append(item);
  if (!stays) {
    setTimeout(() => item.remove(), NOTICE_MS);
  }
}

// ---- What the user does --------------------------------------------------------------------

page.form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = page.text.value.trim();
  if (!text || socket?.readyState !== WebSocket.OPEN) {
    return;
  }
  socket.send(JSON.stringify({ handler: "send_message", text }));
  page.text.value = "";
  page.text.focus();
});

page.notify.addEventListener("click", async () => {
  page.notify.disabled = true;
  try {
    const response = await fetch(config.notifyUrl, { method: "POST", headers: { "X-CSRFToken": csrfToken } });
    if (!response.ok) {
      notice("The notification could not be sent.", { problem: true });
    }
  } catch {
    notice("The site does not answer.", { problem: true });
  } finally {
    page.notify.disabled = false;
  }
});

connect();
