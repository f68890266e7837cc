import t from 'tap'
import { millrace } from './in-process.js'
import { millrace as inOwnProcess } from './millrace.js'

t.test('--help explains the command, and so does each command with an example', async (t) => {
  const cwd = t.testdir()
  const help = await inOwnProcess(['--help'], cwd)
  t.equal(help.code, 0)
  t.match(help.stdout, /Usage: millrace/)
  for (const command of ['run', 'validate', 'config', 'check-gradient', 'stages']) {
    t.match(help.stdout, new RegExp(`\\n {2}${command}`))
    const own = await millrace([command, '--help'], cwd)
    t.equal(own.code, 0)
    t.match(own.stdout, /\nExamples?:\n {2}millrace /)
  }
})

t.test('wrong arguments exit 2', async (t) => {
  const cwd = t.testdir()
  for (const [args, message] of [
    [['rum', 'digits'], /unknown command 'rum'\n\(Did you mean millrace run digits\?\)/],
    [['run'], /missing required argument 'pipeline'\nexpected a YAML file.* or a built-in name such as digits/],
    [['run', 'digits', '--epochs', '3'], /unknown option '--epochs'\n.*--set epochs=3\)/],
    [['ls', 'run', '--epochs', '3'], /unknown option '--epochs'\n$/],
    [['report'], /missing required argument 'runs'\nexpected a run directory/],
    [['run', 'digit'], /no file and no built-in pipeline named "digit"; did you mean "digits"\?/],
    [['run', 'digits', '--set', 'epochs'], /--set epochs {2}expected name=value or stage.option=value/],
    [['stages', 'load/cifar'], /no stage named "load\/cifar"; did you mean "load\/cifar10"\?/],
  ] as const) {
    const { code, stderr } = await millrace(args, cwd)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, message)
  }
})

t.test('a variable that is empty counts as not set', async (t) => {
  const names = ['MILLRACE_KERNEL', 'MILLRACE_THREADS']
  for (const name of names) process.env[name] = ''
  t.teardown(() => {
    for (const name of names) delete process.env[name]
  })
  const { code, stderr } = await millrace(['resume', 'nowhere'], t.testdir())
  t.equal(code, 2)
  t.match(stderr, /^nowhere is not the directory of a run/)
})

t.test('--version prints the version of the package', async (t) => {
  const { code, stdout } = await inOwnProcess(['--version'], t.testdir())
  t.equal(code, 0)
  t.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

t.test('a stack trace appears with --debug only', async (t) => {
  const cwd = t.testdir()
  t.notMatch((await millrace(['run', 'nowhere'], cwd)).stderr, /\n {4}at /)
  t.match((await inOwnProcess(['--debug', 'run', 'nowhere'], cwd)).stderr, /\n {4}at /)
})
