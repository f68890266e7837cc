import type { Shader } from './shader.js'

/** The threads of a workgroup of `gather`. */
export const GATHER_THREADS = 256

/** Copies rows by their numbers, which are uploaded at `labels`; `length4` has the groups of four bytes of a row. */
export const gather: Shader = {
  label: 'gather',
  bindings: [
    { name: 'values', type: 'u32' },
    { name: 'uploads', type: 'u32' },
    { name: 'gathered', type: 'u32', isWritten: true },
  ],
  code: `
@compute @workgroup_size(${GATHER_THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let i = group_of(id) * ${GATHER_THREADS}u + t;
  let row = i / p.length4;
  if (row >= p.rows) { return; }
  gathered[i] = values[p.x + uploads[p.labels + row] * p.length4 + i % p.length4];
}
`,
}
