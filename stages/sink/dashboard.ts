import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Observable } from 'rxjs'
import { z } from 'zod'
import { defineStage, entryPoint, PipelineError, type StageContext, wire } from '../../pipeline/stage-kit.js'

/** The longest error of the server that is shown, in characters. */
const MAX_ERROR = 500

/**
 * Shows the run in the browser while it goes on, as `millrace dashboard` does, and prints the address. The server is a
 * process of its own that reads the run directory, so training does not wait for it; it ends with the run, and
 * `millrace dashboard` shows the run from then on. If the server cannot start, the run goes on without it. Curves need
 * `sink/csv` or `sink/jsonl` in the pipeline.
 */
export const dashboard = defineStage({
  name: 'sink/dashboard',
  summary: 'Shows the run in the browser while it goes on.',
  options: z.strictObject({
    port: z.int().min(0).max(65_535).default(0).describe('The port on this machine. 0: a free one.'),
  }),
  inputs: { metrics: wire.metrics },
  outputs: {},
  parallel: 'first',
  optional: true,
  onResume: { port: 'whole' },
  example: '- use: sink/dashboard\n  from: metrics',
  run:
    ({ port }, context) =>
    (metrics) =>
      new Observable<never>((subscriber) => {
        if (context.directory === '') context.note('there is no run directory, so there is nothing to show')
        else subscriber.add(serve(port, context, (error) => subscriber.error(error)))
        subscriber.add(
          metrics.subscribe({
            error: (error) => subscriber.error(error),
            complete: () => subscriber.complete(),
          }),
        )
      }),
})

/** Starts the server. Returns the function that ends it. */
function serve(port: number, { directory, terminal }: StageContext, fail: (error: PipelineError) => void): () => void {
  const server = spawn(process.execPath, [fileURLToPath(entryPoint('dashboard/attached.js')), directory, String(port)])
  const { stdin, stdout, stderr } = server
  let isOver = false
  let error = ''
  const failWith = (message: string): void => {
    if (!isOver) fail(new PipelineError('STAGE', `the dashboard does not run: ${message}`))
  }
  // The address goes on a line of its own, also where `sink/terminal` redraws its line.
  const start = terminal.interactive ? '\r\x1b[2K' : ''
  stdout.setEncoding('utf8').once('data', (url: string) => isOver || terminal.write(`${start}dashboard: ${url}`))
  stderr.setEncoding('utf8').on('data', (text: string) => {
    error = (error + text).slice(0, MAX_ERROR)
  })
  // A server that has ended takes no input.
  stdin.on('error', () => {})
  server.once('error', ({ message }) => failWith(message))
  server.once('close', (code, signal) => failWith(error || `it ended with ${signal ?? code}`))
  // It must not keep the run's process: its input is closed when that ends.
  server.unref()
  for (const stream of [stdin, stdout, stderr]) (stream as unknown as { unref(): void }).unref()
  return () => {
    isOver = true
    stdin.end()
  }
}
