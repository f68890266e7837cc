import type { Params } from './params.js'

/** The size of the tile of a product that one workgroup computes. */
export interface Tile {
  /** Rows of the product. */
  readonly rows: number
  /** Columns of the product. */
  readonly columns: number
  /** Rows of each thread, four or eight. Each has four columns. */
  readonly perThread: number
}

/** The terms of the sum that a tile takes from memory at a time, in groups of four. */
const DEPTH4 = 4

/** Tiles for products of any size, of few columns, of few rows, and for large ones. */
export const tiles = {
  square: { rows: 64, columns: 64, perThread: 4 },
  narrow: { rows: 64, columns: 16, perThread: 4 },
  flat: { rows: 16, columns: 64, perThread: 4 },
  large: { rows: 128, columns: 64, perThread: 8 },
} as const satisfies Record<string, Tile>

/** The name of a tile. */
export type TileName = keyof typeof tiles

/**
 * The products of a dense layer, with `X` its inputs `[rows, inputs]`, `W` `[units, inputs]`, and `S` the slopes by its
 * outputs `[rows, units]`: `X Wᵀ`, `S W` and `Sᵀ X`.
 */
export type Form = 'forward' | 'back' | 'weights'

/**
 * The functions of the shader that read four numbers of each operand, the size of the product, and the length of its sums:
 * in groups of four, or rows.
 */
const forms = {
  forward: { a: 'x4', b: 'w4', rows: 'p.rows', columns4: 'p.units4', depth: 'p.inputs4' },
  back: { a: 's4', b: 'w4', rows: 'p.rows', columns4: 'p.inputs4', depth: 'p.units4' },
  weights: { a: 's4', b: 'x4', rows: 'p.units', columns4: 'p.inputs4', depth: 'p.rows' },
} as const

/**
 * The WGSL of a tiled product: tiles of both operands go through the memory of the workgroup, and each thread sums
 * `perThread` times four numbers in registers. The next tiles are read from memory while these are summed. The code
 * around it has the functions of the form, which take a row and a group of four columns, and `finish(row, column4, sum)`. A
 * part of a divided sum goes to `parts`.
 *
 * Vectors lie along the summed dimension where the operand does so in memory: such tiles have a fifth, empty, vector in each
 * row, so that neighbouring threads read from different banks.
 */
export function matmulSource(form: Form, tile: Tile): string {
  const { rows, columns, perThread } = tile
  const across = columns / 4
  const threads = (rows / perThread) * across
  const { rows: m, columns4 } = forms[form]
  const { a, b, depth, sum } = form === 'weights' ? outer(tile) : inner(form, tile)
  const [aEach, bEach] = [a.count / threads, b.count / threads]
  const step = form === 'weights' ? 4 * DEPTH4 : DEPTH4
  const fetched = `
    ${repeated(aEach, (i) => `next_a[${i}] = fetch_a(first_row, k, end, t + ${i} * ${threads}u);`)}
    ${repeated(bEach, (i) => `next_b[${i}] = fetch_b(first_column4, k, end, t + ${i} * ${threads}u);`)}`
  return `
var<workgroup> tile_a: array<vec4f, ${a.size}>;
var<workgroup> tile_b: array<vec4f, ${b.size}>;
fn fetch_a(first_row: u32, k: u32, end: u32, i: u32) -> vec4f { ${a.fetch} }
fn fetch_b(first_column4: u32, k: u32, end: u32, i: u32) -> vec4f { ${b.fetch} }
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let group = group_of(id);
  if (group >= p.groups) { return; }
  let column_tile = group % p.tilesN;
  let row_tile = (group / p.tilesN) % p.tilesM;
  let part = group / (p.tilesN * p.tilesM);
  let first_row = row_tile * ${rows}u;
  let first_column4 = column_tile * ${across}u;
  let tx = t % ${across}u;
  let ty = t / ${across}u;
  let end = min(${depth}, (part + 1u) * p.slice);
  var sums_of: array<vec4f, ${perThread}>;
  var next_a: array<vec4f, ${aEach}>;
  var next_b: array<vec4f, ${bEach}>;
  var k = part * p.slice;
  ${fetched}
  while (k < end) {
    ${repeated(aEach, (i) => `{ let i = t + ${i} * ${threads}u; tile_a[${a.place}] = next_a[${i}]; }`)}
    ${repeated(bEach, (i) => `{ let i = t + ${i} * ${threads}u; tile_b[${b.place}] = next_b[${i}]; }`)}
    workgroupBarrier();
    k += ${step}u;
    ${fetched}
    ${sum}
    workgroupBarrier();
  }
  let column4 = first_column4 + tx;
  if (column4 >= ${columns4}) { return; }
  let row = first_row + ty * ${perThread}u;
  ${repeated(perThread, (i) => `keep(part, row + ${i}, column4, sums_of[${i}]);`)}
}
fn keep(part: u32, row: u32, column4: u32, sum: vec4f) {
  if (row >= ${m}) { return; }
  if (p.splits == 1u) { finish(row, column4, sum); }
  else { parts[(part * ${m} + row) * ${columns4} + column4] = sum; }
}
`
}

