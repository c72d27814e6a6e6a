// New notices on an open page: the count in the header, and one line that says number and kind. Pages work without it.
// The stream is open only while the page is looked at: a browser has few connections to one server. Where the person wants
// to hear of it on the desktop (desktop.js), one page of the browser, and only one, keeps it while none is looked at.

const link = document.querySelector("[data-notices]");
const said = document.querySelector("[data-notices-said]");
const words = JSON.parse(link.dataset.notices);
const count = link.querySelector(".count");
// What was said on the page before is not said again on this one.
const heard = new Set(JSON.parse(sessionStorage.getItem("notices") ?? "[]"));
const staff = document.querySelector("[data-session]").dataset.staff;
let source = null;
// Gives the stream of the hidden pages to another page; null while this one has not got it.
let release = null;
let waits = false;

function onDesktop() {
  return "Notification" in window && "locks" in navigator && Notification.permission === "granted"
    && localStorage.getItem("desktop-notices") === staff;
}

// The kind and that it is one: a desktop is seen by others too (AC-14). A second page that says the same replaces it.
function sayOnDesktop(notice) {
  if (!onDesktop() || document.hasFocus()) return;
  const shown = new Notification(`${words[notice.kind] ?? "通知"}　1件`, { tag: notice.notice_id, lang: "ja" });
  shown.addEventListener("click", () => { window.focus(); location.assign("/notices"); });
}

// Waits for its turn among the pages of this browser, and keeps it until the page is left or the person wants it no more.
async function keep() {
  if (waits || !onDesktop()) return;
  waits = true;
  await navigator.locks.request("kanketsu-notices", () => new Promise((done) => { release = done; follow(); }));
  waits = false;
}

function tell(event) {
  const notice = JSON.parse(event.data);
  count.textContent = notice.unread > 99 ? "99+" : notice.unread;
  count.toggleAttribute("data-some", notice.unread > 0);
  dispatchEvent(new Event("kanketsu-notice"));
  if (heard.has(notice.notice_id)) return;
  heard.add(notice.notice_id);
  sessionStorage.setItem("notices", JSON.stringify([...heard].slice(-50)));
  said.textContent = `${words[notice.kind] ?? "通知"}　${notice.draft_number}`;
  sayOnDesktop(notice);
}

function follow() {
  if (release !== null && !onDesktop()) {
    release();
    release = null;
  }
  keep();
  const wanted = document.visibilityState === "visible" || release !== null;
  if (wanted && source === null) {
    source = new EventSource("/api/v1/notices/stream");
    source.addEventListener("notice", tell);
  } else if (!wanted && source !== null) {
    source.close();
    source = null;
  }
}

document.addEventListener("visibilitychange", follow);
addEventListener("kanketsu-desktop", follow);
addEventListener("storage", follow);
addEventListener("pagehide", () => {
  release?.();
  release = null;
  source?.close();
  source = null;
});
addEventListener("pageshow", follow);
follow();
