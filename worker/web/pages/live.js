import { ABSTENTIONS, EMOTIONS, ask, make, percent } from "./common.js";

const EVERY_MS = 1000;
const WARNING = "M12 4 3 19h18zM12 10v4M12 16.5v.5";
const STATES = {
  connecting: "connecting", live: "live", stalled: "stalled", backoff: "away", auth_failed: "refused", ended: "ended", stopped: "stopped", failed: "failed",
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
  tile("tile-fps", worker.busy > 0.97 ? "wait" : "good", `${fps.toFixed(1)} fps`, `inference is ${percent(worker.busy)} busy`);
  const known = streams.filter((stream) => stream.latency_p95_ms !== null);
  const slowest = known.reduce((worst_, stream) => (!worst_ || stream.latency_p95_ms > worst_.latency_p95_ms ? stream : worst_), null);
  tile("tile-latency", "good", slowest ? milliseconds(slowest.latency_p95_ms) : "–", slowest ? `slowest: ${slowest.id}` : "no frame in the last minute");
  const name = { redis: "Redis", file: "file", stdout: "output" }[target.kind];
  const waiting = target.waiting ? `${whole(target.waiting)} of ${whole(target.capacity)} wait` : "nothing waits";
  tile("tile-target", target.up ? (target.waiting > 0.5 * target.capacity && target.waiting ? "wait" : "good") : "bad", target.up ? `${name} up` : `${name} down`, `${waiting} · ${target.where}`);
  put(at("worker"), `${worker.name} · ${worker.backend} · up ${seconds(worker.up_s)}`);
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

let lastAttention = "";
function warn(items) {
  // numbers that count up in a sentence are no news
  const news = JSON.stringify(items.map((item) => [item.level, item.what.replace(/[\d.]+/g, "#"), item.todo]));
  if (news === lastAttention) {
    [...at("attention-list").children].forEach((row, i) => put(row.querySelector(".what"), items[i].what));
    return;
  }
  lastAttention = news;
  at("attention").hidden = !items.length;
  at("attention-list").replaceChildren(
    ...items.map((item) => make("li", { cls: item.level }, icon(WARNING), make("p", { cls: "what", text: item.what }), make("p", { cls: "small", text: item.todo }))),
  );
}

function newCard(id) {
  const value = (name, label) => make("div", { "data-stat": name }, make("dt", { text: label }), make("dd", { text: "–" }));
  const row = (name, label) => [make("dt", { text: label }), make("dd", { "data-row": name })];
  const chart = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  chart.setAttribute("role", "img");
  chart.setAttribute("preserveAspectRatio", "none");
  const card = make(
    "li",
    { cls: "card stream", "data-stream": id },
    make("header", {}, make("div", {}, make("h3", { text: id }), make("p", { cls: "address small soft" })), make("span", { cls: "pill" })),
    make("dl", { cls: "stats" }, value("fps", "frames / s"), value("age", "frame age"), value("latency", "p95"), value("faces", "faces")),
    make("ul", { cls: "faces", "aria-label": `Faces of ${id}` }),
    make("figure", { cls: "chart" }, make("figcaption", {}, make("span", { text: "Emotions, last 5 minutes" }), make("span", { "data-mostly": true })), chart),
    make("dl", { cls: "ledger" }, ...row("frames", "Frames"), ...row("skipped", "Skipped"), ...row("gaps", "Gaps")),
  );
  return card;
}

function fill(card, stream, columns) {
  card.className = `card stream ${stream.level}`;
  const pill = card.querySelector(".pill");
  pill.className = `pill ${stream.level}`;
  put(pill, stream.state === "live" ? "live" : `${STATES[stream.state]} ${seconds(stream.since_s)}`);
  pill.title = stream.reason;
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
  const counts = (of) => Object.entries(of).map(([name, count]) => `${name} ${whole(count)}`).join(", ") || "none";
  row("frames", `${whole(stream.decoded)} decoded, ${whole(stream.published)} published`);
  row("skipped", counts(stream.skipped));
  row("gaps", counts(stream.gaps) + (stream.decode_errors ? `; ${whole(stream.decode_errors)} decode errors` : ""));
}

function showFaces(list, stream) {
  const rows = stream.state !== "live"
    ? [["abstained", "", "no picture now: this says nothing about people", ""]]
    : stream.faces.slice(0, 4).map((face) => {
      const name = `#${face.track}`;
      if (face.label) {
        const age = face.age_s === null ? "" : `read ${face.age_s < 0.05 ? "now" : `${seconds(face.age_s)} ago`}`;
        return [face.label, `${face.label}`, `${name} for ${seconds(face.since_s)}`, age];
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
    picture = make("img", { cls: "preview", alt: `Picture of ${stream.id}` });
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
  const faces = columns.length - 1; // the last column counts frames
  const key = JSON.stringify(stream.history);
  if (card.dataset.history === key) return;
  card.dataset.history = key;
  const chart = card.querySelector("svg");
  const [width, height] = [stream.history.length * 10, 100];
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const most = Math.max(5, ...stream.history.map((row) => row.slice(0, faces).reduce((a, b) => a + b, 0)));
  const totals = new Array(faces).fill(0);
  const parts = [];
  const bar = (cls, x, top, tall) => {
    const rect = document.createElementNS(chart.namespaceURI, "rect");
    for (const [name, value] of Object.entries({ class: cls, x, y: top, width: 8.4, height: tall })) rect.setAttribute(name, value);
    parts.push(rect);
  };
  stream.history.forEach((row, i) => {
    let top = height;
    for (let j = 0; j < faces; j++) {
      if (!row[j]) continue;
      totals[j] += row[j];
      const tall = (row[j] / most) * (height - 6);
      top -= tall;
      bar(`of-${columns[j]}`, i * 10 + 0.8, top, tall);
    }
    if (top === height && row[faces]) bar("quiet", i * 10 + 0.8, height - 4, 4); // frames without faces; nothing: no data
  });
  chart.replaceChildren(...parts);
  const all = totals.reduce((a, b) => a + b, 0);
  const first = totals.indexOf(Math.max(...totals));
  const text = all ? `mostly ${columns[first]}, ${percent(totals[first] / all)}` : "no faces yet";
  put(card.querySelector("[data-mostly]"), text);
  chart.setAttribute("aria-label", `Emotions of the last five minutes: ${totals.map((count, j) => [columns[j], count]).filter(([, count]) => count).map(([name, count]) => `${name} ${percent(count / all)}`).join(", ") || "no faces"}`);
}

function show(live) {
  summarise(live);
  warn(live.attention);
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
    show(await ask("/api/v1/live", { signal: AbortSignal.timeout(5000) }));
    answered = new Date();
    document.body.classList.remove("stale");
    at("lost").hidden = true;
  } catch (problem) {
    document.body.classList.add("stale");
    at("lost").hidden = false;
    const since = answered ? ` What you see is from ${answered.toLocaleTimeString()}.` : "";
    put(at("lost"), `${problem.message[0].toUpperCase()}${problem.message.slice(1)}${/[.?]$/.test(problem.message) ? "" : "."}${since}`);
  }
  clearTimeout(timer);
  timer = setTimeout(poll, EVERY_MS);
}

at("legend").append(...[...EMOTIONS, "abstained"].map((name) => make("li", {}, make("span", { cls: `dot of-${name}` }), name)));
document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
poll();
