/**
 * Builds the native kernels with node-gyp.
 *
 * As npm's `install` script it must not get in the way of installing: whatever goes wrong, it prints one line and
 * exits 0, and Millrace runs on its WASM kernels. With `--show` (`npm run build:native`) it shows what the compiler
 * says and exits 1 if there are no native kernels afterwards.
 *
 * `binding.gyp` lies here and not in the root, where npm would run node-gyp of its own accord and fail with it.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = dirname(fileURLToPath(import.meta.url))
const show = process.argv.includes('--show')

if (show || !hasPrebuild()) {
  const problem = await build()
  if (problem) {
    rmSync(join(home, 'build'), { recursive: true, force: true })
    const again = process.env.INIT_CWD === process.cwd() ? 'npm run' : 'npm explore millrace -- npm run'
    const line = `millrace: no native kernels (${problem}); the WASM kernels run instead.`
    console.log(show ? line : `${line} "${again} build:native" shows why.`)
    if (show) process.exitCode = 1
  }
}

function hasPrebuild() {
  const folder = join(home, 'prebuilds', `${process.platform}-${process.arch}`)
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.node'))
}

/** Returns what went wrong, if anything did. */
async function build() {
  // Headers that are already here spare a download, and an install without network its failure.
  const headers = process.env.npm_config_nodedir
    ? undefined
    : [dirname(dirname(process.execPath)), '/usr'].find((root) => existsSync(join(root, 'include/node/node_api.h')))
  const args = ['rebuild', '--jobs=max', ...(headers ? [`--nodedir=${headers}`] : [])]
  const gyp = process.env.npm_config_node_gyp
  const seconds = headers || process.env.npm_config_nodedir ? 300 : 90
  const failure = gyp ? await run(process.execPath, [gyp, ...args], seconds) : await run('node-gyp', args, seconds)
  if (failure) return `node-gyp ${failure}`
  const addon = join(home, 'build/Release/millrace.node')
  const unloadable = await run(process.execPath, ['-e', `require(${JSON.stringify(addon)})`], 30)
  return unloadable && `built, but loading it ${unloadable}`
}

/** Runs a program in a process group of its own, so that a time limit also ends the compilers it started. */
function run(program, args, seconds) {
  return new Promise((resolve) => {
    const group = process.platform !== 'win32'
    const child = spawn(program, args, { cwd: home, detached: group, stdio: show ? 'inherit' : 'ignore' })
    const end = () => {
      try {
        process.kill(group ? -child.pid : child.pid, 'SIGKILL')
      } catch {}
    }
    const interrupted = () => {
      end()
      process.exit(130)
    }
    process.once('SIGINT', interrupted)
    const timer = setTimeout(() => {
      end()
      resolve(`took longer than ${seconds} s`)
    }, seconds * 1000)
    const finish = (failure) => {
      clearTimeout(timer)
      process.off('SIGINT', interrupted)
      resolve(failure)
    }
    child.once('error', (error) => finish(error.code === 'ENOENT' ? 'was not found' : error.message))
    child.once('close', (code, signal) => finish(code === 0 ? undefined : `ended with ${signal ?? code}`))
  })
}
