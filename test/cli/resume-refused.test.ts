import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { common, folder } from '../pipeline/run/keeping.js'
import { millrace } from './in-process.js'

t.test('a resume that is refused, or has nothing to do, says that nothing was written', async (t) => {
  const cwd = folder(t)
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd)
  const before = readFileSync(join(cwd, 'a/run.json'), 'utf8')
  const resumed = (...args: string[]) =>
    millrace(['resume', 'a', '--plugins', '.', '--kernel', 'reference', ...args], cwd)
  const again = await resumed('--set', 'eta=7')
  t.match(again, { code: 0, stderr: '' })
  t.match(again.stdout, /\na: nothing to do: the run has made its 16 steps; nothing was changed\n$/)
  const more = await resumed('--memory', '2MB')
  t.match(more, { code: 0, stdout: 'a is done; --set epochs=… makes it longer\n' }, 'its result is the same')
  t.match(await resumed('--memory', '1KB', '--set', 'epochs=6'), { code: 2, stderr: /memory: expected .* got "1KB"/ })
  t.match(await resumed('--set', 'eta=7', '--quiet'), { code: 0, stdout: '', stderr: '' })
  const { changed } = JSON.parse((await resumed('--set', 'eta=7', '--json')).stdout)
  t.equal(changed, false)
  const fewer = await resumed('--set', 'epochs=2', '--quiet')
  t.match(fewer, { code: 2, stdout: '' })
  t.match(
    fewer.stderr,
    /has made 16 steps, and the definition now ends before that.*\nnothing was written; the run is as it was\n$/,
  )
  t.match(await resumed('--set', 'epochs=6', '--set', 'cut.size=3'), { code: 2, stderr: /size: was 8, is now 3/ })
  t.equal(readFileSync(join(cwd, 'a/run.json'), 'utf8'), before)
})
