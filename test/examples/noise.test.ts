import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { userEnvironment } from '../cli/millrace.js'

const file = fileURLToPath(new URL('../../examples/noise.test.js', import.meta.url))

t.test('the example of a test of a stage passes with the test runner of Node', async (t) => {
  const args = ['--test', '--test-reporter=tap', file]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: t.testdir(), env: userEnvironment() })
  t.match(stdout, /\n# pass 5\n# fail 0\n/)
})
