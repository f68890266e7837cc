import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { decodeTensors } from '../../dist/index.js'
import { millrace } from './in-process.js'

t.test('export writes a file beside the parameters, and replaces one only with --force', async (t) => {
  const cwd = t.testdir()
  const args = ['--set', 'epochs=2', '--kernel', 'reference', '--quiet', '--out', 'a']
  t.equal((await millrace(['run', 'digits', ...args], cwd)).code, 0)
  const first = await millrace(['export', 'a'], cwd)
  t.equal(first.stderr, '')
  t.match(
    first.stdout,
    /^W 10×64 float64, b 10 float64 of epoch 2, step 80: \d+ bytes in a\/parameters\.safetensors\n$/,
  )
  const { tensors, metadata } = decodeTensors(readFileSync(join(cwd, 'a/parameters.safetensors')))
  t.strictSame(tensors.get('W')!.shape, [10, 64])
  t.equal(metadata.get('epoch'), '2')

  const second = await millrace(['export', 'a', '--format', 'npz', '--json'], cwd)
  t.match(JSON.parse(second.stdout), { format: 'npz', epoch: 2, arrays: [{ name: 'W', shape: [10, 64] }, {}] })
  const bytes = readFileSync(join(cwd, 'a/parameters.npz'))
  const again = await millrace(['export', 'a', '--format', 'npz'], cwd)
  t.equal(again.code, 2)
  t.equal(again.stderr, 'a/parameters.npz exists already; --force replaces it, --out names another\n')
  t.equal((await millrace(['export', 'a', '--format', 'npz', '--force'], cwd)).code, 0)
  t.strictSame(readFileSync(join(cwd, 'a/parameters.npz')), bytes, 'the same bytes')

  const named = await millrace(['export', 'a', '--which', 'parameters.arrow', '--out', 'w.safetensors'], cwd)
  t.match(named.stdout, / bytes in w\.safetensors\n$/)
  t.strictSame(readdirSync(cwd).sort(), ['a', 'w.safetensors'])

  const best = await millrace(['export', 'a', '--which', 'best'], cwd)
  t.equal(best.code, 2)
  t.equal(best.stderr, 'there is no a/best.arrow: give --which parameters.arrow\n')

  writeFileSync(join(cwd, 'a/best.arrow'), readFileSync(join(cwd, 'a/parameters.arrow')).subarray(0, 400))
  const damaged = await millrace(['export', 'a', '--which', 'best'], cwd)
  t.equal(damaged.code, 1)
  t.match(damaged.stderr, /^a\/best\.arrow does not hold parameters: /)
})

t.test('export refuses what is no run, or has no parameters', async (t) => {
  const record = JSON.stringify({ status: 'failed', name: 'a', seed: 1 })
  const cwd = t.testdir({ empty: {}, bare: { 'run.json': record }, broken: { 'run.json': '{' } })
  for (const [directory, code, message] of [
    ['nowhere', 2, /^nowhere is no run directory: it does not exist\n$/],
    ['empty', 2, /^empty is no run directory: it has no run\.json; /],
    ['broken', 1, /^broken\/run\.json is damaged: /],
    ['bare', 2, /^there is no bare\/parameters\.arrow: the run wrote no parameters; it needs sink\/parameters or/],
  ] as const) {
    const found = await millrace(['export', directory], cwd)
    t.match(found.stderr, message)
    t.equal(found.code, code)
  }
  const { stdout } = await millrace(['export', '--help'], cwd)
  t.match(stdout, "numpy.load('digits.npz')")
})
