import { Viewer, unpack } from "./viewer.js";

// ---------- the page round the viewer: buttons, keys, fingers, backgrounds

const $ = id => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const SPEEDS = [0.25, 0.5, 1, 2];

// Colours in the middle and at the rim; what the person stands on takes a shadow if it is light enough.
const GROUNDS = [
  { name: "Gallery", colors: () => dark.matches ? ["#343331", "#191817"] : ["#f8f6f2", "#d9d5ce"] },
  { name: "White", colors: () => ["#ffffff", "#ffffff"] },
  { name: "Grey", colors: () => ["#8d8b87", "#6f6d6a"] },
  { name: "Night", colors: () => ["#232a36", "#0c0e13"] },
  { name: "Black", colors: () => ["#000000", "#000000"] },
  { name: "Transparent", colors: () => null },
  { name: "Own colour", colors: () => [$("own").value, $("own").value], own: true },
];

function fail(words) {
  document.documentElement.classList.add("failed");
  tell(words);
}

function tell(words) {
  const line = document.createElement("p");
  line.textContent = words;
  $("message").replaceChildren(...(words ? [line] : []));
}

async function open() {
  document.documentElement.dataset.tone = dark.matches ? "dark" : "light";
  if (typeof DecompressionStream === "undefined") {
    return fail("This browser is too old to unpack the person. A current Chrome, Edge, Firefox or Safari shows it.");
  }
  let record;
  try {
    record = await unpack($("avatar").textContent);
  } catch {
    return fail("This file is damaged: the person in it cannot be unpacked. Copy it anew, or export it again.");
  }
  $("avatar").remove();
  let viewer;
  try {
    viewer = new Viewer($("view"), record, tell);
  } catch (error) {
    return fail(`The person cannot be drawn here (${error.message}). The page needs WebGL2: switch on hardware `
      + "acceleration in the browser's settings, update the browser, or open the page on another device.");
  }
  new Page(viewer);
}

class Page {
  constructor(viewer) {
    this.viewer = viewer;
    this.playing = !calm.matches && !viewer.record.clips[viewer.clip].still;
    this.framed = true;
    this.dirty = true;
    this.flight = null;
    this.last = 0;
    this.slow = 0;
    this.sharpness = 1;
    this.fillMotions();
    this.fillGrounds();
    this.fillAbout();
    this.wireButtons();
    this.wirePointers();
    this.wireKeys();
    this.setGround(0);
    this.showPlaying();
    new ResizeObserver(() => this.resize()).observe($("stage"));
    this.resize();
    for (const query of [calm, dark]) {
      query.addEventListener("change", () => {
        if (calm.matches) this.play(false);
        this.setGround(this.ground);
      });
    }
    document.addEventListener("visibilitychange", () => this.last = 0);
    requestAnimationFrame(now => this.tick(now));
    // For pages that embed this one, for tests, and for the curious.
    globalThis.vivant = { viewer, page: this, measure: frames => this.measure(frames) };
    document.documentElement.dataset.ready = "";
  }

  // ---------- time

  tick(now) {
    requestAnimationFrame(later => this.tick(later));
    const passed = this.last ? Math.min((now - this.last) / 1000, 0.25) : 0;
    this.last = now;
    const moved = this.viewer.advance(passed, this.playing) | this.fly(passed);
    if (!moved && !this.dirty) return this.rest();
    this.dirty = false;
    this.pace(passed, moved);
    this.viewer.draw();
    this.showTime();
  }

  // Draw less finely while a slow machine plays; finely again as soon as the picture stands still.
  pace(passed, moved) {
    if (!moved || this.frozen) return;
    this.slow = 0.9 * this.slow + 0.1 * passed;
    if (this.slow > 0.045 && this.sharpness > 0.5) this.sharpen(this.sharpness * 0.8);
  }

  rest() {
    if (this.sharpness === 1 || this.frozen) return;
    this.sharpen(1);
    this.dirty = true;
  }

