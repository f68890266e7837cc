import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runScript, scriptsOf } from '../../bench/faults.js'
import { data } from '../data.js'

/** Scripts that each show one fault, beside the data sets. */
const folder = join(data, '../cases')
const missing = data !== '' && existsSync(folder) ? false : 'the folder "cases" is not beside MILLRACE_DATA'

t.test('faults that were found in the field', { skip: missing }, async (t) => {
  for (const name of scriptsOf(folder))
    await t.test(name, async (t) => {
      const { code, output } = await runScript(folder, name)
      if (code === 77) t.skip(output.trim())
      else t.equal(code, 0, output)
    })
})
