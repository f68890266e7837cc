// tap puts its loader into every process that a test starts. Processes of users have none, and start in half the time.
import processOnSpawn from 'process-on-spawn'

const isCovered = process.env._TAPJS_PROCESSINFO_COVERAGE_ !== '0'
if (!isCovered) {
  processOnSpawn.removeAllListeners()
  delete process.env.NODE_OPTIONS
}