  sharpen(part) {
    this.sharpness = part;
    this.slow = 0;
    this.resize();
  }

  play(on) {
    const clip = this.viewer.record.clips[this.viewer.clip];
    this.playing = on && !clip.still;
    if (this.playing && !clip.loops && this.viewer.time >= clip.seconds) this.viewer.time = 0;
    this.showPlaying();
  }

  showPlaying() {
    const still = this.viewer.record.clips[this.viewer.clip].still;
    $("play").setAttribute("aria-label", this.playing ? "Pause" : "Play");
    $("play").title = this.playing ? "Pause (Space)" : "Play (Space)";
    $("play").querySelector("use").setAttribute("href", this.playing ? "#i-pause" : "#i-play");
    for (const id of ["play", "seek", "speed"]) $(id).disabled = still;
    $("motion").value = this.viewer.clip;
    this.dirty = true;
  }

  showTime() {
    const clip = this.viewer.record.clips[this.viewer.clip], part = clip.seconds ? this.viewer.time / clip.seconds : 0;
    if (!this.scrubbing) $("seek").value = part * 1000;
    fill($("seek"), part);
    const words = `${this.viewer.time.toFixed(1)} s`;
    if (words === this.shownTime) return;
    this.shownTime = words;
    $("clock").textContent = clip.still ? "" : words;
    $("seek").setAttribute("aria-valuetext", `${words} of ${clip.seconds.toFixed(1)} s`);
  }

  choose(number, smooth = !calm.matches) {
    this.viewer.choose(number, smooth);
    // A wave needs more room than a stand; whoever has come nearer stays there.
    if (this.framed) this.goTo({ ...this.viewer.lens, ...this.viewer.record.clips[number].room });
    this.playing = this.playing || !calm.matches;
    if (this.viewer.record.clips[number].still) this.playing = false;
    this.showPlaying();
    this.showTime();
  }

  step(frames) {
    const clip = this.viewer.record.clips[this.viewer.clip];
    if (clip.still) return;
    this.play(false);
    const time = this.viewer.time + frames / clip.fps;
    this.viewer.time = clip.loops ? (time + clip.seconds) % clip.seconds : Math.min(Math.max(time, 0), clip.seconds);
  }

  // ---------- camera

  goHome() {
    this.goTo({ ...this.viewer.record.home, ...this.viewer.record.clips[this.viewer.clip].room });
    this.framed = true;
  }

  goTo(lens) {
    const from = this.viewer.lens, to = { ...lens, target: [...lens.target], shift: [...lens.shift] };
    // The short way round.
    to.yaw = from.yaw + Math.atan2(Math.sin(to.yaw - from.yaw), Math.cos(to.yaw - from.yaw));
    if (calm.matches) this.viewer.lens = to;
    else this.flight = { from, to, left: 1 };
    this.dirty = true;
  }

  fly(passed) {
    if (!this.flight) return false;
    const { from, to } = this.flight;
    const part = 1 - (this.flight.left = Math.max(this.flight.left - passed / 0.7, 0));
    const smooth = part * part * (3 - 2 * part);
    const between = (a, b) => Array.isArray(a) ? a.map((x, k) => between(x, b[k])) : a + (b - a) * smooth;
    this.viewer.lens = Object.fromEntries(Object.keys(to).map(key => [key, between(from[key], to[key])]));
    if (part >= 1) this.flight = null;
    return true;
  }

  turn(dx, dy) {
    if (this.flight) {
      const { distance, target, aspect } = this.flight.to;
      Object.assign(this.viewer.lens, this.framed ? { distance, target: [...target], aspect } : { aspect });
    }
    this.flight = null;
    const { lens } = this.viewer;
    lens.yaw -= dx;
    lens.pitch = Math.min(Math.max(lens.pitch + dy, -1.5), 1.5);
    this.dirty = true;
  }

