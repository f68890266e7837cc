import { createRequire } from 'node:module'
import { Table, tableFromIPC, tableToIPC, vectorFromArray } from 'apache-arrow'
import { map } from 'rxjs'
import t from 'tap'
import { z } from 'zod'
import { defineStage, wire } from '../../../dist/pipeline/stage-kit.js'
import { ownTable } from '../../../dist/pipeline/wires/foreign-table.js'
import { examples, runStage } from '../../../dist/testing.js'

// The package has its classes twice: as modules, which Millrace imports, and in CommonJS.
const isOurs = (table: unknown) => Object.prototype.isPrototypeOf.call(Table.prototype, table as object)
const foreign = createRequire(import.meta.url)('apache-arrow') as typeof import('apache-arrow')

t.test('a table of another copy of apache-arrow is taken over with its rows, and can be written', async (t) => {
  const point = new foreign.FixedSizeList(2, new foreign.Field('item', new foreign.Float32()))
  const theirs = new foreign.Table({
    count: foreign.vectorFromArray([1, null, 3], new foreign.Int32()),
    name: foreign.vectorFromArray(['a', 'b', 'ä'], new foreign.Utf8()),
    word: foreign.vectorFromArray(['x', 'y', 'x']),
    point: foreign.vectorFromArray(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      point,
    ),
    list: foreign.vectorFromArray([[1], [], [2, 3]], new foreign.List(new foreign.Field('item', new foreign.Int16()))),
    time: foreign.vectorFromArray([0, 1, 2], new foreign.TimestampMillisecond()),
  })
  t.notOk(isOurs(theirs))
  const ours = ownTable(theirs) as Table
  t.ok(isOurs(ours))
  const read = tableFromIPC(tableToIPC(ours))
  t.strictSame(JSON.stringify(read.toArray()), JSON.stringify(theirs.toArray()))
  t.equal(String(read.schema), String(theirs.schema))
  const floats = (table: Table) => table.getChild('point')!.data[0]!.children[0]!.values
  t.equal(floats(ours), floats(theirs), 'no number was copied')
  t.equal(
    ours.select(['count']).concat(new Table({ count: vectorFromArray([4], ours.getChild('count')!.type) })).numRows,
    4,
  )
})

t.test('what is of this copy, or no table, stays as it is', async (t) => {
  const table = new Table({ a: vectorFromArray([1, 2]) })
  for (const value of [table, undefined, null, 1, {}, { batches: [] }]) t.equal(ownTable(value), value)
})

t.test('a type that this copy does not know is an error', async (t) => {
  const theirs = new foreign.Table({ a: foreign.vectorFromArray([1], new foreign.Int32()) })
  Object.defineProperty(theirs.schema.fields[0]!.type, 'toString', { value: () => 'Tensor' })
  t.throws(() => ownTable(theirs), { message: /^a column of type Tensor is of another copy of apache-arrow/ })
})

t.test('a stage gets tables of this copy', async (t) => {
  const ours = examples({ values: [[1, 2]], labels: [0] })
  const seen: boolean[] = []
  const look = defineStage({
    name: 'look',
    summary: 'Looks.',
    options: z.strictObject({}),
    inputs: { examples: wire.examples },
    outputs: { examples: wire.examples },
    example: '- use: look',
    run: () =>
      map((table: Table) => {
        seen.push(isOurs(table))
        return table
      }),
  })
  await runStage({ use: look }, { examples: [foreign.tableFromIPC(tableToIPC(ours)) as unknown as Table] })
  t.strictSame(seen, [true])
})
