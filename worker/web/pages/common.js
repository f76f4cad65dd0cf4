// What both pages need: asking the API, the token, and making elements.

export const EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"];

export const ABSTENTIONS = {
  too_small: "too small to read",
  blurred: "too blurred to read",
  dark: "too dark to read",
  partial: "only partly in the picture",
  low_confidence: "no emotion is clear enough",
};

/** The same in whole sentences, with what would help. */
export const REASONS = {
  too_small: "It is too small to be read: a picture with the face larger helps.",
  blurred: "It is too blurred to be read: a sharper picture helps.",
  dark: "It is too dark to be read: more light helps.",
  partial: "Too much of it is outside the picture.",
  low_confidence: "No emotion stands out clearly enough to be told.",
};

/** A problem that the API told in one sentence. */
export class Problem extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

/** An element with attributes, properties (`text`, `cls`, `on`) and children. */
export function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "cls") element.className = value;
    else if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const percent = (share) => `${Math.round(share * 100)}\u00a0%`; // its two parts stay on one line

/** Ask the API for JSON, as `reach` does. */
export async function ask(path, options = {}, manner = {}) {
  const answer = await reach(path, options, manner);
  return answer.status === 204 ? null : answer.json();
}

/**
 * What `path` answers when all is well; asks for the token where it is needed. Throws a Problem.
 *
 * `patience`: ms for one answer. `pausing`: told true when the token is asked for and false when it is there. With it
 * the question may be given up (Escape); without it the page is nothing without an answer, and the dialog stays.
 */
export async function reach(path, options = {}, { patience = 60_000, pausing = null } = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(patience), ...options });
    } catch {
      throw new Problem(0, "the worker does not answer: is it still running?");
    }
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    if (answer.status !== 401) throw new Problem(answer.status, told.error || `the worker answers ${answer.status}`);
    pausing?.(true);
    await askForToken(pausing !== null);
    pausing?.(false);
  }
}

let asking = null;

function askForToken(mayGiveUp) {
  asking ??= new Promise((resolve, reject) => {
    const field = make("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
    const error = make("p", { cls: "error small", role: "alert" });
    const form = make(
      "form",
      { method: "dialog" },
      make("h2", { text: "This worker needs its token" }),
      make("label", { for: "token", cls: "soft small", text: "The content of web.token_file. It is exchanged for a cookie that scripts cannot read." }),
      field,
      error,
      make("button", { cls: "main", type: "submit", text: "Continue" }),
    );
    const dialog = make("dialog", { "aria-label": "Token" }, form);
    let passed = false;
    dialog.addEventListener("cancel", (event) => { if (!mayGiveUp) event.preventDefault(); });
    dialog.addEventListener("close", () => {
      if (!passed && !mayGiveUp) return dialog.showModal(); // browsers let nobody prevent a second Escape
      dialog.remove();
      asking = null;
      if (passed) resolve();
      else reject(new Problem(401, "nothing was read: this worker needs its token"));
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const answer = await fetch("/api/v1/session", { method: "POST", headers: { Authorization: `Bearer ${field.value}` } }).catch(() => null);
      if (answer?.ok) {
        passed = true;
        dialog.close();
      } else {
        const told = await answer?.json().catch(() => null);
        error.textContent = told?.error || "the worker does not answer";
        field.select();
      }
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

/** Bars for the seven probabilities, the highest marked. */
export function bars(probabilities) {
  const first = EMOTIONS.reduce((best, name) => (probabilities[name] > probabilities[best] ? name : best));
  const list = make("ul", { cls: "bars" });
  for (const name of EMOTIONS) {
    const fill = make("i");
    fill.style.width = `${probabilities[name] * 100}%`;
    list.append(
      make(
        "li",
        { cls: name === first ? `first of-${name}` : `of-${name}` },
        make("span", { cls: "name", text: name }),
        make("span", { cls: "track", "aria-hidden": "true" }, fill),
        make("span", { cls: "share", text: percent(probabilities[name]) }),
      ),
    );
  }
  return list;
}