  // By pixels of the page; what is at the target's depth stays under the finger.
  move(dx, dy) {
    const { lens, canvas } = this.viewer;
    this.flight = null;
    this.framed = false;
    const { rows, focal } = this.viewer.camera ?? {};
    if (!rows) return;
    const metres = lens.distance / focal * canvas.width / canvas.clientWidth;
    lens.target = lens.target.map((x, k) => Math.min(Math.max(x - (rows[0][k] * dx + rows[1][k] * dy) * metres, -20), 20));
    this.dirty = true;
  }

  zoom(factor) {
    this.flight = null;
    this.framed = false;
    this.viewer.lens.distance = Math.min(Math.max(this.viewer.lens.distance * factor, 0.35), 30);
    this.dirty = true;
  }

  resize() {
    const { viewer } = this, { clientWidth: width, clientHeight: height } = $("stage");
    const ratio = this.frozen ?? Math.min(devicePixelRatio || 1, 2) * this.sharpness;
    viewer.canvas.width = Math.max(Math.round(width * ratio), 1);
    viewer.canvas.height = Math.max(Math.round(height * ratio), 1);
    viewer.ratio = ratio;
    // The person stands clear of the controls.
    const room = height - $("dock").getBoundingClientRect().top;
    // On a phone the buttons reach over the middle.
    const above = height <= 420 ? 6 : width < 560 ? 68 : 26;
    viewer.inset = { top: above * ratio, bottom: Math.max(room, 6) * ratio };
    this.dirty = true;
  }

  wirePointers() {
    const canvas = this.viewer.canvas, down = new Map();
    canvas.addEventListener("pointerdown", event => {
      canvas.setPointerCapture(event.pointerId);
      down.set(event.pointerId, [event.clientX, event.clientY]);
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(name, event => down.delete(event.pointerId));
    }
    canvas.addEventListener("pointermove", event => {
      const before = down.get(event.pointerId);
      if (!before) return;
      const now = [event.clientX, event.clientY], [dx, dy] = [now[0] - before[0], now[1] - before[1]];
      down.set(event.pointerId, now);
      if (down.size === 2) {
        const other = [...down].find(([id]) => id !== event.pointerId)[1];
        const apart = point => Math.max(Math.hypot(point[0] - other[0], point[1] - other[1]), 1);
        this.zoom(apart(before) / apart(now));
        // Both fingers report: each moves the middle by half.
        this.move(dx / 2, dy / 2);
      } else if (down.size === 1) {
        if (event.shiftKey || event.buttons & 6) this.move(dx, dy);
        else this.turn(dx * 0.007, dy * 0.007);
      }
    });
    canvas.addEventListener("wheel", event => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 30 : 1;
      this.zoom(Math.exp(Math.min(Math.max(event.deltaY * lines, -300), 300) * (event.ctrlKey ? 0.008 : 0.0011)));
    }, { passive: false });
    canvas.addEventListener("contextmenu", event => event.preventDefault());
    canvas.addEventListener("dblclick", () => this.goHome());
  }

  // ---------- buttons and keys

  wireButtons() {
    $("play").onclick = () => this.play(!this.playing);
    $("motion").onchange = event => this.choose(+event.target.value);
    $("speed").onchange = event => this.viewer.speed = +event.target.value;
    $("seek").oninput = event => {
      this.scrubbing = true;
      this.play(false);
      const clip = this.viewer.record.clips[this.viewer.clip];
      this.viewer.fading = null;
      // The end of a loop is its beginning; just before is its last moment.
      this.viewer.time = Math.min(event.target.value / 1000, clip.loops ? 0.9999 : 1) * clip.seconds;
    };
    $("seek").onchange = () => this.scrubbing = false;
    $("photo").onclick = () => this.asInPhoto();
    $("home").onclick = () => this.goHome();
    $("save").onclick = () => this.save();
    $("more").onclick = () => this.showPanel($("panel").hidden);
    for (const id of ["skeleton", "wire"]) $(id).onchange = event => this.overlay(id, event.target.checked);
    $("budget").oninput = event => this.setBudget(+event.target.value);
    this.setBudget(32);
  }

