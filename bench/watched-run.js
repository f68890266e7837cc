import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The command line, as users run it. */
export const program = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url))

/** The definition of a run to watch: a network with one hidden layer, on made data. */
export const watchedRun = ({ rows, hidden, epochs }) => `vars: { epochs: ${epochs} }
stages:
  - id: data
    use: load/synthetic
    with: { kind: blobs, features: 784, classes: 10, rows: ${rows}, noise: 3, fractions: { train: 0.9, validation: 0.1 } }
  - id: ready
    use: normalize/standardize
  - use: batch/rows
    with: { size: 100, epochs: "\${epochs}" }
  - use: shuffle/batches
  - id: model
    use: gradient-step/network
    with: { hidden: [${hidden}], eta: 0.01, lambda: 0.001 }
  - id: metrics
    use: evaluate/classification
    from: { parameters: model, examples: ready }
  - use: sink/csv
    from: metrics
    with: { path: metrics.csv }
`

/** Serves the dashboard of the runs in a folder from a process of its own. Resolves to the process and the address of the page. */
export async function serveRuns(folder) {
  const server = execFile(process.execPath, [program, 'dashboard', join(folder, 'runs'), '--no-open'])
  const url = await new Promise((resolve) => server.stdout.once('data', (text) => resolve(text.split('\n')[0])))
  return { server, url }
}
