// How the skin under the splats stretches; the arithmetic of vivant/animate/stretching.py, on the net of the wireframe.

const BEGINS = 0.3, WHOLE = 0.7, MOST = 2; // Sizes of strains: see there.
const WINDOW = 0.06; // Metres within which a splat looks for its place on the net.

const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

export class Skin {
  constructor({ wire, columns: c }) {
    const count = this.count = wire.verts;
    this.rest = Float32Array.from({ length: count * 3 }, (_, i) =>
      mix(wire.low[i % 3], wire.high[i % 3], c["wire_" + "xyz"[i % 3]][Math.floor(i / 3)] / wire.steps));
    this.joints = Uint8Array.from({ length: count * 4 }, (_, i) => wire.sets[c.wire_set[i >> 2] * 4 + i % 4]);
    this.weights = new Float32Array(count * 4);
    for (let v = 0; v < count; v++) {
      let left = 1;
      for (let k = 0; k < 4; k++) left -= this.weights[v * 4 + k] = k < 3 ? c["wire_weight" + k][v] / 255 : left;
    }
    this.faces = Uint16Array.from({ length: wire.faces * 3 }, (_, i) => c["wire_face" + i % 3][Math.floor(i / 3)]);
    this.byHeight = Uint16Array.from({ length: count }, (_, v) => v).sort((a, b) => this.rest[a * 3 + 1] - this.rest[b * 3 + 1]);
    this.posed = new Float32Array(count * 3);
    this.blends = new Float32Array(count * 9);
    this.gradients = new Float32Array(count * 9);
    this.strains = new Float32Array(count * 12); // Three rows of three a vertex, each in a texel.
    this.measureRest();
  }

