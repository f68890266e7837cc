/**
 * The kind of table that a wire carries: one of the kinds that Millrace knows, or a name that a user's stage defines.
 * A wire connects ports of the same type only.
 */
export type WireType =
  | 'examples'
  | 'batch'
  | 'parameters'
  | 'metrics'
  | 'predictions'
  | 'gradient-check'
  | 'any'
  // Any other string. The intersection keeps the names above in the suggestions of an editor.
  | (string & Record<never, never>)

/** An input or output of a stage. */
export interface Port<T extends WireType = WireType> {
  /** The kind of table that goes through it. */
  readonly type: T
  /** Other kinds that an input takes as well. */
  readonly also?: readonly WireType[]
}

/** The inputs or the outputs of a stage, by name. */
export type Ports = Readonly<Record<string, Port>>

/** The port types. An `any` input accepts tables of every kind. */
export const wire = {
  examples: { type: 'examples' },
  batch: { type: 'batch' },
  parameters: { type: 'parameters' },
  metrics: { type: 'metrics' },
  predictions: { type: 'predictions' },
  /** For inputs: tables whose columns are numbers and texts, of metrics or of predictions. */
  flat: { type: 'metrics', also: ['predictions'] },
  gradientCheck: { type: 'gradient-check' },
  any: { type: 'any' },
} as const satisfies Record<string, Port>
