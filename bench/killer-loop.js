import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { randomStream } from '../dist/pipeline/base/random.js'
import { differingFiles } from '../dist/report/compared-files.js'

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

/**
 * Runs `millrace run digits --out DIR --resume` in a loop with a killer that strikes at any moment from the first
 * millisecond, until each run is done, and compares it with a run without kills. Any end but a kill or exit code 0 is a
 * failure, because a loop would not get past it. Sets exit code 1 then, or if a file differs.
 */
export async function killerLoop({ kills, seed = 1, more = ['--set', 'epochs=20'] }) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-killer-'))
  const random = randomStream(seed, 'killer', 'moments')
  const args = (name) => [
    'run',
    'digits',
    '--out',
    join(folder, name),
    '--resume',
    '--quiet',
    '--checkpoint',
    'epoch',
    ...more,
  ]
  const [whole] = await once(args('whole'))
  const found = { kills: 0, runs: 0, beforeDefinition: 0, beforeCheckpoint: 0, differing: [] }
  while (found.kills < kills) {
    const name = `killed-${++found.runs}`
    for (let isDone = false; !isDone; ) {
      // Half of the kills are in the first half second, where the directory is made and the first files are written.
      const span = random.uniform() < 0.5 ? Math.min(0.5, whole) : whole
      const moment = found.kills < kills ? random.uniform() * span : undefined
      const [, code, text] = await once(args(name), moment)
      isDone = code === 0
      if (!isDone && code !== null) throw new Error(`after ${found.kills} kills: exit ${code}: ${text}`)
      if (isDone) continue
      found.kills++
      if (!existsSync(join(folder, name, 'pipeline.yaml'))) found.beforeDefinition++
      else if (!existsSync(join(folder, name, 'checkpoint'))) found.beforeCheckpoint++
    }
    found.differing.push(...differingFiles(join(folder, 'whole'), join(folder, name)))
    // Done is done: one more call changes nothing.
    const [, code] = await once(args(name))
    if (code !== 0) throw new Error(`a run that is done ends with ${code}`)
    rmSync(join(folder, name), { recursive: true })
  }
  rmSync(folder, { recursive: true })
  console.log(
    `run --resume: ${found.kills} kills in ${found.runs} runs, ${found.beforeDefinition} before pipeline.yaml was there, ` +
      `${found.beforeCheckpoint} before a checkpoint; ${found.differing.length} files differ`,
  )
  if (found.differing.length > 0) {
    console.log(found.differing.join('\n'))
    process.exitCode = 1
  }
  return found
}

/** Runs the command once, and kills it after `moment` seconds. Resolves to seconds, exit code and its errors. */
function once(args, moment) {
  const began = performance.now()
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  const timer = moment === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), moment * 1000)
  let text = ''
  child.stderr.on('data', (bytes) => {
    text += bytes
  })
  return new Promise((done) => {
    child.on('close', (code) => {
      clearTimeout(timer)
      done([(performance.now() - began) / 1000, code, text])
    })
  })
}
