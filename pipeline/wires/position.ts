import { Schema, Table } from 'apache-arrow'

/** Where in the run a table belongs; written to the metadata of its schema. */
export interface Position {
  readonly epoch: number
  /** Steps done since the run began, this one included. */
  readonly step: number
  /** Epochs of the whole run, and steps of one epoch. */
  readonly epochs: number
  readonly steps: number
}

/**
 * Arrow's Table, but for a schema that is written out when somebody looks at it. There is a table for every step on
 * every wire, and hardly anybody does: schemas made each time took more time than all else around the kernels.
 */
class Repositioned {
  declare readonly batches: Table['batches']
  declare readonly _offsets: unknown
  declare readonly base: Table
  declare readonly position: Position
  declare readonly metadata: Readonly<Record<string, number>>

  constructor(base: Table, position: Position, metadata: Readonly<Record<string, number>>) {
    this.batches = base.batches
    this._offsets = (base as unknown as Repositioned)._offsets
    this.base = base
    this.position = position
    this.metadata = metadata
  }

  get schema(): Schema {
    const { base, position } = this
    const metadata = writePosition(new Map(base.schema.metadata), position)
    for (const [key, value] of Object.entries(this.metadata)) metadata.set(key, String(value))
    const schema = new Schema(base.schema.fields, metadata, base.schema.dictionaries)
    Object.defineProperty(this, 'schema', { value: schema, enumerable: true })
    return schema
  }
}
// Not `extends`: the constructor of Table would go through the batches.
Object.setPrototypeOf(Repositioned.prototype, Table.prototype)

const none = {}

/** The same rows at another position, with other numbers in the metadata besides: nothing is copied. */
export function reposition(base: Table, position: Position, metadata: Readonly<Record<string, number>> = none): Table {
  return new Repositioned(base, position, metadata) as unknown as Table
}

/** What a table not yet made is, behind its types. */
interface Unmade {
  position: Position
  make: () => Table
}

/** What Arrow's Table holds. */
const held = ['schema', 'batches', '_offsets'] as const

const unmadeTable: object = Object.create(
  Table.prototype,
  Object.fromEntries(
    held.map((key) => [
      key,
      {
        get(this: Unmade): unknown {
          const made = this.make() as unknown as Record<string, unknown>
          for (const each of held) Object.defineProperty(this, each, { value: made[each], enumerable: true })
          return made[key]
        },
      },
    ]),
  ),
)

/** A table that is made when somebody looks at more of it than its position. */
export function tableWhenSeen(position: Position, make: () => Table): Table {
  const table: Unmade = Object.create(unmadeTable)
  table.position = position
  table.make = make
  return table as unknown as Table
}

/** A number in the metadata of a table; 0 where there is none. */
export function numberOf(table: Table, key: string): number {
  const { metadata } = table as unknown as Partial<Repositioned>
  return metadata?.[key] ?? Number(table.schema.metadata.get(key) ?? 0)
}

/** Puts a position into the metadata of a schema. */
export function writePosition(metadata: Map<string, string>, position: Position): Map<string, string> {
  metadata.set('epoch', String(position.epoch))
  metadata.set('step', String(position.step))
  metadata.set('epochs', String(position.epochs))
  return metadata.set('steps', String(position.steps))
}

export function positionOf(table: Table): Position {
  const { position } = table as unknown as Partial<Repositioned>
  if (position) return position
  const [epoch, step, epochs, steps] = ['epoch', 'step', 'epochs', 'steps'].map((key) => numberOf(table, key))
  return { epoch: epoch!, step: step!, epochs: epochs!, steps: steps! }
}

/** True for the last step of an epoch. */
export function endsEpoch({ step, steps }: Position): boolean {
  return steps > 0 && step > 0 && step % steps === 0
}
