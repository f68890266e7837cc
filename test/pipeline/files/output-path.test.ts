import t from 'tap'
import { optionSchema } from '../../../dist/pipeline/definition/option-schema.js'
import { outputPath, pathKey } from '../../../dist/pipeline/files/output-path.js'
import { outputPathsIn } from '../../../dist/pipeline/graph/outputs.js'
import { z } from '../../../dist/pipeline/stage-kit.js'

t.test('outputPath accepts paths that mean the same on every system', async (t) => {
  for (const path of ['a.csv', 'figures/a.png', './a', '..a', 'a..b/c', 'é.csv', '.hidden', 'console', 'a.parts', '/a'])
    t.ok(outputPath.safeParse(path).success, path)
  const outside = ['', '..', '../a', 'a/../../b', 'a/..', '/a/../b', 'a\\..\\b', 'C:\\a', '\\\\server\\a', 'a:b', 3]
  for (const path of [...outside, 'a\0b', 'a\nb', '\x1b[2J', '\ud800'])
    t.notOk(outputPath.safeParse(path).success, JSON.stringify(path))
  for (const path of ['con', 'figures/NUL.csv', 'lpt1', 'a.', 'a /b', '...', 'a.csv.part', 'A.PART/b'])
    t.match(
      outputPath.safeParse(path).error?.issues,
      [{ message: /^expected a file name that every system takes/ }],
      path,
    )
})

t.test('outputPathsIn finds output paths in every part of the options', async (t) => {
  const schema = z.strictObject({
    path: outputPath.default('a').describe('…'),
    other: z.string(),
    deep: z.strictObject({ list: z.array(outputPath) }).optional(),
    either: z.union([z.number(), outputPath]).optional(),
  })
  const options = { path: 'x', other: 'y', deep: { list: ['p', 'q'] }, either: 'z' }
  const found = [...outputPathsIn(optionSchema(schema), options)]
  t.strictSame(found, [
    ['path', 'x'],
    ['deep.list[0]', 'p'],
    ['deep.list[1]', 'q'],
    ['either', 'z'],
  ])
})

t.test('pathKey is equal for paths that are one file on some system', async (t) => {
  for (const [a, b] of [
    ['A.csv', './a.CSV'],
    ['x/y', 'x\\\\y'],
    ['e\u0301', 'é'],
    ['x//y', 'x/./y'],
  ] as const)
    t.equal(pathKey(a), pathKey(b))
  t.not(pathKey('a/b'), pathKey('ab'))
})