/** A line for each of `count` numbers: registers need constant indices. */
function repeated(count: number, line: (i: string) => string): string {
  return Array.from({ length: count }, (_, i) => line(`${i}u`)).join('\n')
}

/** The tile of one operand: its vectors, and the memory that they take. */
interface Operand {
  readonly count: number
  readonly size: number
  /** The body of the function that reads vector `i` of the tile at `k` from memory; zeros lie behind the operand. */
  readonly fetch: string
  /** Where vector `i` lies in the memory of the workgroup. */
  readonly place: string
}

/** The code of a form: its operands, the length of its sum, and the sums of a thread over a pair of tiles. */
interface Product {
  readonly a: Operand
  readonly b: Operand
  readonly depth: string
  readonly sum: string
}

/** `a` has vectors along the summed dimension; `b` too (`forward`), or along the columns (`back`). */
function inner(form: 'forward' | 'back', { rows, columns, perThread }: Tile): Product {
  const across = columns / 4
  const pitch = DEPTH4 + 1
  const { a, b, depth } = forms[form]
  const isForward = form === 'forward'
  const inA = `let row = first_row + i / ${DEPTH4}u;
    let j = k + i % ${DEPTH4}u;
    if (row < p.rows && j < end) { return ${a}(row, j); }
    return vec4f();`
  const inB = isForward
    ? `let column = first_column4 * 4u + i / ${DEPTH4}u;
    let j = k + i % ${DEPTH4}u;
    if (column < p.units && j < end) { return ${b}(column, j); }
    return vec4f();`
    : `let row = k * 4u + i / ${across}u;
    let column4 = first_column4 + i % ${across}u;
    if (row < min(p.units, end * 4u) && column4 < p.inputs4) { return ${b}(row, column4); }
    return vec4f();`
  const fromB = [0, 1, 2, 3]
    .map((c) =>
      isForward
        ? `let b${c} = tile_b[(${c}u * ${across}u + tx) * ${pitch}u + j];`
        : `let b${c} = tile_b[(j * 4u + ${c}u) * ${across}u + tx];`,
    )
    .join('\n')
  const add = repeated(
    perThread,
    (i) => `{
      let a = tile_a[(ty * ${perThread}u + ${i}) * ${pitch}u + j];
      sums_of[${i}] += ${isForward ? 'vec4f(dot(a, b0), dot(a, b1), dot(a, b2), dot(a, b3))' : 'a.x * b0 + a.y * b1 + a.z * b2 + a.w * b3'};
    }`,
  )
  return {
    a: { count: rows * DEPTH4, size: rows * pitch, fetch: inA, place: `(i / ${DEPTH4}u) * ${pitch}u + i % ${DEPTH4}u` },
    b: isForward
      ? {
          count: columns * DEPTH4,
          size: columns * pitch,
          fetch: inB,
          place: `((i / ${DEPTH4}u % 4u) * ${across}u + i / ${4 * DEPTH4}u) * ${pitch}u + i % ${DEPTH4}u`,
        }
      : { count: columns * DEPTH4, size: columns * DEPTH4, fetch: inB, place: 'i' },
    depth,
    sum: `for (var j = 0u; j < ${DEPTH4}u; j++) { ${fromB}\n${add} }`,
  }
}

