// The first step of npm test: builds, unless `npm cit` or CI has built a moment ago, when it installed.
import { spawnSync } from 'node:child_process'

const { MILLRACE_BUILT: built, npm_command: command, npm_config_ignore_scripts: ignored } = process.env
if (built !== '1' && (command !== 'install-ci-test' || ignored === 'true')) {
  const { status } = spawnSync('npm run build', { stdio: 'inherit', shell: true })
  process.exitCode = status ?? 1
}
