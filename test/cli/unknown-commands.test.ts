import t from 'tap'
import { makeProgram } from '../../dist/cli/program.js'

t.test('an unknown command names the one that is meant', async (t) => {
  const cases: [args: string[], hint: string][] = [
    [['rum'], 'Did you mean run?'],
    [['train', 'x.yaml'], 'Did you mean millrace run x.yaml?'],
    [['Fit'], 'Did you mean run?'],
    [['eval', 'runs/a', 'b.csv'], 'Did you mean millrace evaluate runs/a b.csv?'],
    [['tune'], 'Did you mean sweep?'],
    [['x.yaml', '--quiet'], 'Did you mean millrace run x.yaml?'],
    [['constructor'], 'millrace --help lists the commands'],
    [['zzzzzzz'], 'millrace --help lists the commands'],
  ]
  for (const [args, hint] of cases) {
    let said = ''
    const output = { write: () => {}, warn: (text: string) => (said += text), exit: () => {} }
    const program = makeProgram(output as unknown as Parameters<typeof makeProgram>[0])
    await t.rejects(program.parseAsync(args, { from: 'user' }), { code: 'commander.error' })
    t.equal(said, `error: unknown command '${args[0]}'\n(${hint})\n`)
  }
})