/** `a` and `b` have vectors along rows and columns of the product. The sum is over rows of both. */
function outer({ rows, columns, perThread }: Tile): Product {
  const [down, across] = [rows / 4, columns / 4]
  const long = 4 * DEPTH4
  const { a, b, depth } = forms.weights
  const inA = `let j = k + i / ${down}u;
    let row4 = first_row / 4u + i % ${down}u;
    if (j < end && row4 < p.units4) { return ${a}(j, row4); }
    return vec4f();`
  const inB = `let j = k + i / ${across}u;
    let column4 = first_column4 + i % ${across}u;
    if (j < end && column4 < p.inputs4) { return ${b}(j, column4); }
    return vec4f();`
  const add = repeated(
    perThread / 4,
    (q) => `{
      let a = tile_a[j * ${down}u + ty * ${perThread / 4}u + ${q}];
      ${repeated(4, (c) => `sums_of[4u * ${q} + ${c}] += a[${c}] * b;`)}
    }`,
  )
  return {
    a: { count: long * down, size: long * down, fetch: inA, place: 'i' },
    b: { count: long * across, size: long * across, fetch: inB, place: 'i' },
    depth,
    sum: `for (var j = 0u; j < ${long}u; j++) { let b = tile_b[j * ${across}u + tx];\n${add} }`,
  }
}

/** The WGSL that adds the parts of a divided sum, always in the same order, and calls `finish`. */
export function partsSource(form: Form): string {
  const { rows, columns4 } = forms[form]
  return `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let i = group_of(id) * 64u + t;
  let size = ${rows} * ${columns4};
  if (i >= size) { return; }
  var sum = parts[i];
  for (var part = 1u; part < p.splits; part++) { sum += parts[part * size + i]; }
  finish(i / ${columns4}, i % ${columns4}, sum);
}
`
}

/** How a product is divided among workgroups. */
export interface Division {
  /** The tile of each workgroup. */
  readonly tile: TileName
  /** What the shader is told: tiles down and across, the length of a part of the sum, the parts, and all workgroups. */
  readonly params: Params & { readonly groups: number; readonly splits: number }
}

/**
 * Divides a product `[rows, 4 · columns4]`. A product with fewer tiles than `busy`, the workgroups that keep the device
 * busy, has its sum divided too. It depends on these sizes alone, so that sums keep their order.
 *
 * @param depth length of the sum, in steps of the loop of `matmulSource`: groups of four, or rows for `weights`
 * @param tile default: by these sizes
 */
export function divide(
  form: Form,
  rows: number,
  columns4: number,
  depth: number,
  busy: number,
  tile = tileFor(rows, columns4, busy),
): Division {
  const { rows: high, columns: wide } = tiles[tile]
  const tilesM = Math.ceil(rows / high)
  const tilesN = Math.ceil((columns4 * 4) / wide)
  const step = form === 'weights' ? 4 * DEPTH4 : DEPTH4
  const steps = Math.ceil(depth / step)
  // A part that is shorter costs more to add than it saves.
  const most = Math.max(1, Math.floor(steps / 4))
  const wanted = Math.max(1, Math.min(most, Math.floor(busy / (tilesM * tilesN))))
  const slice = Math.ceil(steps / wanted) * step
  const splits = Math.max(1, Math.ceil(depth / slice))
  return { tile, params: { tilesM, tilesN, slice, splits, groups: tilesM * tilesN * splits } }
}

function tileFor(rows: number, columns4: number, busy: number): TileName {
  if (columns4 <= 8) return 'narrow'
  if (rows <= 32) return 'flat'
  const { rows: high, columns: wide } = tiles.large
  return Math.floor(rows / high) * Math.floor((columns4 * 4) / wide) >= busy / 2 ? 'large' : 'square'
}
