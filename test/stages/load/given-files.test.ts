import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { builtInStages } from '../../../dist/pipeline/graph/registry.js'
import { temporary } from '../harness.js'

const stages = await builtInStages()

t.test('a load stage says how it reads files and folders that a user gives', async (t) => {
  const folder = temporary(t, {
    'images-idx3-ubyte': Uint8Array.of(0, 0, 8, 3),
    'classes-idx1-ubyte': Uint8Array.of(0, 0, 8, 1),
  })
  mkdirSync(join(folder, 'other'))
  const at = (name: string) => join(folder, name)
  const cases: [use: string, paths: string[], expected: unknown][] = [
    ['load/cifar10', [folder], { directory: folder, train: ['test_batch.bin'] }],
    ['load/cifar100', [folder], { directory: folder, train: ['test.bin'] }],
    ['load/cifar100', [at('a.bin'), at('b.bin')], { directory: folder, train: ['a.bin', 'b.bin'] }],
    ['load/idx', [at('images-idx3-ubyte')], { directory: folder, files: { data0: { images: 'images-idx3-ubyte' } } }],
    [
      'load/idx',
      [at('images-idx3-ubyte'), at('classes-idx1-ubyte')],
      { directory: folder, files: { data0: { images: 'images-idx3-ubyte', labels: 'classes-idx1-ubyte' } } },
    ],
  ]
  for (const [use, paths, expected] of cases) {
    const { optionsFor, options } = stages.get(use)!
    t.strictSame(optionsFor!(paths), expected, use)
    t.ok(options.safeParse({ ...optionsFor!(paths), model: 'runs/x' }).success)
  }
  const refused: [use: string, paths: string[], message: string][] = [
    ['load/cifar100', [at('a.bin'), at('other/b.bin')], 'expected files of one folder'],
    [
      'load/idx',
      [at('classes-idx1-ubyte')],
      'expected files of images, and none or as many files of labels, in the same order',
    ],
  ]
  for (const [use, paths, message] of refused)
    t.throws(() => stages.get(use)!.optionsFor!(paths), { code: 'ARGUMENTS', message })
})
