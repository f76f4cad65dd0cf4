import { ABSTENTIONS, REASONS, ask, bars, make, percent, reach } from "./common.js";

const MAX_BYTES = 20 * 1024 * 1024;
const BUSY_TRIES = 40; // the worker gives one picture 20 s, and may read one of another window first
const BUSY_MS = 1000;
const at = (id) => document.getElementById(id);
const stage = at("stage");
const welcome = at("status").textContent;
let address = null; // object URL of the picture that is shown
let asked = 0; // the newest question: answers to older ones are dropped
let last = Promise.resolve(); // ends with the question that is under way
let lens = null; // the webcam's stream

function say(text, kind = "") {
  at("status").className = `status ${kind || "soft"}`;
  at("status").textContent = text;
}

/** The stage shows one thing: the drop area `empty`, the picture `shown`, or the `camera`. */
function onStage(name) {
  for (const id of ["empty", "shown", "camera"]) at(id).hidden = id !== name;
}

/** Clear away the last picture and its answer, also one that is still to come. The number of the new question. */
function begin() {
  stopCamera();
  forgetPicture();
  at("boxes").replaceChildren();
  at("faces").replaceChildren();
  return ++asked;
}

function forgetPicture() {
  at("picture").onload = null; // it may still load
  onStage("empty");
}

/** An error: the drop area is there again, to go on. */
function fail(text) {
  forgetPicture();
  say(text, "error");
}

const reading = () => say("Reading the picture …", "busy");
const pausing = (on) => (on ? say("This worker needs its token first.") : reading());

async function read(file) {
  const mine = begin();
  if (!file.size) return fail("The file is empty.");
  if (file.type && !file.type.startsWith("image/")) return fail("This is not a picture: use a JPEG, PNG, WebP or BMP file.");
  if (file.size > MAX_BYTES) return fail("The picture is too large: at most 20 MiB.");
  reading();
  const sent = await asSeen(file);
  if (mine !== asked) return;
  show(sent);
  try {
    const answer = await answerTo(sent, mine);
    if (mine === asked) tell(answer);
  } catch (problem) {
    if (mine === asked) fail(sentence(problem.message));
  }
}

/** The worker reads one picture of a client at a time: a newer one waits for its turn, older ones give theirs up. */
function answerTo(picture, mine) {
  const form = new FormData();
  form.append("picture", picture, "picture");
  const answer = last.then(() => askPatiently(form, mine));
  last = answer.catch(() => {});
  return answer;
}

/** Another window, or this page before it was loaded again, may have a picture there, too. */
async function askPatiently(form, mine) {
  for (let tries = 1; mine === asked; tries++) {
    try {
      return await ask("/api/v1/photo", { method: "POST", body: form }, { pausing });
    } catch (problem) {
      if (problem.status !== 429 || tries === BUSY_TRIES) throw problem;
    }
    await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
  }
  return null; // nobody waits for it
}

async function readExample(name) {
  const mine = begin();
  reading();
  try {
    const picture = await (await reach(`/api/v1/examples/${name}`, {}, { pausing })).blob();
    if (mine === asked) read(picture);
  } catch (problem) {
    if (mine === asked) fail(sentence(problem.message));
  }
}

function show(file) {
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(file);
  const picture = at("picture");
  picture.alt = "The picture that is being read";
  picture.onload = () => {
    onStage("shown");
    placeLabels();
  };
  picture.onerror = () => onStage("empty");
  picture.src = address;
}

/** A WebP that says how it is to be turned: browsers disagree whether to, so what they show is what is sent. */
async function asSeen(file) {
  const head = new Uint8Array(await file.slice(0, 21).arrayBuffer());
  const says = (at, word) => [...word].every((letter, i) => head[at + i] === letter.charCodeAt(0));
  if (!says(8, "WEBPVP8X") || !(head[20] & 8)) return file;
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return file;
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob || file), "image/jpeg", 0.95));
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");

function verdict(face) {
  return face.emotion ? `${face.emotion.label} ${percent(face.emotion.confidence)}` : ABSTENTIONS[face.abstained] || "not read";
}

/** As one reads: rows from above, each from left to right. */
function inReadingOrder(faces) {
  const middle = (face) => face.box[1] + face.box[3] / 2;
  const rows = [];
  for (const face of [...faces].sort((a, b) => middle(a) - middle(b))) {
    const row = rows.at(-1);
    if (row && middle(face) - middle(row[0]) < row[0].box[3]) row.push(face);
    else rows.push([face]);
  }
  return rows.flatMap((row) => row.sort((a, b) => a.box[0] - b.box[0]));
}

