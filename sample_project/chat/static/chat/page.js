// Helpers of pages: create an element, show a notice.

const NOTICE_MS = 6_000;

export function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

export function notice(text, { problem = false, stays = false, link = null } = {}) {
  const item = element("p", text, problem ? "notice problem" : "notice");
  if (link) {
    const [words, address] = link;
    const anchor = element("a", words);
    anchor.href = address;
    item.append(" ", anchor);
  }
  document.getElementById("notices").append(item);
  if (!stays) {
    setTimeout(() => item.remove(), NOTICE_MS);
  }
}
