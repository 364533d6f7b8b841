import { fromPage } from "./websocket_gateway/client.js";

const client = fromPage();
const $ = (id) => document.getElementById(id);
const item = (list) => list.appendChild(document.createElement("li"));

client.inbox.on("message", ({ text }) => (item($("notices")).textContent = text));
client.inbox.on("unread", (number) => ($("unread").textContent = number));

if ($("tickets")) {
  const board = client.channel("board");
  board.on("message", ({ id, html, progress }) => {
    ($(`ticket-${id}`) ?? item($("tickets"))).outerHTML = html;
    Object.assign($("progress"), { value: progress, hidden: progress === 1 });
  });
  board.on("lost", () => location.reload());
}
if ($("viewers")) {
  const { presence } = client.channel($("viewers").dataset.channel);
  presence.on("change", ({ members }) => ($("viewers").textContent = members.map(({ info }) => info.name).join(", ")));
}
