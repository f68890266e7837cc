import fc from 'fast-check'
import t from 'tap'
import { shares } from '../../bench/fuzz/readers.js'
import { temporary } from '../stages/harness.js'

/** `npm run bench -- fuzz` takes more of them. */
const TOTAL = 5000

for (const { reader, count } of shares(TOTAL))
  t.test(`${reader.name}: damaged and absurd input is read, or refused with its place`, async (t) => {
    const folder = temporary(t)
    const outcomes = new Set<string>()
    const property = fc.asyncProperty(reader.inputs as fc.Arbitrary<unknown>, async (input) => {
      outcomes.add(await reader.check(input, folder))
    })
    await fc.assert(property, { numRuns: count, seed: 1 })
    t.ok(outcomes.size > 0, [...outcomes].join())
  })
