// New notices on an open page: the count in the header, and one line that says number and kind. Pages work without it.
// The stream is open only while the page is looked at: a browser has few connections to one server.

const link = document.querySelector("[data-notices]");
const said = document.querySelector("[data-notices-said]");
const words = JSON.parse(link.dataset.notices);
const count = link.querySelector(".count");
// What was said on the page before is not said again on this one.
const heard = new Set(JSON.parse(sessionStorage.getItem("notices") ?? "[]"));
let source = null;

function tell(event) {
  const notice = JSON.parse(event.data);
  count.textContent = notice.unread > 99 ? "99+" : notice.unread;
  count.toggleAttribute("data-some", notice.unread > 0);
  dispatchEvent(new Event("kanketsu-notice"));
  if (heard.has(notice.notice_id)) return;
  heard.add(notice.notice_id);
  sessionStorage.setItem("notices", JSON.stringify([...heard].slice(-50)));
  said.textContent = `${words[notice.kind] ?? "通知"}　${notice.draft_number}`;
}

function follow() {
  if (document.visibilityState === "visible" && source === null) {
    source = new EventSource("/api/v1/notices/stream");
    source.addEventListener("notice", tell);
  } else if (document.visibilityState === "hidden" && source !== null) {
    source.close();
    source = null;
  }
}

document.addEventListener("visibilitychange", follow);
addEventListener("pagehide", () => { source?.close(); source = null; });
addEventListener("pageshow", follow);
follow();
