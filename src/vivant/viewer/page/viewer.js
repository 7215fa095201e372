// An avatar of skinned 3D Gaussians in WebGL2, without dependencies.
//
// Each frame: joints are posed and splats sorted by the depth of their skinned centres here, on the CPU; the
// vertex shader skins each splat by four joints, stretches it as the skin under it is, and projects it (EWA splatting, Zwicker et al. 2002; 3D Gaussian
// splatting, arXiv 2308.04079). The arithmetic is that of vivant.splat in Python, which the tests hold it to.
//
// Cameras are OpenCV's: x right, y down, z forward, pixel centres at half-integers. World: y up, metres.

import { Skin } from "./skin.js";

const BLUR = 0.3, ALPHA_LEAST = 1 / 255, NEAR = 0.01, MARGIN = 0.15; // As in vivant/splat/rasterizer/_limits.py.
const ROW = 512; // Splats in a row of the texture, three texels each.
const FADE = 0.35; // Seconds from one motion into the next.
const LAYERS = 32; // Parts of the splats that can be left out.
const BLOBS = 48; // Joints that cast a shadow.
const FINE = /finger|toe|metacarpal|thumb|index|middle|ring|pinky|eye|jaw/i; // Joints drawn finely.

// ---------- unpacking (written by vivant/viewer/pack.py)

export async function unpack(text) {
  const letters = atob(text.trim()), packed = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const record = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const columns = {};
  let at = 4 + length;
  for (const { name, bits, count } of record.columns) {
    columns[name] = column(bytes.subarray(at, at += count * bits / 8), bits, count);
  }
  return { ...record, columns };
}

// Undo folded differences; see vivant/viewer/codes.py.
function column(bytes, bits, count) {
  const values = bits === 8 ? new Uint8Array(count) : new Uint16Array(count);
  let last = 0;
  for (let i = 0; i < count; i++) {
    const folded = bits === 8 ? bytes[i] : bytes[i] | bytes[count + i] << 8;
    values[i] = last += (folded >>> 1) ^ -(folded & 1);
    last = values[i];
  }
  return values;
}

const mix = (low, high, part) => low + (high - low) * part;

const scratch = new DataView(new ArrayBuffer(4));
function halfBits(value) {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0), exponent = (bits >>> 23 & 255) - 112;
  if (exponent <= 0) return 0; // Smaller than 6e-5: nothing to see.
  if (exponent >= 31) return 0x7bff;
  return (exponent << 10 | bits >>> 13 & 1023) + (bits >>> 12 & 1);
}

// ---------- cameras

// Orbit parameters to a pinhole camera for a picture of some size. `frame` is the height, in pixels, that the
// lens was made for: as large as fits beside the insets.
export function cameraOf(lens, width, height, inset = { top: 0, bottom: 0 }, offset = [0, 0, 0]) {
  const { yaw, pitch, roll, distance, focal, shift, aspect } = lens;
  const free = Math.max(height - inset.top - inset.bottom, 1), frame = Math.min(free, width / aspect);
  const [sy, cy, sp, cp, sr, cr] = [yaw, pitch, roll].flatMap(a => [Math.sin(a), Math.cos(a)]);
  const ahead = [-sy * cp, -sp, -cy * cp], level = [cy, 0, -sy];
  const below = [
    ahead[1] * level[2] - ahead[2] * level[1],
    ahead[2] * level[0] - ahead[0] * level[2],
    ahead[0] * level[1] - ahead[1] * level[0],
  ];
  const right = level.map((x, k) => cr * x + sr * below[k]), down = level.map((x, k) => cr * below[k] - sr * x);
  const eye = lens.target.map((x, k) => x + offset[k] * lens.follow - distance * ahead[k]);
  const rows = [right, down, ahead].map(r => [...r, -(r[0] * eye[0] + r[1] * eye[1] + r[2] * eye[2])]);
  return {
    rows, focal: focal * frame, width, height,
    center: [width / 2 + shift[0] * frame, inset.top + free / 2 + shift[1] * frame],
  };
}

function projected(camera, x, y, z) {
  const [u, v, d] = camera.rows.map(r => r[0] * x + r[1] * y + r[2] * z + r[3]);
  return [camera.focal * u / d + camera.center[0], camera.focal * v / d + camera.center[1], d];
}

// ---------- shaders

const COMMON = `#version 300 es
precision highp float; precision highp int; precision highp usampler2D;
uniform sampler2D bones; uniform vec4 camera[3]; uniform vec4 lens; uniform vec2 size;
// lens: focal length, nothing, centre x and y; all in pixels.
void blend(uvec4 joint, vec4 weight, out vec4 x, out vec4 y, out vec4 z) {
  x = y = z = vec4(0);
  for (int i = 0; i < 4; i++) {
    if (weight[i] == 0.) continue;
    int j = int(joint[i]);
    x += weight[i] * texelFetch(bones, ivec2(0, j), 0);
    y += weight[i] * texelFetch(bones, ivec2(1, j), 0);
    z += weight[i] * texelFetch(bones, ivec2(2, j), 0);
  }
}
vec3 seen(vec3 p) { vec4 q = vec4(p, 1); return vec3(dot(camera[0], q), dot(camera[1], q), dot(camera[2], q)); }
vec4 clip(vec3 p) {
  const float n = .02, f = 200.;
  vec2 pixel = lens.x * p.xy + lens.zw * p.z;
  return vec4(2. * pixel.x / size.x - p.z, p.z - 2. * pixel.y / size.y, ((f + n) * p.z - 2. * f * n) / (f - n), p.z);
}
vec4 bytes(uint v) { return vec4(v & 255u, v >> 8 & 255u, v >> 16 & 255u, v >> 24) / 255.; }
`;

