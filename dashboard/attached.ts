/**
 * The dashboard of `sink/dashboard`: a process that serves one run for as long as its standard input is open. So it ends
 * with the run, however that ends. Arguments: the run directory, and the port.
 */
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { messageOf } from '../pipeline/base/errors.js'
import { serveDashboard } from './server.js'

/** Milliseconds in which open pages still get the end of the run. */
const FAREWELL = 1500

// Ctrl-C is for the run, which may end in order.
process.on('SIGINT', () => {})
const [directory = '', port = '0'] = process.argv.slice(2)
try {
  const { url, close, refuseNewPages } = await serveDashboard({
    roots: [directory],
    port: Number(port),
    token: process.env.MILLRACE_DASHBOARD_TOKEN,
  })
  process.stdout.write(`${url}\n`)
  await once(process.stdin.resume(), 'close')
  refuseNewPages()
  await wait(FAREWELL)
  close()
} catch (error) {
  process.stderr.write(messageOf(error))
  process.exitCode = 1
}
