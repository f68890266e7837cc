import { execFileSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline } from '../../../dist/index.js'
import { gitStateOf } from '../../../dist/pipeline/run/git-state.js'
import { temporary } from '../../stages/harness.js'

t.test('the commit of the folder of a definition, and whether there are changes', async (t) => {
  const folder = temporary(t, { 'a.yaml': 'name: a\nstages:\n  - use: load/digits\n' })
  const state = async () => gitStateOf(await Pipeline.load(join(folder, 'a.yaml')))
  t.equal(await state(), undefined, 'no repository')
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'commit.gpgsign=false']
  const git = (...args: string[]): string => execFileSync('git', [...who, ...args], { cwd: folder, encoding: 'utf8' })
  try {
    git('init', '-q')
  } catch {
    return t.skip('there is no git')
  }
  t.equal(await state(), undefined, 'no commit')
  git('add', 'a.yaml')
  git('commit', '-qm', 'a')
  const commit = git('rev-parse', 'HEAD').trim()
  t.strictSame(await state(), { commit, isDirty: false })
  appendFileSync(join(folder, 'a.yaml'), '# changed\n')
  t.strictSame(await state(), { commit, isDirty: true })
  const made = await Pipeline.define({ name: 'toy', stages: [{ use: 'load/digits' }] })
  t.equal(await gitStateOf(made), undefined, 'a pipeline of a program')
})