const SPLAT_VERTEX = COMMON + `
uniform usampler2D splats, faces; uniform sampler2D strains; uniform float grow, bright;
layout(location = 0) in vec2 corner; layout(location = 1) in uint slot;
out vec2 sigmas; out vec4 color;
mat3 turned(vec4 q) {
  float w = q.x, x = q.y, y = q.z, z = q.w;
  return mat3(1. - 2. * (y * y + z * z), 2. * (x * y + w * z), 2. * (x * z - w * y),
              2. * (x * y - w * z), 1. - 2. * (x * x + z * z), 2. * (y * z + w * x),
              2. * (x * z + w * y), 2. * (y * z - w * x), 1. - 2. * (x * x + y * y));
}
// The rotation part of the polar decomposition, by Newton's iteration (Higham 1986).
mat3 nearestRotation(mat3 m) {
  for (int i = 0; i < 9; i++) {
    mat3 c = mat3(cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1]));
    mat3 next = .5 * (m + c / dot(m[0], c[0]));
    mat3 d = next - m;
    m = next;
    if (dot(d[0], d[0]) + dot(d[1], d[1]) + dot(d[2], d[2]) < 1e-10) break;
  }
  return m;
}
void main() {
  gl_Position = vec4(0, 0, 2, 1); sigmas = vec2(0); color = vec4(0);
  ivec2 at = ivec2(int(slot % ${ROW}u) * 3, int(slot / ${ROW}u));
  uvec4 a = texelFetch(splats, at, 0), b = texelFetch(splats, at + ivec2(1, 0), 0),
        c = texelFetch(splats, at + ivec2(2, 0), 0);
  // Splats of the face: how far it moves them, and in which colour.
  uvec4 moved = uvec4(0, 0, 0, a.w);
  if (c.z > 0u) moved = texelFetch(faces, ivec2(int((c.z - 1u) % ${ROW}u), int((c.z - 1u) / ${ROW}u)), 0);
  vec4 place = vec4(uintBitsToFloat(a.xyz) + uintBitsToFloat(moved.xyz), 1), weight = bytes(b.y);
  uvec4 joint = uvec4(b.x & 255u, b.x >> 8 & 255u, b.x >> 16 & 255u, b.x >> 24);
  vec4 x, y, z;
  blend(joint, weight, x, y, z);
  vec3 p = seen(vec3(dot(x, place), dot(y, place), dot(z, place)));
  if (p.z <= ${NEAR}) return;
  vec3 scale = vec3(unpackHalf2x16(b.z), unpackHalf2x16(b.w).x) * grow;
  mat3 look = transpose(mat3(camera[0].xyz, camera[1].xyz, camera[2].xyz));
  mat3 bend = transpose(mat3(x.xyz, y.xyz, z.xyz));
  mat3 axes = turned(normalize(vec4(unpackSnorm2x16(c.x), unpackSnorm2x16(c.y))));
  if (c.w > 0u) {
    int v = int(c.w) - 1;
    axes += transpose(mat3(texelFetch(strains, ivec2(0, v), 0).xyz, texelFetch(strains, ivec2(1, v), 0).xyz,
                           texelFetch(strains, ivec2(2, v), 0).xyz)) * axes;
  }
  axes = look * nearestRotation(bend) * axes;
  axes = mat3(axes[0] * scale.x, axes[1] * scale.y, axes[2] * scale.z);
  // How pixels move with points (EWA splatting, equation 29), linearised no farther out than near the rim.
  vec2 low = (-${MARGIN} * size - lens.zw) / lens.x, high = ((1. + ${MARGIN}) * size - lens.zw) / lens.x;
  vec2 slope = clamp(p.xy / p.z, low, high);
  float f = lens.x / p.z;
  mat3 rows = transpose(axes);
  vec3 u = f * (rows[0] - slope.x * rows[2]), v = f * (rows[1] - slope.y * rows[2]);
  float xx = dot(u, u) + ${BLUR}, yy = dot(v, v) + ${BLUR}, xy = dot(u, v);
  float middle = .5 * (xx + yy), half_ = .5 * (xx - yy), apart = sqrt(half_ * half_ + xy * xy);
  float wide = middle + apart, thin = max((xx * yy - xy * xy) / wide, 1e-6);
  vec2 along = abs(xy) > 1e-5 * middle ? normalize(vec2(xy, wide - xx)) : (xx >= yy ? vec2(1, 0) : vec2(0, 1));
  color = bytes(moved.w) * vec4(vec3(bright), 1);
  // Beyond so many standard deviations the splat is fainter than is drawn.
  float reach = sqrt(2. * log(max(color.a * 255., 1.)));
  sigmas = corner * reach;
  vec2 offset = sigmas.x * sqrt(wide) * along + sigmas.y * sqrt(thin) * vec2(-along.y, along.x);
  vec2 pixel = lens.x * p.xy / p.z + lens.zw + offset;
  gl_Position = vec4(2. * pixel.x / size.x - 1., 1. - 2. * pixel.y / size.y, 0, 1);
}`;

const SPLAT_FRAGMENT = `#version 300 es
precision highp float;
in vec2 sigmas; in vec4 color; out vec4 drawn;
void main() {
  float alpha = min(color.a * exp(-.5 * dot(sigmas, sigmas)), .999);
  if (alpha < ${ALPHA_LEAST}) discard;
  drawn = vec4(color.rgb * alpha, alpha);
}`;

const SHADOW_VERTEX = COMMON + `
layout(location = 0) in vec2 corner;
uniform vec4 patch_; // Middle x and z, half the side.
out vec2 floor_;
void main() {
  floor_ = patch_.xy + corner * patch_.z;
  gl_Position = clip(seen(vec3(floor_.x, 0, floor_.y)));
}`;

