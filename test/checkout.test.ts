import { execFile } from 'node:child_process'
import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { millrace, userEnvironment } from './cli/millrace.js'
import { temporary } from './stages/harness.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
const run = promisify(execFile)

t.test('what commands write into a checkout is neither linted nor offered to Git', async (t) => {
  const cwd = temporary(t, { 'linted.json': '{}\n' })
  for (const name of ['biome.json', '.gitignore']) cpSync(join(root, name), join(cwd, name))
  const lint = async () => (await run(process.execPath, [biome, 'check'], { cwd, env: userEnvironment() })).stdout
  t.match(await lint(), 'Checked 2 files')

  const options = '--set epochs=1 --kernel reference'
  for (const command of [`run digits ${options}`, `sweep digits --grid eta=0.1 ${options}`, 'report runs/digits-001'])
    t.match(await millrace(command.split(' '), cwd), { code: 0 }, command)
  const written = ['report.html', 'runs', 'sweeps']
  t.strictSame(
    readdirSync(cwd).filter((name) => written.includes(name)),
    written,
  )
  t.match(await lint(), 'Checked 2 files')
  await run('git', ['init', '-q'], { cwd })
  const { stdout } = await run('git', ['status', '--porcelain', '--untracked-files=all'], { cwd })
  t.equal(stdout, '?? .gitignore\n?? biome.json\n?? linted.json\n')
})
