// Mentions wait in the user's inbox until the user has read them, on whatever device.

import { element } from "./page.js";

export function showMentions(client) {
  const badge = document.getElementById("mentions");
  const shown = new Set();
  client.inbox.on("unread", (number) => {
    badge.textContent = number;
    badge.hidden = !number;
    if (!number) {
      shown.forEach((item) => item.remove()); // read on another device
    }
  });
  // A mention is acknowledged once the promise resolves.
  client.inbox.on("message", ({ author, room, text }) => new Promise((resolve) => {
    const item = element("p", `${author} mentions you in ${room}: ${text} `, "notice");
    const button = element("button", "Mark as read", "link");
    button.addEventListener("click", () => (item.remove(), resolve()));
    item.append(button);
    shown.add(item);
    document.getElementById("notices").append(item);
  }));
}
