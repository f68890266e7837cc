import { Pipeline, run } from '../../dist/index.js'

// Runs a pipeline and prints the seconds of its training and the largest resident memory in MB.
const [file, out, memory, kernel, shuffle] = process.argv.slice(2)
const pipeline = await Pipeline.load(file, { set: [`memory=${memory}`, `shuffle=${shuffle}`] })
const { record } = await run(pipeline, { out, force: true, kernel, checkpoint: 'none' })
console.log(JSON.stringify({ train: record.timings.train, rss: process.resourceUsage().maxRSS / 1024 }))
