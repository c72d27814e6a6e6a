// The numbers beside the menu: of this moment on every page, and again when a notice comes. Pages work without them.

const entries = document.querySelectorAll("[data-counted]");

function write(entry, number) {
  let count = entry.querySelector(".count");
  if (count === null) {
    count = document.createElement("span");
    count.className = "count";
    entry.append(count);
  }
  const unit = document.createElement("span");
  unit.className = "visually-hidden";
  unit.textContent = "件";
  count.replaceChildren(number > 99 ? "99+" : String(number), unit);
  count.toggleAttribute("data-some", number > 0);
}

async function refresh() {
  const answer = await fetch("/api/v1/menu-counts").catch(() => null);
  if (!answer?.ok) return;
  const counts = await answer.json();
  for (const entry of entries) write(entry, counts[entry.dataset.counted]);
}

addEventListener("kanketsu-notice", refresh);
addEventListener("pageshow", refresh);
