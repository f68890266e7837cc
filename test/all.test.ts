import t from 'tap'
import { isAlone, sharedProcesses } from './all.js'
import { testFiles } from './fast.js'

t.test('every test file runs once, alone or in a shared process', (t) => {
  const files: string[] = testFiles()
  const shared: string[][] = [...sharedProcesses(files).values()]
  t.same([...shared.flat(), ...files.filter(isAlone)].sort(), files)
  t.ok(
    shared.every((part) => part.length <= 10),
    'no process has too many',
  )
  t.ok(shared.length < files.length / 8, `${shared.length} processes`)
  t.end()
})

t.test('files that change or measure their process, or take long, have one of their own', (t) => {
  const expected = {
    'test/figures/off-thread.test.ts': true,
    'test/kernels/native.test.ts': true,
    'test/package.test.ts': true,
    'test/report/read.test.ts': true,
    'test/sweep/queue/redis.test.ts': true,
    'test/figures/chart.test.ts': false,
    'test/stages/sink/csv.test.ts': false,
  }
  for (const [file, alone] of Object.entries(expected)) t.equal(isAlone(file), alone, file)
  t.end()
})
