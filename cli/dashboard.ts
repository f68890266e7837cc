import { spawn } from 'node:child_process'
import { checkRoots } from '../dashboard/catalogue.js'
import { serveDashboard } from '../dashboard/server.js'
import type { Output } from './terminal.js'

/** The flags of `millrace dashboard`. */
export interface DashboardFlags {
  /** The port; default: a free one. */
  readonly port?: number
  /** Whether to open a browser. */
  readonly open: boolean
}

/** `millrace dashboard`: shows runs in the browser until it is interrupted. */
export async function dashboardCommand(roots: readonly string[], flags: DashboardFlags, output: Output): Promise<void> {
  // A folder `runs` comes with the first run.
  if (roots.length > 0) checkRoots(roots)
  const { url, close } = await serveDashboard({
    roots: roots.length > 0 ? roots : ['runs'],
    port: flags.port,
    token: process.env.MILLRACE_DASHBOARD_TOKEN,
  })
  output.write(`${url}\nOnly this machine can open it. Ctrl-C ends it.\n`)
  if (flags.open && hasDisplay()) openBrowser(url)
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, resolve)
  })
  close()
}

function hasDisplay(): boolean {
  const { env, platform, stdout } = process
  if (stdout.isTTY !== true || env.SSH_CONNECTION !== undefined) return false
  return platform === 'darwin' || platform === 'win32' || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY)
}

/** Asks the system to open the address. If it cannot, the user has the address. */
function openBrowser(url: string): void {
  const [program, ...given] = { darwin: ['open'], win32: ['explorer'] }[process.platform as string] ?? ['xdg-open']
  const child = spawn(program!, [...given, url], { stdio: 'ignore', detached: true })
  child.on('error', () => {})
  child.unref()
}
