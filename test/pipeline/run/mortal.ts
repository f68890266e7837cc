import type { Test } from 'tap'
import { temporary } from '../../stages/harness.js'
import { data, definition as keeping } from './keeping.js'

/** The pipeline with a stage that may kill the process. */
export const definition = `${keeping}  - { use: ./mortal.mjs, from: model }
`

/**
 * Kills its process at the step that the environment names, once the file is there that it names: nothing is closed,
 * nothing is told.
 */
const mortal = `
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineStage, positionOf, wire, z } from 'millrace/stage'
import { ignoreElements } from 'rxjs'
const { DIE_AT, DIE_AFTER } = process.env
export default defineStage({
  name: 'mortal', summary: 'Dies.', options: z.strictObject({}), inputs: { parameters: wire.parameters }, outputs: {}, example: '',
  asks: () => ({ parameters: { arrays: 'last' } }),
  run: (_, { flow }) => (parameters) => parameters.pipe(flow.concatMap(async (table) => {
    if (positionOf(table).step !== Number(DIE_AT)) return
    while (DIE_AFTER && !existsSync(DIE_AFTER)) await sleep(1)
    process.kill(process.pid, 'SIGKILL')
  }), ignoreElements()),
})
`

/** A folder with all of this. */
export function folder(t: Test): string {
  return temporary(t, { 'p.yaml': definition, 'mortal.mjs': mortal, 'data.csv': data })
}

/** What makes a run die at a step, once the checkpoint of another is on the disk. */
export function dying(at: number, out: string, after?: number): Record<string, string> {
  return {
    DIE_AT: String(at),
    ...(after && { DIE_AFTER: `${out}/checkpoint/step-${String(after).padStart(9, '0')}.safetensors` }),
  }
}
