import t from 'tap'
import { Pipeline } from '../../../dist/index.js'
import { millrace } from '../../cli/millrace.js'

const stages = `stages:
  - use: load/digits
  - use: batch/rows
    with: { size: 32, epochs: 1 }
  - use: gradient-step/softmax
    with: { eta: 0.1 }
`

t.test('the block parallel has defaults, may hold references, and is inherited and overridden', async (t) => {
  const cwd = t.testdir({
    'p.yaml': `vars: { n: 4 }\nparallel: { engine: mpi, ranks: "\${n}" }\n${stages}`,
    'q.yaml': 'extends: p.yaml\n',
  })
  const expected = { engine: 'mpi', ranks: 4, shards: 8, mode: 'ordered', timeout: 30 }
  t.strictSame((await Pipeline.load(`${cwd}/q.yaml`)).definition.parallel, expected)
  const set = ['parallel.ranks=2', 'parallel.mode=fast']
  const changed = await Pipeline.load(`${cwd}/p.yaml`, { set })
  t.strictSame(changed.definition.parallel, { ...expected, ranks: 2, mode: 'fast' })
  t.match(changed.toYAML(), /parallel:\n {2}engine: mpi\n {2}ranks: 2\n {2}mode: fast\n/)
  t.equal(changed.undivided().definition.parallel, undefined)
})

t.test('a program passes the same block, with the same checks', async (t) => {
  const spec = { name: 'p', stages: [{ use: 'load/digits' }] }
  const made = await Pipeline.define({ ...spec, parallel: { engine: 'local', shards: 4 } })
  t.match(made.definition.parallel, { engine: 'local', ranks: 1, shards: 4 })
  await t.rejects(Pipeline.define({ ...spec, parallel: { engine: 'tcp' } }), {
    code: 'DEFINITION',
    message: 'code  parallel: engine: expected "mpi" or "local", got "tcp"',
  })
})

t.test('mistakes are reported with their positions', async (t) => {
  const wrong = async (parallel: string) => {
    const cwd = t.testdir({ 'p.yaml': `parallel: ${parallel}\n${stages}` })
    return (await millrace(['validate', 'p.yaml'], cwd)).stderr.split('\n')[0]
  }
  t.equal(
    await wrong('{ engine: local, ranks: 4 }'),
    'p.yaml:1:35  parallel: ranks: the engine local is one process, expected 1, got 4 (--set parallel.ranks=1)',
  )
  t.equal(
    await wrong('{ engine: mpi, ranks: 9 }'),
    'p.yaml:1:11  parallel: shards: expected at least one for each of the 9 ranks, got 8',
  )
  t.equal(await wrong('{ engine: mpi, rank: 4 }'), 'p.yaml:1:26  parallel: unknown key "rank"; did you mean "ranks"?')
  t.equal(await wrong('{ ranks: 4 }'), 'p.yaml:1:11  parallel: engine is required: expected "mpi" or "local"')
})