  // Of each triangle what its edges and its normal at rest are multiplied by: the inverse of their matrix, times its area.
  measureRest() {
    const { rest, faces } = this;
    this.inverses = new Float32Array(faces.length * 3);
    this.areas = new Float32Array(this.count);
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b] = [1, 2].map(n => [0, 1, 2].map(k => rest[faces[f + n] * 3 + k] - rest[faces[f] * 3 + k]));
      const across = cross(a, b), double = Math.hypot(...across), normal = across.map(x => x / Math.max(double, 1e-12));
      this.inverses.set([...cross(b, normal), ...cross(normal, a), ...across].map(x => x / 2), f * 3);
      for (let n = 0; n < 3; n++) this.areas[faces[f + n]] += double / 2;
    }
  }

  // The vertex a splat belongs to: near it, and moved by the same joints; counted from 1, 0 if there is none.
  nearest(x, y, z, joints, weights, at) {
    const { rest, byHeight } = this;
    let first = 0, last = byHeight.length, best = WINDOW * WINDOW, found = 0;
    while (first < last) {
      const middle = first + last >> 1;
      if (rest[byHeight[middle] * 3 + 1] < y - WINDOW) first = middle + 1;
      else last = middle;
    }
    for (let n = first; n < byHeight.length; n++) {
      const v = byHeight[n], up = rest[v * 3 + 1] - y;
      if (up > WINDOW) break;
      let far = up * up + (rest[v * 3] - x) ** 2 + (rest[v * 3 + 2] - z) ** 2;
      if (far >= best) continue;
      let shared = 0;
      for (let i = at; i < at + 4; i++) {
        for (let k = v * 4; k < v * 4 + 4; k++) if (this.joints[k] === joints[i]) shared += Math.min(this.weights[k], weights[i]);
      }
      far += (0.1 * (1 - shared)) ** 2;
      if (far < best) [best, found] = [far, v + 1];
    }
    return found;
  }

  stretch(bones) {
    const { count, rest, posed, blends, gradients, faces, inverses } = this;
    for (let v = 0; v < count; v++) {
      const x = rest[v * 3], y = rest[v * 3 + 1], z = rest[v * 3 + 2];
      for (let row = 0; row < 3; row++) {
        let a = 0, b = 0, c = 0, d = 0;
        for (let k = v * 4; k < v * 4 + 4; k++) {
          const at = this.joints[k] * 12 + row * 4, weight = this.weights[k];
          a += weight * bones[at];
          b += weight * bones[at + 1];
          c += weight * bones[at + 2];
          d += weight * bones[at + 3];
        }
        posed[v * 3 + row] = a * x + b * y + c * z + d;
        blends[v * 9 + row * 3] = a;
        blends[v * 9 + row * 3 + 1] = b;
        blends[v * 9 + row * 3 + 2] = c;
      }
    }
    gradients.fill(0);
    for (let f = 0; f < faces.length; f += 3) {
      const o = faces[f] * 3, p = faces[f + 1] * 3, q = faces[f + 2] * 3, at = f * 3;
      const ax = posed[p] - posed[o], ay = posed[p + 1] - posed[o + 1], az = posed[p + 2] - posed[o + 2];
      const bx = posed[q] - posed[o], by = posed[q + 1] - posed[o + 1], bz = posed[q + 2] - posed[o + 2];
      const nx = ay * bz - az * by, ny = az * bx - ax * bz, nz = ax * by - ay * bx;
      const unit = 1 / Math.max(Math.sqrt(nx * nx + ny * ny + nz * nz), 1e-12);
      for (let k = 0; k < 3; k++) {
        const s = inverses[at + k], t = inverses[at + 3 + k], u = inverses[at + 6 + k] * unit;
        const gx = ax * s + bx * t + nx * u, gy = ay * s + by * t + ny * u, gz = az * s + bz * t + nz * u;
        for (let n = f; n < f + 3; n++) {
          const to = faces[n] * 9 + k;
          gradients[to] += gx;
          gradients[to + 3] += gy;
          gradients[to + 6] += gz;
        }
      }
    }
    for (let v = 0; v < count; v++) this.strain(v);
  }

  // The turned-back gradient minus one; small ones become 0, and none is longer than `MOST`.
  strain(v) {
    const { strains, gradients, areas } = this, turn = nearestTurn(this.blends, v * 9), part = 1 / Math.max(areas[v], 1e-12);
    let size = 0;
    for (let row = 0; row < 3; row++) {
      for (let k = 0; k < 3; k++) {
        const g = v * 9 + k;
        const value = part * (turn[row] * gradients[g] + turn[3 + row] * gradients[g + 3] + turn[6 + row] * gradients[g + 6]) - +(row === k);
        strains[v * 12 + row * 4 + k] = value;
        size += value * value;
      }
    }
    size = Math.sqrt(size);
    const share = Math.min(Math.max((size - BEGINS) / (WHOLE - BEGINS), 0), 1);
    const scale = areas[v] < 1e-12 ? 0 : share * share * (3 - 2 * share) * Math.min(1, MOST / Math.max(size, 1e-6));
    for (let k = v * 12; k < v * 12 + 12; k++) strains[k] *= scale;
  }
}

// The rotation part of the polar decomposition, by Newton's iteration (Higham 1986); rows of three.
const turnNow = new Float64Array(9), turnNext = new Float64Array(9);
function nearestTurn(from, at) {
  const m = turnNow, c = turnNext;
  for (let k = 0; k < 9; k++) m[k] = from[at + k];
  for (let i = 0; i < 5; i++) {
    c[0] = m[4] * m[8] - m[5] * m[7];
    c[1] = m[5] * m[6] - m[3] * m[8];
    c[2] = m[3] * m[7] - m[4] * m[6];
    c[3] = m[7] * m[2] - m[8] * m[1];
    c[4] = m[8] * m[0] - m[6] * m[2];
    c[5] = m[6] * m[1] - m[7] * m[0];
    c[6] = m[1] * m[5] - m[2] * m[4];
    c[7] = m[2] * m[3] - m[0] * m[5];
    c[8] = m[0] * m[4] - m[1] * m[3];
    const volume = Math.max(m[0] * c[0] + m[1] * c[1] + m[2] * c[2], 1e-12);
    let moved = 0;
    for (let k = 0; k < 9; k++) {
      const next = 0.5 * (m[k] + c[k] / volume);
      moved += (next - m[k]) ** 2;
      m[k] = next;
    }
    if (moved < 1e-10) break;
  }
  return m;
}