const SHADOW_FRAGMENT = `#version 300 es
precision highp float;
uniform vec4 blobs[${BLOBS}]; // x, z, radius squared, strength
uniform vec4 patch_;
in vec2 floor_; out vec4 drawn;
void main() {
  float shade = 0.;
  for (int i = 0; i < ${BLOBS}; i++) {
    vec2 off = floor_ - blobs[i].xy;
    shade += blobs[i].w * exp(-dot(off, off) / blobs[i].z);
  }
  vec2 rim = (floor_ - patch_.xy) / patch_.z;
  shade = (1. - exp(-shade)) * max(1. - dot(rim, rim), 0.);
  // A little noise, so that 8 bits show no steps.
  float noise = fract(sin(dot(gl_FragCoord.xy, vec2(12.9898, 78.233))) * 43758.5453);
  drawn = vec4(0, 0, 0, max(shade + (noise - .5) / 255., 0.));
}`;

const WIRE_VERTEX = COMMON + `
layout(location = 0) in vec3 place; layout(location = 1) in uvec4 joint; layout(location = 2) in vec4 weight;
out vec3 corner;
void main() {
  vec4 x, y, z, p = vec4(place, 1);
  blend(joint, weight, x, y, z);
  int k = gl_VertexID % 3;
  corner = vec3(k == 0, k == 1, k == 2);
  gl_Position = clip(seen(vec3(dot(x, p), dot(y, p), dot(z, p))));
}`;

const WIRE_FRAGMENT = `#version 300 es
precision highp float;
uniform vec4 ink; uniform float thick;
in vec3 corner; out vec4 drawn;
void main() {
  vec3 near = corner / fwidth(corner);
  float line = clamp(thick + .5 - min(min(near.x, near.y), near.z), 0., 1.) * ink.a;
  drawn = vec4(ink.rgb * line, line);
}`;

const STROKE_VERTEX = COMMON + `
layout(location = 0) in vec2 corner; layout(location = 1) in vec4 ends; layout(location = 2) in float thick;
out vec2 pixel; out vec4 line; out float width;
void main() {
  vec2 way = ends.zw - ends.xy;
  vec2 along = dot(way, way) > 1e-6 ? normalize(way) : vec2(1, 0), across = vec2(-along.y, along.x);
  float room = thick + 2.;
  pixel = (corner.x < 0. ? ends.xy - along * room : ends.zw + along * room) + across * corner.y * room;
  line = ends; width = thick;
  gl_Position = vec4(2. * pixel.x / size.x - 1., 1. - 2. * pixel.y / size.y, 0, 1);
}`;

const STROKE_FRAGMENT = `#version 300 es
precision highp float;
uniform vec4 ink, rim;
in vec2 pixel; in vec4 line; in float width; out vec4 drawn;
void main() {
  vec2 way = line.zw - line.xy, from = pixel - line.xy;
  float t = clamp(dot(from, way) / max(dot(way, way), 1e-6), 0., 1.), off = distance(from, way * t);
  float core = clamp(width - off + .5, 0., 1.) * ink.a, edge = clamp(width + 1.5 - off, 0., 1.) * rim.a;
  drawn = vec4(mix(rim.rgb * edge, ink.rgb, core), max(core, edge));
}`;

const COPY_VERTEX = `#version 300 es
layout(location = 0) in vec2 corner;
void main() { gl_Position = vec4(corner, 0, 1); }`;

