import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const dist = new URL('../../dist/', import.meta.url)
const hooks = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from 'node:fs'
  export async function resolve(name, context, next) {
    const found = await next(name, context)
    if (/node_modules.(vega|@resvg|fast-png)/.test(found.url)) writeSync(1, found.url + '\\n')
    return found
  }`)}`
const register = `data:text/javascript,${encodeURIComponent(`import { register } from 'node:module'; register(${JSON.stringify(hooks)})`)}`

/** What of the chart libraries a program loads. */
function loadedBy(program: string): string {
  const args = ['--import', register, '--input-type=module', '-e', program]
  return execFileSync(process.execPath, args, { cwd: fileURLToPath(dist), encoding: 'utf8', env: {} })
}

t.test('nothing that draws is loaded before a figure is asked for', (t) => {
  const stages = `import { sinkCurves } from '${new URL('stages/index.js', dist)}'; import { chart, pngOf } from '${new URL('figures/index.js', dist)}';`
  t.equal(loadedBy(stages), '')
  t.match(loadedBy(`${stages} await pngOf('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')`), /resvg/)
  t.end()
})
