import { ABSTENTIONS, EMOTIONS, ask, make, percent } from "./common.js";

const EVERY_MS = 1000;
const PATIENCE_MS = 5000;
const SLOW_MS = 5000;
const WARNING = "M12 4 3 19h18zM12 10v4M12 16.5v.5";
const STATES = {
  connecting: "connecting", live: "live", stalled: "stalled", backoff: "away", auth_failed: "refused", ended: "ended", stopped: "stopped", failed: "failed",
};
// the words of the records are in docs/events.md: max_fps, superseded, ...
const SKIPS = { max_fps: "above max_fps", superseded: "no time", inference_error: "model error", stopping: "stopping" };
const GAPS = {
  source_down: "camera away", stall: "camera silent", corrupt: "damaged", spool_full: "no room to wait", redis_lost: "lost in Redis", worker_restart: "worker restarted",
  taken_over: "taken over",
};
const at = (id) => document.getElementById(id);
const cards = new Map(); // stream id to its card
let timer = 0;
let answered = null; // when the worker answered last

const seconds = (value) => {
  if (value === null) return "–";
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  return value < 172800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} d`;
};
const milliseconds = (value) => (value === null ? "–" : value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`);
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const whole = (value) => value.toLocaleString("en");

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tile(id, level, value, note) {
  const card = at(id);
  card.className = `card tile ${level}`;
  put(card.querySelector("[data-value]"), value);
  put(card.querySelector("[data-note]"), note);
}

function summarise({ worker, target, streams }) {
  const live = streams.filter((stream) => stream.state === "live").length;
  const done = streams.filter((stream) => stream.state === "ended").length;
  const worst = streams.some((s) => s.level === "bad") ? "bad" : streams.some((s) => s.level === "wait") ? "wait" : "good";
  tile("tile-streams", worst, `${live} of ${streams.length}`, done ? `live, ${done} ended` : live === streams.length ? "all live" : "live");
  const fps = streams.reduce((sum, stream) => sum + stream.fps, 0);
  tile("tile-fps", worker.busy > 0.97 ? "wait" : "good", `${fps.toFixed(1)} fps`, `inference ${percent(worker.busy)} busy`);
  const known = streams.filter((stream) => stream.latency_p95_ms !== null);
  const slowest = known.reduce((worst_, stream) => (!worst_ || stream.latency_p95_ms > worst_.latency_p95_ms ? stream : worst_), null);
  tile("tile-latency", slowest && slowest.level !== "good" && slowest.latency_p95_ms > SLOW_MS ? "wait" : "good", slowest ? milliseconds(slowest.latency_p95_ms) : "–", slowest ? `slowest: ${slowest.id}` : "no frame in the last minute");
  const name = { redis: "Redis", file: "file", stdout: "output" }[target.kind];
  const waiting = target.waiting ? `${whole(target.waiting)} of ${whole(target.capacity)} wait` : "nothing waits";
  tile("tile-target", target.up ? (target.waiting > 0.5 * target.capacity && target.waiting ? "wait" : "good") : "bad", target.up ? `${name} up` : `${name} down`, `${waiting} · ${target.where}`);
  put(at("worker"), worker.name);
  put(at("worker-more"), ` · ${worker.backend} · up ${seconds(worker.up_s)}`);
  document.title = `${worst === "bad" || !target.up ? "● " : ""}Live · ${worker.name}`;
}

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svg.namespaceURI, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

let lastAttention = "[]";
function warn(items, streams) {
  const addresses = new Map(streams.map((stream) => [stream.id, stream.address]));
  const told = items.map((item) => {
    const what = item.what.replace(`${addresses.get(item.stream)}: `, ""); // its card says it
    const end = what.indexOf(": ");
    return { ...item, title: end < 0 ? what : what.slice(0, end), more: end < 0 ? "" : what.slice(end + 2) };
  });
  // numbers that count up in a sentence are no news
  const news = JSON.stringify(told.map((item) => [item.level, item.stream, `${item.title} ${item.more}`.replace(/[\d.]+/g, "#"), item.todo]));
  if (news !== lastAttention) {
    put(at("news"), told.length ? `Needs attention: ${told.map((item) => item.title).join("; ")}.` : "Nothing needs attention any more.");
    lastAttention = news;
    at("attention").hidden = !told.length;
    at("attention-list").replaceChildren(...told.map(attentionRow));
  }
  [...at("attention-list").children].forEach((row, i) => {
    put(row.querySelector(".title"), told[i].title);
    put(row.querySelector(".detail"), told[i].more && `: ${told[i].more}`);
  });
}