const COPY_FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D picture;
out vec4 drawn;
void main() { drawn = texelFetch(picture, ivec2(gl_FragCoord.xy), 0); }`;

// ---------- the viewer

export class Viewer {
  // `record` comes from `unpack`. `told` is called with a message when drawing stops, and with "" when it goes on.
  constructor(canvas, record, told = () => {}) {
    this.canvas = canvas;
    this.record = record;
    this.count = record.splats.count;
    this.shown = this.count;
    this.clip = record.clips.length > 1 ? 1 : 0;
    this.time = 0;
    this.lens = { ...record.home, target: [...record.home.target], shift: [...record.home.shift] };
    this.inset = { top: 0, bottom: 0 };
    this.overlays = { shadow: true, wire: false, skeleton: false };
    this.ink = [0.05, 0.45, 0.9];
    this.times = { pose: [], sort: [], draw: [] };
    this.fading = null;
    this.skin = new Skin(record);
    this.readSplats();
    this.readFace();
    this.readClips();
    const joints = record.joints.names.length;
    this.turns = new Float32Array(joints * 4);
    this.root = [0, 0, 0];
    this.bones = new Float32Array(joints * 12);
    this.places = new Float32Array(joints * 3);
    this.gl = canvas.getContext("webgl2", { alpha: true, antialias: false, premultipliedAlpha: true });
    if (!this.gl) throw new Error("WebGL2 is not available");
    canvas.addEventListener("webglcontextlost", event => {
      event.preventDefault();
      this.lost = true;
      told("The graphics driver stopped this picture. It comes back by itself if it can; else reload the page.");
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.lost = false;
      this.build();
      told("");
    });
    this.build();
  }

  // Columns to arrays. Every 32nd splat along the curve comes first, then every 32nd of the rest, and so on: any
  // first few of these layers cover the whole body evenly, so that fewer splats can be drawn at any time, and
  // within a layer neighbours stay together, which is twice as fast to sort as a shuffled order.
  readSplats() {
    const { splats, columns: c } = this.record, count = this.count;
    const rows = Math.ceil(count / ROW);
    const words = this.words = new Uint32Array(rows * ROW * 12), floats = new Float32Array(words.buffer);
    const places = this.rest = new Float32Array(count * 3);
    const joints = this.splatJoints = new Uint8Array(count * 4), weights = this.splatWeights = new Float32Array(count * 4);
    const [least, most] = splats.scales, quat = [0, 0, 0, 0];
    // Of the splats a face moves: which one each is, from 1 on, and which slot it gets.
    const ofFace = new Uint32Array(c.face ? count : 0);
    this.faceSlots = new Uint32Array(this.record.face?.count ?? 0);
    for (let i = 0, n = 0; i < ofFace.length; i++) if (c.face[i]) ofFace[i] = ++n;
    let layer = 0;
    for (let slot = 0, i = 0; slot < count; slot++, i += LAYERS) {
      // The bits of the layer's number, reversed, spread the layers evenly, too.
      while (i >= count) {
        layer++;
        i = (layer & 1) << 4 | (layer & 2) << 2 | layer & 4 | (layer & 8) >> 2 | (layer & 16) >> 4;
      }
      const at = (Math.floor(slot / ROW) * ROW + slot % ROW) * 12;
      const xyz = [c.x[i], c.y[i], c.z[i]];
      for (let k = 0; k < 3; k++) {
        floats[at + k] = places[slot * 3 + k] = splats.low[k] + xyz[k] * splats.step;
      }
      const green = c.green[i], red = c.red[i] + green & 255, blue = c.blue[i] + green & 255;
      words[at + 3] = (red | green << 8 | blue << 16 | c.opacity[i] << 24) >>> 0;
      // Joints without weight go last.
      let left = 255, used = 0;
      for (let k = 0; k < 4; k++) {
        const weight = k < 3 ? c["weight" + k][i] : left, joint = splats.sets[c.set[i] * 4 + k];
        left -= weight;
        if (weight === 0) continue;
        joints[slot * 4 + used] = joint;
        weights[slot * 4 + used] = weight / 255;
        words[at + 4] |= joint << 8 * used;
        words[at + 5] |= weight << 8 * used++;
      }
      const size = c.scale0[i], sizes = [size, c.scale1[i] + size & 255, c.scale2[i] + size & 255];
      const scales = sizes.map(x => halfBits(Math.exp(mix(least, most, x / splats.scale_steps))));
      words[at + 6] = scales[0] | scales[1] << 16;
      words[at + 7] = scales[2];
      readQuat(c, i, splats.turn_steps, quat);
      const q = quat.map(x => Math.round(x * 32767) & 65535);
      words[at + 8] = (q[0] | q[1] << 16) >>> 0;
      words[at + 9] = (q[2] | q[3] << 16) >>> 0;
      if (ofFace[i]) {
        words[at + 10] = ofFace[i];
        this.faceSlots[ofFace[i] - 1] = slot;
      }
      words[at + 11] = this.skin.nearest(...places.subarray(slot * 3, slot * 3 + 3), joints, weights, slot * 4);
    }
    this.depths = new Float32Array(count);
    this.keys = new Uint32Array(count);
    this.order = new Uint32Array(count);
    this.halfway = new Uint32Array(count);
    this.counts = [new Uint32Array(2049), new Uint32Array(2049)];
  }

  // For each action the splats it moves, and how far; one texel a splat with its offset and its colour.
  readFace() {
    const { face, columns: c } = this.record, slots = this.faceSlots, count = slots.length;
    this.faceWords = new Uint32Array(Math.max(Math.ceil(count / ROW), 1) * ROW * 4);
    this.faceFloats = new Float32Array(this.faceWords.buffer);
    this.faceRest = new Float32Array(count * 3);
    for (let n = 0; n < count; n++) {
      for (let k = 0; k < 3; k++) this.faceRest[n * 3 + k] = this.rest[slots[n] * 3 + k];
      this.faceWords[n * 4 + 3] = this.colorOf(slots[n]);
    }
    this.actions = (face?.names ?? []).map((name, a) => {
      const axes = ["x", "y", "z"].map(axis => c[`face${a}_${axis}`]), moved = [], lid = [];
      for (let n = 0; n < count; n++) {
        if (axes.some(axis => axis[n] !== 127)) moved.push(n);
        if (c.lid[n] === a + 1) lid.push(n);
      }
      const offsets = Float32Array.from({ length: moved.length * 3 }, (_, k) =>
        (axes[k % 3][moved[Math.floor(k / 3)]] - 127) / 127 * face.largest[a]);
      return { name, rest: face.at_rest[a], moved: Uint32Array.from(moved), offsets, lid: Uint32Array.from(lid) };
    });
    this.weights = new Float32Array(this.actions.length);
    this.worn = new Float32Array(this.actions.length); // What the texture shows.
  }

  colorOf(slot) {
    return this.words[(Math.floor(slot / ROW) * ROW + slot % ROW) * 12 + 3];
  }

  readClips() {
    const { clips, columns } = this.record;
    clips.forEach((clip, number) => {
      const part = k => columns[`clip${number}_turn${k}`], axis = k => columns[`clip${number}_root${k}`];
      clip.turns = [0, 1, 2, 3].map(part);
      clip.faces = clip.acting.map(action => columns[`clip${number}_face${action}`]);
      clip.roots = Float32Array.from({ length: clip.frames * 3 }, (_, i) =>
        mix(clip.low[i % 3], clip.high[i % 3], axis(i % 3)[Math.floor(i / 3)] / 65535));
      clip.seconds = clip.still ? 0 : (clip.frames - (clip.loops ? 0 : 1)) / clip.fps;
      clip.travels = Math.hypot(clip.high[0] - clip.low[0], clip.high[2] - clip.low[2]) > 0.5;
      const middle = [0, 2].map(k => (clip.low[k] + clip.high[k]) / 2);
      clip.away = Math.hypot(...middle) > 0.25 ? [middle[0], 0, middle[1]] : [0, 0, 0];
    });
  }

  // ---------- poses

  // Joint turns and root of a clip at a time, between its frames; into `turns` (wxyz) and `root`.
  sample(clip, time, turns, root) {
    const moment = this.moment(clip, time), first = Math.floor(moment), part = moment - first;
    const next = clip.loops ? (first + 1) % clip.frames : Math.min(first + 1, clip.frames - 1);
    const steps = this.record.turn_steps;
    turns.fill(0);
    for (let j = 0; j < turns.length; j += 4) turns[j] = 1;
    clip.moving.forEach((joint, n) => {
      const at = n * clip.frames, a = at + first, b = at + next;
      let length = 0;
      for (let k = 0; k < 4; k++) {
        const value = mix(clip.turns[k][a], clip.turns[k][b], part) / steps - 1;
        turns[joint * 4 + k] = value;
        length += value * value;
      }
      for (let k = 0, scale = 1 / Math.sqrt(length); k < 4; k++) turns[joint * 4 + k] *= scale;
    });
    for (let k = 0; k < 3; k++) root[k] = mix(clip.roots[first * 3 + k], clip.roots[next * 3 + k], part);
  }

  // How strong each facial action is.
  sampleFace(clip, time, weights) {
    const moment = this.moment(clip, time), first = Math.floor(moment), part = moment - first;
    const next = clip.loops ? (first + 1) % clip.frames : Math.min(first + 1, clip.frames - 1);
    weights.fill(0);
    clip.acting.forEach((action, n) => weights[action] = mix(clip.faces[n][first], clip.faces[n][next], part) / 255);
  }

  // A time as a number of frames, from 0 to below the clip's count.
  moment(clip, time) {
    if (clip.still) return 0;
    const frames = time * clip.fps;
    if (clip.loops) return (frames % clip.frames + clip.frames) % clip.frames;
    return Math.min(Math.max(frames, 0), clip.frames - 1);
  }

  // Change to another clip; the pose goes over smoothly if `smooth`.
  choose(number, smooth = true) {
    if (smooth) {
      const { turns, root, weights } = this;
      this.fading = { turns: turns.slice(), root: [...root], weights: weights.slice(), offset: this.offset(), left: FADE };
    }
    else this.fading = null;
    this.clip = number;
    this.time = 0;
  }

  // Let time pass; gives true while something moves.
  advance(seconds, playing) {
    const clip = this.record.clips[this.clip];
    if (this.fading && (this.fading.left -= seconds) <= 0) this.fading = null;
    if (playing && !clip.still) {
      this.time += seconds * (this.speed ?? 1);
      if (clip.loops) this.time %= clip.seconds;
      else if (this.time > clip.seconds) {
        // What does not loop begins again, smoothly.
        this.choose(this.clip);
      }
    }
    return playing && !clip.still || this.fading !== null;
  }

  // How far the camera's target has moved with the person.
  offset() {
    const clip = this.record.clips[this.clip], faded = this.fading;
    let way = clip.away;
    if (clip.travels) {
      // An average over a step or so, for the hips swing.
      const root = [0, 0, 0], spare = this.spare ??= new Float32Array(this.turns.length), sum = [0, 0, 0];
      for (const lag of [-0.4, -0.2, 0, 0.2, 0.4]) {
        const at = clip.loops ? this.time + lag : Math.min(Math.max(this.time + lag, 0), clip.seconds);
        this.sample(clip, at, spare, root);
        sum[0] += root[0] / 5;
        sum[2] += root[2] / 5;
      }
      way = sum;
    }
    if (!faded) return way;
    return way.map((x, k) => mix(x, faded.offset[k], eased(faded.left / FADE)));
  }

  // One rigid transform a joint (three rows of four), as vivant.body.forward_kinematics gives them.
  pose() {
    const { parents, places: rest } = this.record.joints, { turns, root, bones, places, fading } = this;
    this.sample(this.record.clips[this.clip], this.time, turns, root);
    this.sampleFace(this.record.clips[this.clip], this.time, this.weights);
    if (fading) {
      const part = eased(fading.left / FADE);
      this.weights.forEach((weight, k) => this.weights[k] = mix(weight, fading.weights[k], part));
      for (let k = 0; k < 3; k++) root[k] = mix(root[k], fading.root[k], part);
      for (let j = 0; j < turns.length; j += 4) {
        let dot = 0, length = 0;
        for (let k = j; k < j + 4; k++) dot += turns[k] * fading.turns[k];
        for (let k = j; k < j + 4; k++) {
          turns[k] = mix(turns[k], dot < 0 ? -fading.turns[k] : fading.turns[k], part);
          length += turns[k] * turns[k];
        }
        for (let k = j, scale = 1 / Math.sqrt(length); k < j + 4; k++) turns[k] *= scale;
      }
    }
    for (let j = 0; j < parents.length; j++) {
      const w = turns[j * 4], x = turns[j * 4 + 1], y = turns[j * 4 + 2], z = turns[j * 4 + 3], r = rest[j];
      const m = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
      ];
      const p = parents[j] * 12, at = j * 12;
      // A joint turns what hangs on it about its own place at rest.
      const shift = [0, 1, 2].map(k => r[k] - m[3 * k] * r[0] - m[3 * k + 1] * r[1] - m[3 * k + 2] * r[2]);
      if (p < 0) for (let k = 0; k < 3; k++) shift[k] += root[k];
      for (let row = 0; row < 3; row++) {
        const a = p < 0 ? +(row === 0) : bones[p + row * 4], b = p < 0 ? +(row === 1) : bones[p + row * 4 + 1];
        const c = p < 0 ? +(row === 2) : bones[p + row * 4 + 2], d = p < 0 ? 0 : bones[p + row * 4 + 3];
        for (let k = 0; k < 3; k++) bones[at + row * 4 + k] = a * m[k] + b * m[3 + k] + c * m[6 + k];
        bones[at + row * 4 + 3] = a * shift[0] + b * shift[1] + c * shift[2] + d;
        places[j * 3 + row] = bones[at + row * 4] * r[0] + bones[at + row * 4 + 1] * r[1]
          + bones[at + row * 4 + 2] * r[2] + bones[at + row * 4 + 3];
      }
    }
  }

  // Move and paint the face's splats, as vivant.animate.Expressions does; no action goes beyond its full strength.
  makeFace() {
    const { actions, weights, worn, faceFloats: floats, faceWords: words, faceSlots: slots } = this;
    if (worn.every((weight, k) => weight === weights[k])) return;
    worn.set(weights);
    for (let n = 0; n < slots.length; n++) {
      floats[n * 4] = floats[n * 4 + 1] = floats[n * 4 + 2] = 0;
      words[n * 4 + 3] = this.colorOf(slots[n]);
    }
    actions.forEach(({ rest, moved, offsets, lid }, a) => {
      const more = Math.min(rest + weights[a], 1) - rest;
      if (!(more > 0)) return;
      for (let m = 0; m < moved.length; m++) {
        const at = moved[m] * 4;
        for (let k = 0; k < 3; k++) floats[at + k] += more * offsets[m * 3 + k];
      }
      for (const n of lid) this.paintLid(n, more / (1 - rest));
    });
    // The order of drawing follows.
    for (let n = 0; n < slots.length; n++) {
      for (let k = 0; k < 3; k++) this.rest[slots[n] * 3 + k] = this.faceRest[n * 3 + k] + floats[n * 4 + k];
    }
    this.faceMoved = true;
  }

  paintLid(n, closed) {
    const { columns: c } = this.record, part = Math.min(Math.max((closed - c.lid_begins[n] / 255) / 0.3, 0), 1);
    const from = this.colorOf(this.faceSlots[n]), to = [c.lid_red[n], c.lid_green[n], c.lid_blue[n]];
    const mixed = to.map((x, k) => Math.round(mix(from >>> 8 * k & 255, x, part)) << 8 * k);
    this.faceWords[n * 4 + 3] = (mixed[0] | mixed[1] | mixed[2] | from & 0xff000000) >>> 0;
  }

  // Farthest first, by the depth of the skinned centres: two passes of a radix sort, half a micrometre fine.
  sort(camera) {
    const { rest, splatJoints: joints, splatWeights: weights, depths, keys, halfway, order, bones, shown } = this;
    const [a, b, c, d] = camera.rows[2], along = this.along ??= new Float64Array(bones.length / 3);
    for (let j = 0; j < bones.length / 12; j++) {
      for (let k = 0; k < 4; k++) {
        along[j * 4 + k] = a * bones[j * 12 + k] + b * bones[j * 12 + 4 + k] + c * bones[j * 12 + 8 + k];
      }
    }
    measureDepths(shown, d, rest, joints, weights, along, depths);
    orderByDepth(shown, depths, keys, halfway, order, ...this.counts);
  }

  // ---------- drawing

  build() {
    const gl = this.gl;
    this.programs = {
      splats: link(gl, SPLAT_VERTEX, SPLAT_FRAGMENT),
      shadow: link(gl, SHADOW_VERTEX, SHADOW_FRAGMENT),
      wire: link(gl, WIRE_VERTEX, WIRE_FRAGMENT),
      strokes: link(gl, STROKE_VERTEX, STROKE_FRAGMENT),
      copy: link(gl, COPY_VERTEX, COPY_FRAGMENT),
    };
    this.buildFine();
    texture(gl, 0);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32UI, ROW * 3, this.words.length / ROW / 12, 0, gl.RGBA_INTEGER,
      gl.UNSIGNED_INT, this.words);
    texture(gl, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, 3, this.bones.length / 12, 0, gl.RGBA, gl.FLOAT, null);
    texture(gl, 2);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32UI, ROW, this.faceWords.length / ROW / 4, 0, gl.RGBA_INTEGER,
      gl.UNSIGNED_INT, this.faceWords);
    texture(gl, 4);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, 3, this.skin.count, 0, gl.RGBA, gl.FLOAT, null);
    this.corners = buffer(gl, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]));
    this.splatArrays = this.instanced([[1, "u32", 1]], this.count * 4);
    this.shadowArrays = this.instanced([], 0);
    this.strokeArrays = this.instanced([[1, "f32", 4], [2, "f32", 1]], this.bones.length / 12 * 40);
    this.wireArrays = this.buildWire();
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthFunc(gl.LEQUAL);
  }

  // Splats are mixed in half floats where the device can: tens of layers, each rounded to 8 bits, make a grain.
  buildFine() {
    const gl = this.gl, able = gl.getExtension("EXT_color_buffer_float") || gl.getExtension("EXT_color_buffer_half_float");
    this.fine = null;
    if (!able) return;
    texture(gl, 3);
    this.fine = { frame: gl.createFramebuffer(), depth: gl.createRenderbuffer(), width: 0, height: 0 };
    this.fine.picture = gl.getParameter(gl.TEXTURE_BINDING_2D);
  }

  // Draw into the fine picture from now on, made as large as the canvas.
  beginFine(width, height) {
    const { gl, fine } = this;
    if (!fine) return;
    gl.bindFramebuffer(gl.FRAMEBUFFER, fine.frame);
    if (fine.width === width && fine.height === height) return;
    [fine.width, fine.height] = [width, height];
    gl.activeTexture(gl.TEXTURE3);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16F, width, height, 0, gl.RGBA, gl.HALF_FLOAT, null);
    gl.bindRenderbuffer(gl.RENDERBUFFER, fine.depth);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH_COMPONENT24, width, height);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, fine.picture, 0);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, fine.depth);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) === gl.FRAMEBUFFER_COMPLETE) return;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    this.fine = null;
  }

  // Show what was drawn into it.
  endFine(camera) {
    const { gl } = this;
    if (!this.fine) return;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.BLEND);
    const { place } = this.use(this.programs.copy, camera, this.shadowArrays);
    gl.uniform1i(place("picture"), 3);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.enable(gl.BLEND);
  }

  // Corners of a square, and a buffer with one row for each square.
  instanced(attributes, bytes) {
    const gl = this.gl, arrays = gl.createVertexArray();
    gl.bindVertexArray(arrays);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.corners);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    const rows = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, rows);
    gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.DYNAMIC_DRAW);
    const stride = attributes.reduce((sum, [, , size]) => sum + 4 * size, 0);
    let offset = 0;
    for (const [location, kind, size] of attributes) {
      gl.enableVertexAttribArray(location);
      if (kind === "u32") gl.vertexAttribIPointer(location, size, gl.UNSIGNED_INT, stride, offset);
      else gl.vertexAttribPointer(location, size, gl.FLOAT, false, stride, offset);
      gl.vertexAttribDivisor(location, 1);
      offset += 4 * size;
    }
    return { arrays, rows };
  }

  buildWire() {
    const gl = this.gl, { faces, rest, joints, weights } = this.skin;
    const places = new Float32Array(faces.length * 3), skin = new Uint8Array(faces.length * 8);
    faces.forEach((v, n) => {
      for (let k = 0; k < 3; k++) places[n * 3 + k] = rest[v * 3 + k];
      for (let k = 0; k < 4; k++) {
        skin[n * 8 + k] = joints[v * 4 + k];
        skin[n * 8 + 4 + k] = Math.round(weights[v * 4 + k] * 255);
      }
    });
    const arrays = gl.createVertexArray();
    gl.bindVertexArray(arrays);
    buffer(gl, places);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
    buffer(gl, skin);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribIPointer(1, 4, gl.UNSIGNED_BYTE, 8, 0);
    gl.enableVertexAttribArray(2);
    gl.vertexAttribPointer(2, 4, gl.UNSIGNED_BYTE, true, 8, 4);
    return { arrays };
  }

  draw() {
    if (this.lost) return;
    const gl = this.gl, { width, height } = this.canvas, begun = performance.now();
    this.pose();
    this.makeFace();
    this.skin.stretch(this.bones);
    const camera = this.camera = cameraOf(this.lens, width, height, this.inset, this.offset()), posed = performance.now();
    this.sort(camera);
    const sorted = performance.now();
    gl.activeTexture(gl.TEXTURE1);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, 3, this.bones.length / 12, gl.RGBA, gl.FLOAT, this.bones);
    gl.activeTexture(gl.TEXTURE4);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, 3, this.skin.count, gl.RGBA, gl.FLOAT, this.skin.strains);
    if (this.faceMoved) {
      gl.activeTexture(gl.TEXTURE2);
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, ROW, this.faceWords.length / ROW / 4, gl.RGBA_INTEGER, gl.UNSIGNED_INT,
        this.faceWords);
      this.faceMoved = false;
    }
    this.beginFine(width, height);
    gl.viewport(0, 0, width, height);
    gl.depthMask(true);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (this.overlays.shadow && camera.rows.every(row => isFinite(row[3]))) this.drawShadow(camera);
    const { place } = this.use(this.programs.splats, camera, this.splatArrays);
    gl.uniform1i(place("splats"), 0);
    gl.uniform1i(place("faces"), 2);
    gl.uniform1i(place("strains"), 4);
    gl.uniform1f(place("bright"), this.record.splats.bright);
    // Fewer splats are wider, so that they cover the same.
    gl.uniform1f(place("grow"), Math.sqrt(this.count / this.shown));
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, this.order, 0, this.shown);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.shown);
    if (this.overlays.wire) this.drawWire(camera);
    if (this.overlays.skeleton) this.drawSkeleton(camera);
    this.endFine(camera);
    const done = performance.now();
    keep(this.times.pose, posed - begun);
    keep(this.times.sort, sorted - posed);
    keep(this.times.draw, done - sorted);
  }

  // Bind a program with its arrays and tell it the camera.
  use(program, camera, { arrays, rows }) {
    const gl = this.gl, place = name => program.places[name] ??= gl.getUniformLocation(program.handle, name);
    gl.useProgram(program.handle);
    gl.bindVertexArray(arrays);
    if (rows) gl.bindBuffer(gl.ARRAY_BUFFER, rows);
    gl.uniform4fv(place("camera"), camera.rows.flat());
    gl.uniform4f(place("lens"), camera.focal, 0, ...camera.center);
    gl.uniform2f(place("size"), camera.width, camera.height);
    gl.uniform1i(place("bones"), 1);
    return { place };
  }

  // On the floor: dark under what stands on it, faint under what is high.
  drawShadow(camera) {
    const gl = this.gl, { places, record } = this, blobs = new Float32Array(BLOBS * 4);
    const eye = -camera.rows.reduce((sum, row) => sum + row[1] * row[3], 0);
    if (eye < 0.02) return;
    this.casting ??= record.joints.names.flatMap((name, j) => FINE.test(name) ? [] : [j]).slice(0, BLOBS);
    this.casting.forEach((j, n) => {
      const height = Math.max(places[j * 3 + 1], 0);
      blobs.set([places[j * 3], places[j * 3 + 2], (0.075 + 0.22 * height) ** 2,
        0.36 * Math.exp(-height / 0.13) + 0.01], n * 4);
    });
    const { place } = this.use(this.programs.shadow, camera, this.shadowArrays);
    gl.uniform4fv(place("blobs"), blobs);
    gl.uniform4f(place("patch_"), places[0], places[2], 1.8, 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  // First only depth, so that lines at the back are hidden; then lines.
  drawWire(camera) {
    const gl = this.gl, corners = this.record.wire.faces * 3;
    const { place } = this.use(this.programs.wire, camera, this.wireArrays);
    gl.uniform4f(place("ink"), ...this.ink, 0.85);
    gl.uniform1f(place("thick"), 0.35 * (this.ratio ?? 1));
    gl.enable(gl.DEPTH_TEST);
    gl.colorMask(false, false, false, false);
    gl.drawArrays(gl.TRIANGLES, 0, corners);
    gl.colorMask(true, true, true, true);
    gl.depthMask(false);
    gl.drawArrays(gl.TRIANGLES, 0, corners);
    gl.disable(gl.DEPTH_TEST);
  }

  drawSkeleton(camera) {
    const gl = this.gl, { parents, names } = this.record.joints, ratio = this.ratio ?? 1, strokes = [];
    const at = parents.map((_, j) => projected(camera, ...this.places.subarray(j * 3, j * 3 + 3)));
    const fine = names.map(name => FINE.test(name));
    parents.forEach((parent, j) => {
      if (parent >= 0 && at[j][2] > 0.05 && at[parent][2] > 0.05) {
        strokes.push(at[parent][0], at[parent][1], at[j][0], at[j][1], (fine[j] ? 0.5 : 1.1) * ratio);
      }
    });
    parents.forEach((_, j) => {
      if (at[j][2] > 0.05) strokes.push(at[j][0], at[j][1], at[j][0], at[j][1], (fine[j] ? 1.2 : 3) * ratio);
    });
    const { place } = this.use(this.programs.strokes, camera, this.strokeArrays);
    gl.uniform4f(place("ink"), 1, 1, 1, 1);
    gl.uniform4f(place("rim"), ...this.ink, 0.9);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, new Float32Array(strokes));
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, strokes.length / 5);
  }

  // Draw once at some size and give a canvas with it; `paint` may lay a background first.
  picture(width, height, paint = () => {}) {
    const { canvas, inset, ratio } = this, size = [canvas.width, canvas.height], made = document.createElement("canvas");
    [made.width, made.height] = [canvas.width, canvas.height] = [width, height];
    this.ratio = Math.max((ratio ?? 1) * height / size[1], 1);
    this.inset = { top: 0, bottom: 0 };
    this.draw();
    const flat = made.getContext("2d");
    paint(flat, width, height);
    flat.drawImage(canvas, 0, 0);
    [canvas.width, canvas.height] = size;
    [this.inset, this.ratio] = [inset, ratio];
    this.draw();
    return made;
  }
}

// Depth of each skinned centre. `along` has one row a joint: how depth grows with a point's x, y, z, and from where.
function measureDepths(count, start, rest, joints, weights, along, depths) {
  for (let i = 0; i < count; i++) {
    const x = rest[i * 3], y = rest[i * 3 + 1], z = rest[i * 3 + 2];
    const k = i << 2, a = joints[k] << 2, b = joints[k + 1] << 2;
    let depth = start
      + weights[k] * (along[a] * x + along[a + 1] * y + along[a + 2] * z + along[a + 3])
      + weights[k + 1] * (along[b] * x + along[b + 1] * y + along[b + 2] * z + along[b + 3]);
    // Written out, for a loop over the joints takes half as long again.
    if (weights[k + 2] > 0) {
      const c = joints[k + 2] << 2, e = joints[k + 3] << 2;
      depth += weights[k + 2] * (along[c] * x + along[c + 1] * y + along[c + 2] * z + along[c + 3])
        + weights[k + 3] * (along[e] * x + along[e + 1] * y + along[e + 2] * z + along[e + 3]);
    }
    depths[i] = depth;
  }
}

// Numbers of the splats, farthest first: a radix sort of 22 bits in two passes.
function orderByDepth(count, depths, keys, halfway, order, fine, coarse) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < count; i++) {
    if (depths[i] < low) low = depths[i];
    if (depths[i] > high) high = depths[i];
  }
  const scale = (2 ** 22 - 1) / Math.max(high - low, 1e-6);
  fine.fill(0);
  coarse.fill(0);
  for (let i = 0; i < count; i++) {
    const key = (high - depths[i]) * scale >>> 0;
    keys[i] = key;
    fine[(key & 2047) + 1]++;
    coarse[(key >>> 11) + 1]++;
  }
  for (let k = 1; k < 2048; k++) {
    fine[k] += fine[k - 1];
    coarse[k] += coarse[k - 1];
  }
  for (let i = 0; i < count; i++) halfway[fine[keys[i] & 2047]++] = i;
  for (let n = 0; n < count; n++) {
    const i = halfway[n];
    order[coarse[keys[i] >>> 11]++] = i;
  }
}

// Three parts of a unit quaternion in so many steps each; the largest one was left out and is positive.
function readQuat(columns, i, steps, quat) {
  const missing = columns.turn3[i];
  let rest = 1;
  for (let k = 0, n = 0; k < 4; k++) {
    if (k === missing) continue;
    quat[k] = (columns["turn" + n++][i] / steps * 2 - 1) * Math.SQRT1_2;
    rest -= quat[k] * quat[k];
  }
  quat[missing] = Math.sqrt(Math.max(rest, 0));
}

const eased = part => part * part * (3 - 2 * part);

function keep(list, value) {
  list.push(value);
  if (list.length > 240) list.shift();
}

function buffer(gl, content) {
  const made = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, made);
  gl.bufferData(gl.ARRAY_BUFFER, content, gl.STATIC_DRAW);
  return made;
}

function texture(gl, unit) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
}

function link(gl, vertex, fragment) {
  const handle = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(handle, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
      throw new Error("A shader does not compile: " + gl.getShaderInfoLog(shader));
    }
  }
  gl.linkProgram(handle);
  if (!gl.getProgramParameter(handle, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error("The shaders do not link: " + gl.getProgramInfoLog(handle));
  }
  return { handle, places: {} };
}
