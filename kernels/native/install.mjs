/**
 * Builds the native kernels with node-gyp.
 *
 * npm runs this as the `install` script. The installation must not fail because of it: if the build fails, it prints
 * one line and exits 0, and Millrace uses its WASM kernels. With `--show` (`npm run build:native`), it shows the output
 * of the compiler, and exits 1 if the build fails.
 *
 * `binding.gyp` lies in this folder, because npm would run node-gyp itself for one in the root, and fail with it.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const show = process.argv.includes('--show')

if (show || !hasPrebuild()) {
  const problem = await build()
  if (problem) {
    rmSync(join(folder, 'build'), { recursive: true, force: true })
    const npmRun = process.env.INIT_CWD === process.cwd() ? 'npm run' : 'npm explore millrace -- npm run'
    const line = `millrace: no native kernels (${problem}); the WASM kernels run instead.`
    console.log(show ? line : `${line} "${npmRun} build:native" shows why.`)
    if (show) process.exitCode = 1
  }
}

/** Returns whether the package has kernels for this platform that were built before. */
function hasPrebuild() {
  const prebuilds = join(folder, 'prebuilds', `${process.platform}-${process.arch}`)
  return existsSync(prebuilds) && readdirSync(prebuilds).some((name) => name.endsWith('.node'))
}

/** Returns why the build failed, or undefined on success. */
async function build() {
  // If Node's headers are on this machine, node-gyp need not download them, and works without a network.
  const headers = process.env.npm_config_nodedir
    ? undefined
    : [dirname(dirname(process.execPath)), '/usr'].find((root) => existsSync(join(root, 'include/node/node_api.h')))
  const args = ['rebuild', '--jobs=max', ...(headers ? [`--nodedir=${headers}`] : [])]
  const gyp = process.env.npm_config_node_gyp
  const seconds = headers || process.env.npm_config_nodedir ? 300 : 90
  const failure = gyp ? await run(process.execPath, [gyp, ...args], seconds) : await run('node-gyp', args, seconds)
  if (failure) return `node-gyp ${failure}`
  const addon = join(folder, 'build/Release/millrace.node')
  const loadFailure = await run(process.execPath, ['-e', `require(${JSON.stringify(addon)})`], 30)
  return loadFailure && `built, but loading it ${loadFailure}`
}

/**
 * Runs a program. Resolves with why it failed, or with undefined on success. The program has a process group of its
 * own, so that the time limit also ends the compilers that it has started.
 */
function run(program, args, seconds) {
  return new Promise((resolve) => {
    const group = process.platform !== 'win32'
    const child = spawn(program, args, { cwd: folder, detached: group, stdio: show ? 'inherit' : 'ignore' })
    const kill = () => {
      try {
        process.kill(group ? -child.pid : child.pid, 'SIGKILL')
      } catch {}
    }
    const interrupt = () => {
      kill()
      process.exit(130)
    }
    process.once('SIGINT', interrupt)
    const timer = setTimeout(() => {
      kill()
      resolve(`took longer than ${seconds} s`)
    }, seconds * 1000)
    const finish = (failure) => {
      clearTimeout(timer)
      process.off('SIGINT', interrupt)
      resolve(failure)
    }
    child.once('error', (error) => finish(error.code === 'ENOENT' ? 'was not found' : error.message))
    child.once('close', (code, signal) => finish(code === 0 ? undefined : `ended with ${signal ?? code}`))
  })
}
