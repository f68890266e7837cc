import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { temporary } from '../stages/harness.js'
import { redisMissing, startRedis } from '../sweep/queue/servers.js'
import { pipeline } from '../sweep/sweeps.js'
import { millrace } from './millrace.js'

t.test('a queue that cannot be used is an error at once', async (t) => {
  const cwd = temporary(t)
  const told = async (url: string) => {
    const { code, stderr } = await millrace(['sweep', 'status', '--queue', url], cwd)
    t.equal(code, 2)
    return stderr
  }
  t.match(
    await told('redis://127.0.0.1:1'),
    /^--queue: redis:\/\/127\.0\.0\.1:1 does not answer: connection refused; is the server running/,
  )
  t.match(
    await told('postgres://me:secret@127.0.0.1:1/x'),
    /^--queue: postgres:\/\/me@127\.0\.0\.1:1\/x does not answer: connection refused/,
  )
  t.equal(
    await told('http://me:secret@host'),
    '--queue: expected redis://host:6379 or postgres://user@host/database, got "http://me@host"\n',
  )
  const { code, stderr } = await millrace(['sweep', 'work', '--jobs', '2'], cwd)
  t.match([code, stderr], [2, /required option '--queue <url>' not specified/])
})

t.test('submit, work, status and collect share the options of a sweep', { skip: redisMissing }, async (t) => {
  const cwd = temporary(t, { 'a.yaml': pipeline })
  const { url } = await startRedis(t)
  const sweep = (...args: string[]) => millrace(['sweep', ...args], cwd, { MILLRACE_QUEUE: url })
  const given = ['--grid', 'eta=0.1,0.2', '--seeds', '2', '--set', 'epochs=1', '--kernel', 'reference']
  t.match(await sweep('submit', 'a.yaml', ...given, '--artifacts', 'shared'), {
    code: 0,
    stdout: /^small: 4 points, 4 of them new at redis:\/\/127\.0\.0\.1:\d+; runs go to shared\n$/,
    stderr: '',
  })
  t.match(await sweep('collect', '--timeout', '0.1'), {
    code: 1,
    stdout: 'small: 0 of 4 points done, 0 running, 4 waiting\n',
    stderr: /^4 of 4 points are neither done nor failed/,
  })
  const [waiting, following] = [sweep('collect', '--wait'), sweep('status', '--follow')]
  t.match(await sweep('status'), {
    stdout: 'sweep  points  done  failed  running  waiting\nsmall       4     0       0        0        4\n',
  })
  t.match(await sweep('work', '--until-done', '--jobs', '2'), {
    code: 0,
    stdout: /^working at redis:.* with 2 jobs\n(eta=0\.\d seed=\d {2}done {2}\(\d+\.\d\d s\)\n){4}4 points done\n$/,
    stderr: '',
  })
  t.match(await waiting, {
    code: 0,
    stdout:
      /^small: 0 of 4 .*\n[\s\S]*small: 4 of 4 points done, 0 running, 0 waiting\n4 of 4 points done; millrace table \S+ shows them\n$/,
  })
  t.match(await following, { code: 0, stdout: /small: 4 of 4 points done, 0 running, 0 waiting\n$/ })
  t.match(await sweep('status', '--json'), { stdout: /"total":4,"waiting":0,"running":0,"done":4,"failed":0/ })
  t.match(await sweep('collect'), { code: 0, stdout: '4 of 4 points done; millrace table shared shows them\n' })
  t.match(await millrace(['table', 'shared'], cwd), { code: 0, stdout: /^2 settings, 4 runs|^2 settings/ })
  t.match(await sweep('submit', 'a.yaml', ...given, '--artifacts', 'other'), {
    code: 0,
    stdout: /^small: 4 points, 0 of them new at redis:\/\/127\.0\.0\.1:\d+\n$/,
    stderr: /^note: 4 of the points were submitted before, with their runs in \S+shared\n$/,
  })
  t.match(await sweep('submit', 'a.yaml', '--grid', 'lambda=0.1', '--kernel', 'reference', '--artifacts', '/nowhere'), {
    stdout: /^small-2: 1 point, 1 of them new .*; runs go to \/nowhere\n$/,
    stderr: 'note: the sweep "small" at the queue has other points and stays; this one is "small-2"\n',
  })
  t.match(await sweep('work', '--until-done'), {
    stdout: /failed: \/nowhere may not be used for runs: it does not lie below .*; --artifacts names other folders/,
  })
  t.match(await sweep('submit', 'a.yaml', '--grid', 'lambda=0.1', '--kernel', 'reference', '--retry'), {
    stdout: /^small-2: 1 point, 0 of them new .*, 1 again; runs go to sweeps\/small-2\n$/,
  })
})

t.test(
  'what is taken from the environment is told, and the secret is not to be had',
  { skip: redisMissing },
  async (t) => {
    const cwd = temporary(t, {
      'a.yaml': pipeline.replace('eta: 0.05', 'eta: "${RATE}"'),
      'b.yaml': pipeline.replace('eta: 0.05', 'eta: "${MILLRACE_QUEUE_SECRET}"'),
    })
    const { url } = await startRedis(t)
    const env = { MILLRACE_QUEUE: url, MILLRACE_QUEUE_SECRET: '0.5', RATE: '0.25' }
    const submit = (file: string) => millrace(['sweep', 'submit', file, '--seeds', '1'], cwd, env)
    t.match(await submit('a.yaml'), { code: 0, stderr: 'note: everybody who reads the queue sees the value of RATE\n' })
    t.match(await submit('b.yaml'), { code: 2, stderr: /names neither a var nor an environment variable/ })
  },
)

t.test('run-one runs one point, also while others run', async (t) => {
  const cwd = temporary(t, { 'a.yaml': pipeline })
  const given = ['--grid', 'eta=0.1,0.2', '--set', 'epochs=1', '--kernel', 'reference', '--out', 'out']
  const runOne = (...args: string[]) => millrace(['sweep', 'run-one', 'a.yaml', ...args, ...given], cwd)
  t.match(await runOne(), { code: 0, stdout: '0  eta=0.1 seed=1\n1  eta=0.2 seed=1\n' })
  const both = await Promise.all([runOne('0'), runOne('1')])
  t.match(both, [
    { code: 0, stdout: /^0 {2}eta=0\.1 seed=1 {2}done {2}\(\d+\.\d\d s\); millrace table out shows what there is\n$/ },
    { code: 0, stdout: /^1 {2}eta=0\.2 seed=1 {2}done/ },
  ])
  t.match(await runOne('2'), { code: 2, stderr: 'there is no point 2: small has the points 0 to 1\n' })
  t.equal(readdirSync(join(cwd, 'out/points')).length, 2)
  t.match(await millrace(['sweep', 'a.yaml', ...given], cwd), {
    code: 0,
    stdout: /2 points, 2 there already, 0 to run/,
  })
})
