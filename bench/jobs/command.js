// Runs a command of the command line, and prints its seconds and the largest resident memory in MB.
process.on('exit', () => {
  console.log(JSON.stringify({ seconds: process.uptime(), rss: process.resourceUsage().maxRSS / 1024 }))
})
process.argv.splice(1, 1)
await import('../../lib/cli/main.js')