function attentionRow(item) {
  const title = item.stream === null ? make("strong", { cls: "title" }) : make("a", { cls: "title", href: `#stream-${item.stream}` });
  return make("li", { cls: item.level }, icon(WARNING), make("p", { cls: "what" }, title, make("span", { cls: "detail" })), make("p", { cls: "small", text: item.todo }));
}

function newCard(id) {
  const value = (name, label) => make("div", { "data-stat": name }, make("dt", { text: label }), make("dd", { text: "–" }));
  const row = (name, label) => [make("dt", { text: label }), make("dd", { "data-row": name })];
  const chart = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  chart.setAttribute("role", "img");
  chart.setAttribute("preserveAspectRatio", "none");
  return make(
    "li",
    { cls: "card stream", "data-stream": id, id: `stream-${id}`, tabindex: "-1" },
    make("header", {}, make("div", {}, make("h3", { text: id }), make("p", { cls: "address small soft" })), make("span", { cls: "pill" })),
    make("p", { cls: "reason small", hidden: true }),
    make("dl", { cls: "stats" }, value("fps", "frames / s"), value("age", "frame age"), value("latency", "latency p95"), value("faces", "faces")),
    make("ul", { cls: "faces", "aria-label": `Faces of ${id}` }),
    make("figure", { cls: "chart" }, make("figcaption", {}, make("span", { text: "Emotions, last 5 minutes" }), make("span", { "data-mostly": true })), chart),
    make("dl", { cls: "ledger" }, ...row("frames", "Frames"), ...row("skipped", "Skipped"), ...row("gaps", "Gaps")),
  );
}

function fill(card, stream, columns) {
  card.className = `card stream ${stream.level}`;
  const pill = card.querySelector(".pill");
  pill.className = `pill ${stream.level}`;
  put(pill, stream.state === "live" ? "live" : `${STATES[stream.state]} ${seconds(stream.since_s)}`);
  const reason = card.querySelector(".reason");
  reason.hidden = stream.state === "live";
  if (!reason.hidden) put(reason, capital(stream.reason.replace(`${stream.address}: `, "")));
  const address = card.querySelector(".address");
  put(address, stream.address);
  address.title = stream.address;
  const stat = (name, text) => put(card.querySelector(`[data-stat="${name}"] dd`), text);
  stat("fps", stream.fps.toFixed(1));
  stat("age", seconds(stream.frame_age_s));
  stat("latency", milliseconds(stream.latency_p95_ms));
  stat("faces", stream.state === "live" ? String(stream.faces.length) : "–");
  card.querySelector('[data-stat="age"]').className = stream.live && stream.frame_age_s > 5 ? "late" : "";
  showFaces(card.querySelector(".faces"), stream);
  showPreview(card, stream);
  draw(card, stream, columns);
  const row = (name, text) => put(card.querySelector(`[data-row="${name}"]`), text);
  const counts = (of, words) => Object.entries(of).map(([name, count]) => `${whole(count)} ${words[name] || name}`).join(", ") || "none";
  row("frames", `${whole(stream.decoded)} decoded, ${whole(stream.published)} published`);
  row("skipped", counts(stream.skipped, SKIPS));
  row("gaps", counts(stream.gaps, GAPS) + (stream.decode_errors ? `; ${whole(stream.decode_errors)} decode errors` : ""));
}

function showFaces(list, stream) {
  const rows = stream.state !== "live"
    ? [["abstained", "", "no picture now: this says nothing about people", ""]]
    : stream.faces.slice(0, 4).map((face) => {
      const name = `#${face.track}`;
      if (face.label) {
        const age = face.age_s === null ? "" : `read ${face.age_s < 0.05 ? "now" : `${seconds(face.age_s)} ago`}`;
        return [face.label, `${face.label}`, face.since_s < 1 ? `${name}, new` : `${name} for ${seconds(face.since_s)}`, age];
      }
      return ["abstained", "", `${name} ${ABSTENTIONS[face.abstained] || "not read yet"}`, ""];
    });
  if (!rows.length) rows.push(["", "", "nobody in the picture", ""]);
  if (stream.state === "live" && stream.faces.length > 4) rows.push(["", "", `and ${stream.faces.length - 4} more`, ""]);
  while (list.children.length > rows.length) list.lastChild.remove();
  rows.forEach(([hue, label, text, more], i) => {
    const row = list.children[i] || list.appendChild(make("li", {}, make("span", { cls: "dot" }), make("span", { cls: "who" }), make("span", { cls: "soft" }), make("span", { cls: "more" })));
    row.children[0].className = `dot of-${hue}`;
    row.children[0].hidden = !hue;
    row.children[1].hidden = !label;
    [label, text, more].forEach((value, j) => put(row.children[j + 1], value));
  });
}

