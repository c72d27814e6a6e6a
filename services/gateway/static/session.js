// Before the login ends for want of use, the page says so and lets the person go on; what they have typed stays (UI-06).
// Another page may have kept the login alive, so the server is asked before anything is said.

const WARN_SECONDS = 300;

const banner = document.querySelector("[data-session]");
const said = banner.querySelector("[data-session-said]");
const help = banner.querySelector("[data-session-help]");
const button = banner.querySelector("[data-session-go-on]");
const login = banner.querySelector("[data-session-login]");
let timer = 0;
let ends = 0;

// Look again when the login has this many seconds less.
function wait(seconds) {
  clearTimeout(timer);
  timer = setTimeout(look, Math.max(seconds, 1) * 1000);
}

function tell(title, text, go, ended) {
  said.textContent = title;
  help.textContent = text;
  button.textContent = go;
  button.hidden = !go;
  login.hidden = !ended;
  banner.hidden = false;
}

function minutes(seconds) {
  return Math.max(1, Math.round(seconds / 60));
}

function show(left) {
  ends = Date.now() + left.seconds * 1000;
  for (const token of document.querySelectorAll("input[name=csrf_token]")) token.value = left.csrf_token;
  if (left.seconds > WARN_SECONDS) {
    banner.hidden = true;
    wait(left.seconds - WARN_SECONDS);
  } else if (left.seconds_at_most > left.seconds) {
    tell(`あと約${minutes(left.seconds)}分でログアウトされます`,
      "操作がないまま時間が過ぎようとしています。続けるときは「続ける」を押してください。入力したものはそのまま残ります。", "続ける", false);
    wait(left.seconds + 1);
  } else {
    tell(`あと約${minutes(left.seconds)}分で、いったんログアウトされます`,
      "ログインしてからの時間の上限に近づいています。入力したものを保存してください。", "", false);
    wait(left.seconds + 1);
  }
}

function showEnd(title) {
  ends = 0;
  clearTimeout(timer);
  tell(title,
    "入力したものはこの画面に残っています。別のタブでログインし直してから、「この画面で続ける」を押してください。", "この画面で続ける", true);
}

// True while the person is signed in, false when that is over. No answer is no reason to say anything.
async function ask(method) {
  const answer = await fetch("/session", { method }).catch(() => null);
  if (answer?.status === 401) {
    showEnd("ログアウトされました");
    return false;
  }
  if (!answer?.ok) {
    ends = Date.now() + 30_000;
    wait(30);
    return true;
  }
  const left = await answer.json();
  if (left.staff_id !== banner.dataset.staff) {
    showEnd("別の職員がログインしています");
    return false;
  }
  show(left);
  return true;
}

const look = () => ask("GET");

button.addEventListener("click", () => ask("POST"));

// A form that is sent after the end would lose what was typed: ask first, and send it once the person is back.
addEventListener("submit", async (event) => {
  if (Date.now() < ends || event.target.method !== "post") return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (await look()) event.target.requestSubmit(event.submitter);
  else banner.scrollIntoView();
}, true);

ends = Date.now() + Number(banner.dataset.session) * 1000;
wait(Number(banner.dataset.session) - WARN_SECONDS);
