/** A box of a flow chart, and its size in pixels. */
export interface Box {
  /** Unique in the chart. */
  readonly id: string
  /** Its width. */
  readonly width: number
  /** Its height. */
  readonly height: number
}

/** An arrow between two boxes. */
export interface Arrow {
  /** The id of the box that it leaves. */
  readonly from: string
  /** The id of the box that it reaches. */
  readonly to: string
}

/** The place of a box: its centre, and its upper edge. */
export interface Place {
  /** The middle, from the left. */
  readonly x: number
  /** The upper edge, from the top. */
  readonly y: number
}

/** Where everything is. */
export interface Layout {
  /** The places of the boxes, by id. */
  readonly places: ReadonlyMap<string, Place>
  /** The points between boxes that each arrow passes, in the order of the arrows. */
  readonly bends: readonly (readonly Place[])[]
  /** The width of the chart. */
  readonly width: number
  /** Its height. */
  readonly height: number
}

/** Pixels between neighbours in a layer, and between layers. */
const GAP = { x: 24, y: 46 }

/** The width of an arrow that passes a layer. */
const LANE = 10

/** How often the layers are put in order, down and up. */
const SWEEPS = 6

/** A box, or an arrow that passes a layer. */
interface Cell {
  readonly width: number
  readonly height: number
  readonly above: Cell[]
  readonly below: Cell[]
  x: number
}

/**
 * Places the boxes of a graph without circles in layers, sources at the top: each box below all that feed it, near its
 * neighbours, with few crossings. After Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical
 * System Structures" (1981): longest paths, lanes for long arrows, barycentres.
 *
 * @param boxes in topological order
 */
export function layered(boxes: readonly Box[], arrows: readonly Arrow[]): Layout {
  const cells = new Map(boxes.map(({ id, width, height }) => [id, cellOf(width, height)]))
  const depths = depthsOf(boxes, arrows)
  const layers: Cell[][] = []
  const put = (cell: Cell, depth: number): Cell => {
    layers[depth] ??= []
    layers[depth].push(cell)
    return cell
  }
  for (const { id } of boxes) put(cells.get(id)!, depths.get(id)!)
  const lanes = arrows.map(({ from, to }) => {
    const passed: { readonly cell: Cell; readonly depth: number }[] = []
    let last = cells.get(from)!
    for (let depth = depths.get(from)! + 1; depth < depths.get(to)!; depth++) {
      const cell = put(cellOf(LANE, 0), depth)
      join(last, cell)
      last = cell
      passed.push({ cell, depth })
    }
    join(last, cells.get(to)!)
    return passed
  })
  for (const layer of layers) spread(layer, () => undefined)
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const layer of layers) order(layer, 'above')
    for (const layer of [...layers].reverse()) order(layer, 'below')
  }
  const left = Math.min(...layers.flat().map(({ x, width }) => x - width / 2))
  const right = Math.max(...layers.flat().map(({ x, width }) => x + width / 2))
  const heights = layers.map((layer) => Math.max(...layer.map(({ height }) => height)))
  const tops = heights.map((_, depth) => heights.slice(0, depth).reduce((sum, height) => sum + height + GAP.y, 0))
  return {
    places: new Map(boxes.map(({ id }) => [id, { x: cells.get(id)!.x - left, y: tops[depths.get(id)!]! }])),
    bends: lanes.map((passed) =>
      passed.flatMap(({ cell: { x }, depth }) => [
        { x: x - left, y: tops[depth]! },
        { x: x - left, y: tops[depth]! + heights[depth]! },
      ]),
    ),
    width: right - left,
    height: tops.at(-1)! + heights.at(-1)!,
  }
}

function cellOf(width: number, height: number): Cell {
  return { width, height, above: [], below: [], x: 0 }
}

function join(upper: Cell, lower: Cell): void {
  upper.below.push(lower)
  lower.above.push(upper)
}

/** The layer of each box: one below the lowest that feeds it. */
function depthsOf(boxes: readonly Box[], arrows: readonly Arrow[]): Map<string, number> {
  const depths = new Map<string, number>()
  for (const { id } of boxes)
    depths.set(id, Math.max(-1, ...arrows.filter(({ to }) => to === id).map(({ from }) => depths.get(from)!)) + 1)
  return depths
}

/** Puts a layer in the order of the means of its neighbours on one side, and near them. */
function order(layer: Cell[], side: 'above' | 'below'): void {
  const wish = new Map(layer.map((cell) => [cell, mean(cell[side]) ?? cell.x]))
  const before = new Map(layer.map((cell, i) => [cell, i]))
  layer.sort((a, b) => wish.get(a)! - wish.get(b)! || before.get(a)! - before.get(b)!)
  spread(layer, (cell) => wish.get(cell))
}

function mean(cells: readonly Cell[]): number | undefined {
  return cells.length === 0 ? undefined : cells.reduce((sum, { x }) => sum + x, 0) / cells.length
}

/** Moves the cells of a layer as near as possible to where they would be, without overlaps, in their order. */
function spread(layer: readonly Cell[], wish: (cell: Cell) => number | undefined): void {
  let edge = Number.NEGATIVE_INFINITY
  let error = 0
  for (const cell of layer) {
    const wanted = wish(cell) ?? Math.max(0, edge + GAP.x + cell.width / 2)
    cell.x = Math.max(wanted, edge === Number.NEGATIVE_INFINITY ? wanted : edge + GAP.x + cell.width / 2)
    error += cell.x - wanted
    edge = cell.x + cell.width / 2
  }
  // What was pushed to the right is moved back by the mean.
  for (const cell of layer) cell.x -= error / layer.length
}