function showPreview(card, stream) {
  let picture = card.querySelector(".preview");
  if (!stream.preview) return picture?.remove();
  if (!picture) {
    picture = make("img", { cls: "preview", alt: `What ${stream.id} sees, with what was found in it` });
    picture.addEventListener("load", () => { picture.dataset.waits = ""; });
    picture.addEventListener("error", () => { picture.dataset.waits = ""; });
    card.querySelector("header").after(picture);
  }
  const box = card.getBoundingClientRect();
  const unseen = box.bottom < 0 || box.top > innerHeight;
  if (picture.dataset.waits || (unseen && picture.src)) return; // after the first, only what is looked at
  picture.dataset.waits = "yes";
  picture.src = `/api/v1/streams/${stream.id}/preview.jpg?at=${Date.now()}`;
}

function draw(card, stream, columns) {
  const key = JSON.stringify(stream.history);
  if (card.dataset.history === key) return;
  card.dataset.history = key;
  const faces = columns.length - 1; // the last column counts frames
  const [width, height] = [stream.history.length * 10, 100];
  const most = Math.max(5, ...stream.history.map((row) => row.slice(0, faces).reduce((a, b) => a + b, 0)));
  const totals = new Array(faces).fill(0);
  const lines = columns.map(() => ""); // a path for each column: few elements, however many bars
  stream.history.forEach((row, i) => {
    const bar = (top, tall) => `M${i * 10 + 0.8} ${top.toFixed(1)}h8.4v${tall.toFixed(1)}h-8.4z`;
    let top = height;
    for (let j = 0; j < faces; j++) {
      if (!row[j]) continue;
      totals[j] += row[j];
      const tall = (row[j] / most) * (height - 6);
      top -= tall;
      lines[j] += bar(top, tall);
    }
    if (top === height && row[faces]) lines[faces] += bar(height - 4, 4); // frames without faces; nothing: no data
  });
  const chart = card.querySelector("svg");
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  while (chart.children.length < columns.length) chart.append(document.createElementNS(chart.namespaceURI, "path"));
  lines.forEach((line, j) => {
    chart.children[j].setAttribute("class", j === faces ? "quiet" : `of-${columns[j]}`);
    chart.children[j].setAttribute("d", line);
  });
  const all = totals.reduce((a, b) => a + b, 0);
  const first = totals.indexOf(Math.max(...totals));
  const text = all ? `mostly ${columns[first] === "abstained" ? "no emotion told" : columns[first]}, ${percent(totals[first] / all)}` : "no faces yet";
  put(card.querySelector("[data-mostly]"), text);
  const shares = totals.map((count, j) => [columns[j], count]).filter(([, count]) => count).map(([name, count]) => `${name} ${percent(count / all)}`);
  chart.setAttribute("aria-label", `Emotions of ${stream.id}, last five minutes: ${shares.join(", ") || "no faces"}`);
}

function show(live) {
  summarise(live);
  warn(live.attention, live.streams);
  const seen = new Set(live.streams.map((stream) => stream.id));
  for (const [id, card] of cards) if (!seen.has(id)) { card.remove(); cards.delete(id); }
  for (const stream of live.streams) {
    let card = cards.get(stream.id);
    if (!card) {
      card = newCard(stream.id);
      cards.set(stream.id, card);
      at("cards").append(card);
    }
    fill(card, stream, live.history_columns);
  }
  at("none").hidden = live.streams.length > 0;
}

async function poll() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    show(await ask("/api/v1/live", {}, { patience: PATIENCE_MS }));
    answered = new Date();
    document.body.classList.remove("stale");
    at("lost").hidden = true;
  } catch (problem) {
    document.body.classList.add("stale");
    at("lost").hidden = false;
    const since = answered ? ` What you see is from ${answered.toLocaleTimeString()}.` : "";
    put(at("lost"), `${capital(problem.message)}${/[.?]$/.test(problem.message) ? "" : "."}${since}`);
  }
  clearTimeout(timer);
  timer = setTimeout(poll, EVERY_MS);
}

at("legend").append(...[...EMOTIONS, "abstained"].map((name) => make("li", {}, make("span", { cls: `dot of-${name}` }), name)));
document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
poll();
