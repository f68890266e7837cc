import { type CategoryColumn, type Column, type Model, type NumberColumn, widthOf } from '../pipeline/stage-kit.js'
import { type OnnxGraph, onnxTypes } from './onnx-graph.js'

/** What the inputs of a graph become. */
export interface OnnxInputs {
  /** The value with the features of all rows, `[rows, features]`. */
  readonly features: string
  /** Whether these are bytes, else float32. */
  readonly areBytes: boolean
  /** The names of the inputs. */
  readonly names: readonly string[]
}

/**
 * Adds the inputs of a model and the way from them to features. Without columns of texts, there is one input, `features`.
 * Else there is one per column, `[rows, 1]`, texts or float32. Inputs from which an offset is subtracted are float64. Missing
 * cells (NaN, an empty text) are filled as the columns say. A cell that Millrace refuses becomes NaN.
 */
export function addInputs(graph: OnnxGraph, { columns, shape, type }: Model): OnnxInputs {
  if (columns?.some(({ kind }) => kind === 'category')) return columnInputs(graph, columns)
  const areBytes = type === 'uint8'
  const numbers = (columns ?? []) as readonly NumberColumn[]
  const isLess = numbers.some(({ offset }) => offset !== undefined)
  const name = graph.input('features', areBytes ? 'uint8' : isLess ? 'double' : 'float', ['rows', widthOf(shape)])
  return { features: areBytes ? name : numbersOf(graph, name, numbers), areBytes, names: [name] }
}

/** The features of columns of numbers: less their offsets, which are subtracted in float64, and with missing cells filled. */
function numbersOf(graph: OnnxGraph, input: string, columns: readonly NumberColumn[]): string {
  let numbers = input
  if (columns.some(({ offset }) => offset !== undefined)) {
    const offsets = Float64Array.from(columns, ({ offset = 0 }) => offset)
    const offset = graph.constant('offset', 'double', [1, offsets.length], offsets)
    numbers = graph.node('Cast', [graph.node('Sub', [numbers, offset], 'less')], 'number', { to: onnxTypes.float })
  }
  if (!columns.some(({ fill }) => fill !== undefined)) return numbers
  const fills = Float32Array.from(columns, ({ fill = Number.NaN, offset = 0 }) => fill - offset)
  const fill = graph.constant('fill', 'float', [1, fills.length], fills)
  return graph.node('Where', [graph.node('IsNaN', [numbers], 'missing'), fill, numbers], 'filled')
}

function columnInputs(graph: OnnxGraph, columns: readonly Column[]): OnnxInputs {
  const names = columns.map((column, i) => {
    const type = column.kind === 'category' ? 'string' : column.offset === undefined ? 'float' : 'double'
    return graph.input(column.name === '' ? `column ${i}` : column.name, type, ['rows', 1])
  })
  const nan = graph.constant('refused', 'float', [1], Float32Array.of(Number.NaN))
  const parts = columns.map((column, i) => {
    if (column.kind === 'category') return encoded(graph, names[i]!, column, nan)
    return numbersOf(graph, names[i]!, [column])
  })
  return { features: graph.node('Concat', parts, 'encoded', { axis: 1 }), areBytes: false, names }
}

/**
 * The features of a column of texts. A text gets a code first: the number of its category from 1, or 0 if it is none. So no
 * code is negative, and a code that belongs to no category gives features of 0.
 */
function encoded(graph: OnnxGraph, name: string, column: CategoryColumn, nan: string): string {
  const { categories, fill, unseen, encode } = column
  const codes = new Map(categories.map((category, i) => [category, i + 1]))
  const own = (): number => codes.size + 1
  // An empty text is a missing cell, unless it is a category.
  if (!codes.has('')) codes.set('', fill === undefined ? own() : codes.get(fill)!)
  const missing = codes.get('')!
  const code = graph.node('LabelEncoder', [name], 'code', {
    keys_strings: [...codes.keys()],
    values_int64s: [...codes.values()],
    default_int64: 0,
  })
  const float = { to: onnxTypes.float }
  const features =
    encode === 'ordinal'
      ? graph.node('Sub', [graph.node('Cast', [code], 'number', float), one(graph)], 'index')
      : graph.node('Cast', [graph.node('Equal', [code, all(graph, categories.length)], 'is')], 'one-hot', float)
  const refused = [...(unseen === 'error' ? [0] : []), ...(missing > categories.length ? [missing] : [])]
  return refused.reduce((features, wrong) => {
    const isWrong = graph.node('Equal', [code, graph.constant('wrong', 'int64', [1], whole([wrong]))], 'is_wrong')
    return graph.node('Where', [isWrong, nan, features], 'checked')
  }, features)
}

function one(graph: OnnxGraph): string {
  return graph.constant('one', 'float', [1], Float32Array.of(1))
}

/** The codes of all categories. */
function all(graph: OnnxGraph, count: number): string {
  return graph.constant('codes', 'int64', [1, count], whole(Array.from({ length: count }, (_, i) => i + 1)))
}

const whole = (numbers: readonly number[]): BigInt64Array => BigInt64Array.from(numbers, BigInt)