  asInPhoto() {
    this.framed = false;
    this.choose(0);
    this.goTo(this.viewer.record.photo);
  }

  showPanel(shown) {
    $("panel").hidden = !shown;
    $("more").setAttribute("aria-expanded", shown);
  }

  overlay(name, shown) {
    this.viewer.overlays[name] = $(name).checked = shown;
    this.dirty = true;
  }

  setBudget(layers) {
    const { viewer } = this;
    // Whole layers, each of them spread over the whole body.
    viewer.shown = Math.ceil(viewer.count * layers / 32);
    $("splats").textContent = viewer.shown.toLocaleString("en");
    $("budget").setAttribute("aria-valuetext", `${viewer.shown} splats`);
    fill($("budget"), (layers - 1) / 31);
    this.dirty = true;
  }

  wireKeys() {
    const keys = {
      " ": () => this.play(!this.playing),
      "0": () => this.goHome(), Home: () => this.goHome(),
      p: () => this.asInPhoto(), c: () => this.save(),
      s: () => this.overlay("skeleton", !$("skeleton").checked), w: () => this.overlay("wire", !$("wire").checked),
      b: () => this.setGround((this.ground + 1) % (GROUNDS.length - 1)),
      "+": () => this.zoom(0.9), "=": () => this.zoom(0.9), "-": () => this.zoom(1 / 0.9),
      ",": () => this.step(-1), ".": () => this.step(1),
      "[": () => this.faster(-1), "]": () => this.faster(1),
      Escape: () => this.showPanel(false),
    };
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    document.addEventListener("keydown", event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const busy = event.target.closest?.("input, select, summary, button"), arrow = arrows[event.key];
      if (arrow && !event.target.closest?.("input, select")) {
        if (event.shiftKey) this.move(-24 * arrow[0], -24 * arrow[1]);
        else this.turn(0.1 * arrow[0], -0.08 * arrow[1]);
      } else {
        const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
        // Space and letters belong to a control that has the focus.
        if (!act || busy && (event.key === " " || busy.tagName === "SELECT" || busy.type === "range" && event.key === "Home")) return;
        act();
      }
      event.preventDefault();
    });
  }

  faster(way) {
    const at = SPEEDS.indexOf(this.viewer.speed ?? 1) + way;
    this.viewer.speed = SPEEDS[Math.min(Math.max(at, 0), SPEEDS.length - 1)];
    $("speed").value = this.viewer.speed;
  }

  fillMotions() {
    const { clips } = this.viewer.record;
    $("motion").replaceChildren(...clips.map((clip, number) => {
      const option = document.createElement("option");
      option.value = number;
      option.textContent = number ? spoken(clip.name) : "As in the photo";
      return option;
    }));
  }

  fillAbout() {
    const { record, count } = this.viewer, { about } = record, parts = [];
    const paragraph = words => {
      const made = document.createElement("p");
      made.textContent = words;
      parts.push(made);
    };
    if (about.recipe) paragraph(`Made from one photo with the recipe “${about.recipe}” of vivant.`);
    paragraph(`The photo shows ${Math.round(about.seen * 100)} % of the person; the rest is guessed.`);
    about.notes.forEach(paragraph);
    paragraph("Everything is in this page. It asks no network for anything.");
    $("about").replaceChildren(...parts);
    $("told").textContent = `${count.toLocaleString("en")} splats`;
  }

  // ---------- backgrounds and pictures

  fillGrounds() {
    const row = document.createElement("div");
    row.className = "row";
    GROUNDS.forEach((ground, number) => {
      const label = document.createElement("label"), input = document.createElement("input"), dot = document.createElement("i");
      input.setAttribute("aria-label", ground.name);
      label.title = ground.name;
      if (ground.own) {
        Object.assign(input, { type: "color", id: "own", value: "#7f9cb5" });
        input.oninput = () => this.setGround(number);
      } else {
        Object.assign(input, { type: "radio", name: "ground", value: number });
        input.onchange = () => this.setGround(number);
      }
      label.append(input, dot);
      row.append(label);
    });
    $("grounds").append(row);
  }

  setGround(number) {
    this.ground = number;
    const colors = GROUNDS[number].colors(), root = document.documentElement;
    [...document.querySelectorAll("#grounds input[type=radio]")].forEach((input, n) => input.checked = n === number);
    document.querySelectorAll("#grounds i").forEach((dot, n) => {
      const shown = GROUNDS[n].own ? null : GROUNDS[n].colors();
      dot.style.background = GROUNDS[n].own ? "conic-gradient(#d66,#dc6,#6c8,#6ad,#96d,#d66)"
        : shown ? `radial-gradient(circle at 50% 40%, ${shown.join(", ")})` : CHECKS;
    });
    $("stage").style.background = colors ? `radial-gradient(ellipse 75% 85% at 50% 44%, ${colors.join(", ")})` : CHECKS;
    const lightness = colors ? luminance(colors[1]) : 0.9;
    root.dataset.tone = lightness > 0.4 ? "light" : "dark";
    this.viewer.overlays.shadow = colors !== null && lightness > 0.02;
    this.viewer.ink = lightness > 0.4 ? [0.08, 0.5, 0.9] : [0.35, 0.75, 1];
    this.dirty = true;
  }

  paint(flat, width, height) {
    const colors = GROUNDS[this.ground].colors();
    if (!colors) return;
    // The ellipse of the page's background.
    flat.setTransform(0.75 * width, 0, 0, 0.85 * height, 0.5 * width, 0.44 * height);
    const glow = flat.createRadialGradient(0, 0, 0, 0, 0, 1);
    glow.addColorStop(0, colors[0]);
    glow.addColorStop(1, colors[1]);
    flat.fillStyle = glow;
    flat.fillRect(-2, -2, 4, 4);
    flat.resetTransform();
  }

  save() {
    const { canvas } = this.viewer, ratio = Math.min(2, 4096 / Math.max(canvas.clientWidth, canvas.clientHeight));
    const made = this.viewer.picture(Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio),
      (...args) => this.paint(...args));
    made.toBlob(blob => {
      const link = document.createElement("a");
      link.download = `${document.title.replace(/[^\p{L}\p{N} _-]+/gu, "_").slice(0, 60) || "avatar"}.png`;
      link.href = URL.createObjectURL(blob);
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    });
  }

  // Milliseconds a frame for posing and sorting, drawn right now in the motion that is chosen: medians.
  measure(frames = 60) {
    const { viewer } = this, { times } = viewer, time = viewer.time;
    for (const list of Object.values(times)) list.length = 0;
    for (let n = 0; n < frames; n++) {
      viewer.time = n / 30 % Math.max(viewer.record.clips[viewer.clip].seconds, 0.01);
      viewer.draw();
    }
    viewer.time = time;
    const median = list => [...list].sort((a, b) => a - b)[list.length >> 1];
    return { splats: viewer.shown, pose: median(times.pose), sort: median(times.sort), draw: median(times.draw) };
  }
}

const CHECKS = "repeating-conic-gradient(#c9c9c9 0 25%, #f2f2f2 0 50%) 0 0 / 22px 22px";

function fill(range, part) {
  range.style.setProperty("--part", `${100 * part}%`);
}

function luminance(color) {
  const value = parseInt(color.slice(1), 16);
  return (0.21 * (value >> 16) + 0.72 * (value >> 8 & 255) + 0.07 * (value & 255)) / 255;
}

// A motion's name as words: "range_of_motion" becomes "Range of motion".
function spoken(name) {
  const words = name.replace(/[_-]+/g, " ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : "Motion";
}

open();
