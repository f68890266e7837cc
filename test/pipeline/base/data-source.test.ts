import t from 'tap'
import { dataSource } from '../../../dist/pipeline/base/data-source.js'

const source = { path: 'a.csv', bytes: 12, sha256: 'ab' }

t.test('a data source has a path, a size and a checksum; other keys are dropped', async (t) => {
  t.strictSame(dataSource.parse(source), source)
  t.strictSame(dataSource.parse({ ...source, modified: 'later' }), source)
})

t.test('a data source of a wrong shape is refused', async (t) => {
  for (const wrong of [null, {}, { ...source, path: 3 }, { ...source, bytes: '12' }, { ...source, sha256: undefined }])
    t.notOk(dataSource.safeParse(wrong).success, JSON.stringify(wrong))
})
