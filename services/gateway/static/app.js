// Small comforts on top of pages that work without this file: no double submit, a warning before typed text is lost,
// several files at once. Nothing here is needed to do anything.

// One file per request, one after the other, so that the server streams each and a failure names its file.
for (const form of document.querySelectorAll("form[data-several-files]")) {
  const input = form.querySelector("input[type=file]");
  const progress = form.querySelector("[role=status]");
  input.multiple = true;
  form.addEventListener("submit", async (event) => {
    if (input.files.length < 2) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (form.dataset.sent) return;
    form.dataset.sent = "yes";
    const files = [...input.files];
    for (const [number, file] of files.entries()) {
      progress.textContent = `${files.length}件のうち${number + 1}件目（${file.name}）を送っています。`;
      const body = new FormData();
      for (const hidden of form.querySelectorAll("input[type=hidden]")) body.append(hidden.name, hidden.value);
      body.set("request_key", crypto.randomUUID());
      body.append(input.name, file);
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
      if (!answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        document.querySelector("main").replaceWith(page.querySelector("main"));
        document.querySelector("[role=alert]")?.focus();
        return;
      }
    }
    location.assign(`${location.pathname}?done=attached`);
  });
}

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-busy", "true");
  });
}

for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// Coming back with the browser's own button must give a form that can be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
});

const guarded = document.querySelectorAll("form[data-keeps-text]");
let touched = false;
for (const form of guarded) form.addEventListener("input", () => { touched = true; });
addEventListener("submit", () => { touched = false; });
addEventListener("beforeunload", (event) => { if (touched) event.preventDefault(); });
