import { readFileSync } from 'node:fs'
import type { Test } from 'tap'

/**
 * Checks the figures that docs/reliability.md has for a test file: the numbers in the column "figure" of the row with
 * the command `npx tap FILE`.
 */
export function checkFigures(t: Test, file: string, expected: readonly number[]): void {
  const page = readFileSync(new URL('../../docs/reliability.md', import.meta.url), 'utf8')
  const row = page.split('\n').find((line) => line.includes(`| \`npx tap ${file}\``))
  const figure = row?.split(/(?<!\\)\|/).at(-3) ?? ''
  const found = (figure.match(/\d[\d,]*/g) ?? []).map((number) => Number(number.replaceAll(',', '')))
  t.strictSame(found, expected, `docs/reliability.md has the figures of ${file}`)
}
