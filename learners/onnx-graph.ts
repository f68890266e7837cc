import { type ProtoField, protobuf } from '../pipeline/stage-kit.js'

/** Codes of number types in ONNX files. */
export const onnxTypes = { float: 1, uint8: 2, int64: 7, string: 8, double: 11 } as const

/** Name of a number type. */
export type OnnxType = keyof typeof onnxTypes

/** The operators of classical models: texts to numbers. */
const ML_DOMAIN = 'ai.onnx.ml'

/** Versions of the format and of its operators, which every runtime of the last years reads. */
const IR_VERSION = 8
const OPERATORS = 13
const ML_OPERATORS = 2

/** Codes of the types of attributes. */
const INT_ATTRIBUTE = 2
const INTS_ATTRIBUTE = 7
const STRINGS_ATTRIBUTE = 8

/** An attribute of an operator. */
export type OnnxAttribute = number | readonly number[] | readonly string[]

/** A graph of operators under construction. Values have names, each its own. */
export class OnnxGraph {
  private readonly names: Set<string>
  private readonly parts: ProtoField[] = []
  private usesMl = false

  /** @param reserved names that only `output` gives: those of the outputs */
  constructor(reserved: readonly string[]) {
    this.names = new Set(reserved)
  }

  /** Adds an input. Returns its name: the one that is wanted, or one with a number behind it if that is taken. */
  input(wanted: string, type: OnnxType, shape: readonly (number | string)[]): string {
    const name = this.free(wanted)
    this.parts.push([11, valueInfo(name, type, shape)])
    return name
  }

  /** Adds a constant. Returns its name. */
  constant(
    wanted: string,
    type: OnnxType,
    shape: readonly number[],
    values: Float32Array | Float64Array | BigInt64Array,
  ): string {
    const name = this.free(wanted)
    // Numbers are little-endian, as all machines are that run Node.
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    const extents = shape.map((extent): ProtoField => [1, extent])
    this.parts.push([5, [...extents, [2, onnxTypes[type]], [8, name], [9, bytes]]])
    return name
  }

  /** Adds an operator. Returns the name of its result. */
  node(
    operator: string,
    inputs: readonly string[],
    wanted: string,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    const name = this.free(wanted)
    this.addNode(operator, inputs, name, attributes)
    return name
  }

  /** Adds an operator whose result is an output of the model, of a reserved name. */
  output(
    operator: string,
    inputs: readonly string[],
    name: string,
    type: OnnxType,
    shape: readonly (number | string)[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): void {
    this.addNode(operator, inputs, name, attributes)
    this.parts.push([12, valueInfo(name, type, shape)])
  }

  /** Encodes the model of this graph. Texts of `about` that are undefined are left out. */
  encoded(about: Readonly<Record<string, string | undefined>>, version: string | undefined): Uint8Array {
    const metadata = Object.entries(about).flatMap(([key, text]): ProtoField[] => {
      if (text === undefined) return []
      return [
        [
          14,
          [
            [1, key],
            [2, text],
          ],
        ],
      ]
    })
    return protobuf([
      [1, IR_VERSION],
      [2, 'millrace'],
      ...(version === undefined ? [] : [[3, version] as const]),
      [7, [[2, 'classifier'], ...this.parts]],
      [8, [[2, OPERATORS]]],
      ...(this.usesMl ? [[8, [[1, ML_DOMAIN] as const, [2, ML_OPERATORS] as const]] as const] : []),
      ...metadata,
    ])
  }

  private free(wanted: string): string {
    let name = wanted
    for (let number = 2; this.names.has(name); number++) name = `${wanted}_${number}`
    this.names.add(name)
    return name
  }

  private addNode(
    operator: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, OnnxAttribute>>,
  ): void {
    const isMl = operator === 'LabelEncoder'
    this.usesMl ||= isMl
    this.parts.push([
      1,
      [
        ...inputs.map((name): ProtoField => [1, name]),
        [2, output],
        [3, output],
        [4, operator],
        ...Object.entries(attributes).map(([name, value]): ProtoField => [5, attribute(name, value)]),
        ...(isMl ? [[7, ML_DOMAIN] as const] : []),
      ],
    ])
  }
}

function attribute(name: string, value: OnnxAttribute): readonly ProtoField[] {
  if (typeof value === 'number')
    return [
      [1, name],
      [3, value],
      [20, INT_ATTRIBUTE],
    ]
  const isText = typeof value[0] === 'string'
  return [
    [1, name],
    ...value.map((each): ProtoField => [isText ? 9 : 8, each]),
    [20, isText ? STRINGS_ATTRIBUTE : INTS_ATTRIBUTE],
  ]
}

/** The name and type of an input or output; an extent that is a text is open. */
function valueInfo(name: string, type: OnnxType, shape: readonly (number | string)[]): readonly ProtoField[] {
  const extents = shape.map((extent): ProtoField => [1, [typeof extent === 'string' ? [2, extent] : [1, extent]]])
  const tensor: ProtoField[] = [
    [1, onnxTypes[type]],
    [2, extents],
  ]
  return [
    [1, name],
    [2, [[1, tensor]]],
  ]
}
