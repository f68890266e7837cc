import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { watchFiles } from '../../dist/cli/watcher.js'
import { temporary } from '../stages/harness.js'

const times = { quiet: 20, longest: 300, look: 20 }

/** What is done to `p.yaml` in a folder `in`, and whether that is a change. */
const cases: Record<string, [before: (at: string) => void, change: (at: string) => unknown]> = {
  written: [() => {}, (at) => writeFileSync(join(at, 'in/p.yaml'), 'b: 2')],
  replaced: [
    (at) => writeFileSync(join(at, 'in/new'), 'a: 1'),
    (at) => renameSync(join(at, 'in/new'), join(at, 'in/p.yaml')),
  ],
  removed: [() => {}, (at) => rmSync(join(at, 'in/p.yaml'))],
  'removed with its folder': [() => {}, (at) => rmSync(join(at, 'in'), { recursive: true })],
  'renamed away with its folder, another comes': [
    () => {},
    (at) => {
      renameSync(join(at, 'in'), join(at, 'out'))
      mkdirSync(join(at, 'in'))
      writeFileSync(join(at, 'in/p.yaml'), 'c: 3')
    },
  ],
  'made in a folder that was not there': [
    (at) => rmSync(join(at, 'in'), { recursive: true }),
    (at) => {
      mkdirSync(join(at, 'in'))
      writeFileSync(join(at, 'in/p.yaml'), 'a: 1')
    },
  ],
  'written without a pause': [
    () => {},
    (at) => {
      const timer = setInterval(() => writeFileSync(join(at, 'in/p.yaml'), String(performance.now())), 5)
      return () => clearInterval(timer)
    },
  ],
}

t.test('a change is seen, whatever becomes of the folder', async (t) => {
  await Promise.all(
    Object.entries(cases).map(async ([name, [before, change]]) => {
      const at = temporary(t)
      mkdirSync(join(at, 'in'))
      writeFileSync(join(at, 'in/p.yaml'), 'a: 1')
      before(at)
      const file = join(at, 'in/p.yaml')
      const watcher = watchFiles([file], times)
      const early = await Promise.race([watcher.changed, wait(60, 'nothing')])
      t.equal(early, 'nothing', `${name}: nothing has changed yet`)
      const end = change(at) as (() => void) | undefined
      t.equal(await Promise.race([watcher.changed, wait(5000, 'nothing')]), file, name)
      if (typeof end === 'function') end()
      watcher.close()
    }),
  )
})
