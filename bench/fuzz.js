import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { shares } from './fuzz/readers.js'
import { printTable } from './measure.js'

/**
 * Gives damaged and absurd inputs to every reader and prints a table of the outcomes. For an outcome that is not
 * documented, prints the smallest input that causes it and sets exit code 1.
 */
export async function fuzz({ inputs, seed }) {
  console.log(`\nFuzzing: ${inputs} inputs, seed ${seed}`)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-fuzz-'))
  const rows = []
  let total = 0
  try {
    for (const { reader, count } of shares(inputs)) {
      const outcomes = new Map()
      const begun = performance.now()
      const property = fc.asyncProperty(reader.inputs, async (input) => {
        const outcome = await reader.check(input, folder)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      })
      const details = await fc.check(property, { numRuns: count, seed, endOnFailure: false })
      total += details.numRuns
      const told = [...outcomes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([outcome, n]) => `${outcome} ${n}`)
      const seconds = (performance.now() - begun) / 1000
      rows.push([reader.name, String(details.numRuns), seconds.toFixed(1), details.failed ? 'FAILED' : told.join(', ')])
      if (!details.failed) continue
      process.exitCode = 1
      console.log(`\n${reader.name}: ${fc.defaultReportMessage(details)}\n${details.errorInstance?.stack}\n`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  printTable(['', 'inputs', 'seconds', 'outcomes'], rows)
  console.log(`${total} inputs, at most ${Math.round(process.resourceUsage().maxRSS / 1024)} MB of memory`)
}
