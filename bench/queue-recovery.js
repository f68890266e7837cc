/**
 * Measures how long a point waits after its worker was killed.
 *
 *   node bench/queue-recovery.js redis://127.0.0.1:6379 [times]
 *
 * Use a server for this alone: the queue is emptied. There are two workers with the default settings. The one with the
 * point is killed, each time at another moment of its lock.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openServer } from '../dist/sweep/queue/index.js'

const [url, times = '8'] = process.argv.slice(2)
const main = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'millrace-recovery-'))
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits for a worker to take the point of this round, other than process `other`; returns its process id. */
async function holder(round, other) {
  const working = join(folder, String(round), 'working')
  for (;;) {
    const names = existsSync(working) ? readdirSync(working) : []
    const pid = names.map((name) => Number(/-(\d+)-[0-9a-f-]+$/.exec(name)[1])).find((each) => each !== other)
    if (pid) return pid
    await pause(5)
  }
}

function start(...args) {
  return spawn(process.execPath, [main, 'sweep', ...args, '--queue', url], { stdio: 'ignore', cwd: folder })
}

/** Removes all points from the queue. */
async function clear() {
  const server = await openServer(url)
  await server.points.obliterate({ force: true })
  await server.close()
}

const seconds = []
for (let round = 0; round < Number(times); round++) {
  const workers = [start('work', '--quiet'), start('work', '--quiet')]
  // Each round has its own point, which is too long to end.
  const given = ['--grid', `eta=0.0${round + 1}`, '--seed', String(process.pid), '--set', 'epochs=100000']
  start('submit', 'digits', ...given, '--artifacts', join(folder, String(round)))
  const first = await holder(round)
  await pause(2000 + (round * 3000) / Number(times))
  const killed = performance.now()
  process.kill(first, 'SIGKILL')
  await holder(round, first)
  seconds.push((performance.now() - killed) / 1000)
  for (const worker of workers) worker.kill('SIGKILL')
  await clear()
}
rmSync(folder, { recursive: true })
seconds.sort((a, b) => a - b)
const shown = seconds.map((each) => each.toFixed(1)).join(' ')
console.log(`seconds until another worker had the point: ${shown}; most ${seconds.at(-1).toFixed(1)}`)