function summary(faces) {
  if (faces.length === 1) return `One face: ${verdict(faces[0])}.`;
  const counts = new Map();
  for (const face of faces) {
    const name = face.emotion ? face.emotion.label : "without an emotion";
    counts.set(name, (counts.get(name) || 0) + 1);
  }
  return `${faces.length} faces: ${[...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${count} ${name}`).join(", ")}.`;
}

function tell(answer) {
  at("picture").alt = "The picture that was read";
  at("models").textContent = `Read by ${answer.models.detector} and ${answer.models.classifier}.`;
  const faces = inReadingOrder(answer.faces);
  if (!faces.length) return say("No face was found. A face should be at least 20 pixels wide and look towards the camera.", "");
  say(summary(faces));
  faces.forEach((face, i) => {
    const card = cardOf(face, i + 1);
    const box = boxOf(face, i + 1, answer);
    for (const element of [card, box]) {
      const mark = (on) => [card, box].forEach((one) => one.classList.toggle("on", on));
      for (const [event, on] of [["mouseenter", true], ["mouseleave", false], ["focus", true], ["blur", false]]) {
        element.addEventListener(event, () => mark(on));
      }
    }
    box.addEventListener("click", () => card.focus());
    at("faces").append(card);
    at("boxes").append(box);
  });
  placeLabels();
  at("status").scrollIntoView({ block: "nearest" });
}

/** A box's label keeps to the picture, and shrinks to its number where it would cover another. */
function placeLabels() {
  const edge = at("boxes").parentElement.getBoundingClientRect();
  const boxes = [...at("boxes").children];
  for (const box of boxes) box.classList.remove("low", "right", "brief");
  const taken = boxes.map((box) => box.getBoundingClientRect());
  const covers = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  for (const [i, box] of boxes.entries()) {
    const label = box.querySelector("span");
    const place = () => label.getBoundingClientRect();
    box.classList.toggle("low", place().top < edge.top);
    box.classList.toggle("right", place().right > edge.right);
    box.classList.toggle("brief", taken.some((other, j) => j !== i && covers(place(), other)) || place().left < edge.left);
    taken.push(place());
  }
}

function boxOf(face, number, { width, height }) {
  const [x, y, w, h] = face.box;
  const hue = face.emotion ? face.emotion.label : "abstained";
  const label = make("span", {}, String(number), make("b", { text: face.emotion ? verdict(face) : "?" }));
  const box = make("button", { type: "button", cls: `box of-${hue}`, "aria-label": `Face ${number}: ${verdict(face)}` }, label);
  const within = (value, most) => Math.min(Math.max(value, 0), most);
  const [left, top] = [within(x, width), within(y, height)];
  box.style.left = `${(left / width) * 100}%`;
  box.style.top = `${(top / height) * 100}%`;
  box.style.width = `${((within(x + w, width) - left) / width) * 100}%`;
  box.style.height = `${((within(y + h, height) - top) / height) * 100}%`;
  return box;
}

function cardOf(face, number) {
  const hue = face.emotion ? face.emotion.label : "abstained";
  const values = [["detected", percent(face.score)]];
  if (face.quality) {
    values.push(["size", `${Math.round(face.quality.size_px)} px`], ["sharpness", face.quality.sharpness.toFixed(2)], ["brightness", face.quality.brightness.toFixed(2)]);
  }
  const quality = make("dl", { cls: "quality" }, ...values.map(([name, value]) => make("div", {}, make("dt", { text: name }), make("dd", { text: value }))));
  const body = face.emotion
    ? bars(face.emotion.probabilities)
    : make("p", { cls: "why small", text: REASONS[face.abstained] || "It was not read." });
  return make(
    "li",
    { cls: `card face of-${hue}`, tabindex: "-1" },
    make("header", {}, make("h3", { text: `Face ${number}` }), make("span", { cls: "verdict", text: face.emotion ? verdict(face) : "no emotion told" })),
    body,
    quality,
  );
}

function firstPicture(list) {
  const files = [...(list || [])];
  return files.find((file) => file.type.startsWith("image/")) || files[0];
}

at("choose").addEventListener("change", (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  if (file) read(file);
});
document.addEventListener("paste", (event) => {
  const file = firstPicture(event.clipboardData?.files);
  if (file) read(file);
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    stage.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) stage.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("over");
  const file = firstPicture(event.dataTransfer?.files);
  if (file) read(file);
});
for (const button of document.querySelectorAll(".example")) {
  button.addEventListener("click", () => readExample(button.dataset.name));
}

function cameraShown(on) {
  onStage(on ? "camera" : "empty");
  at("shoot").hidden = !on;
  at("webcam-off").hidden = !on;
  at("webcam").hidden = on;
  at("choose-label").hidden = on;
  at("examples").hidden = on;
  say(on ? "The webcam is on: take the picture when you are ready." : welcome);
}

function stopCamera() {
  if (!lens) return;
  lens.getTracks().forEach((track) => track.stop());
  lens = null;
  cameraShown(false);
}

at("webcam").addEventListener("click", async () => {
  let opened;
  try {
    opened = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
  } catch (error) {
    const told = { NotAllowedError: "The browser was not allowed to use the webcam.", NotFoundError: "There is no webcam." };
    return say(told[error.name] || "The webcam cannot be used.", "error");
  }
  begin(); // the last picture's faces are not those before the camera
  lens = opened;
  at("video").srcObject = lens;
  await at("video").play().catch(() => {}); // it does not where the next choice came first
  if (lens !== opened) return;
  cameraShown(true);
  at("shoot").focus();
});
at("webcam-off").addEventListener("click", () => {
  stopCamera();
  at("webcam").focus();
});
at("shoot").addEventListener("click", () => {
  const video = at("video");
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    stopCamera();
    if (blob) read(blob);
  }, "image/jpeg", 0.95);
});
addEventListener("pagehide", stopCamera);
addEventListener("resize", placeLabels);

if (!navigator.mediaDevices?.getUserMedia) {
  at("webcam").disabled = true;
  at("webcam-note").hidden = false;
  at("webcam-note").textContent = "The webcam works on https or localhost only: browsers do not give it to other addresses.";
}
