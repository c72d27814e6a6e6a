// 通知の設定: whether this browser also says 「1件」 on the desktop, while other windows are worked in. The browser is asked
// only when the button is pressed, and remembers it for this person alone; notices.js does the saying.

const place = document.querySelector("[data-desktop]");
const said = place.querySelector("[data-desktop-said]");
const button = place.querySelector("button");
const staff = document.querySelector("[data-session]").dataset.staff;
const KEY = "desktop-notices";

function show() {
  const possible = "Notification" in window && "locks" in navigator;
  const refused = possible && Notification.permission === "denied";
  const on = possible && Notification.permission === "granted" && localStorage.getItem(KEY) === staff;
  button.hidden = !possible || refused;
  button.textContent = on ? "このブラウザーでは知らせない" : "このブラウザーで知らせる";
  if (!possible) said.textContent = "このブラウザーでは使えません。";
  else if (refused) said.textContent = "ブラウザーの設定で、このサイトの通知が禁止されています。使うときは、ブラウザーの設定で許可してください。";
  else said.textContent = on ? "このブラウザーで知らせています。" : "今は知らせていません。";
  return on;
}

button.addEventListener("click", async () => {
  if (show()) localStorage.removeItem(KEY);
  else if (await Notification.requestPermission() === "granted") localStorage.setItem(KEY, staff);
  show();
  dispatchEvent(new Event("kanketsu-desktop"));
});

show();
place.hidden = false;
