import type { Test } from 'tap'
import t from 'tap'
import { pageOf, reportOf } from '../../dist/report/index.js'
import { type Given, metrics, published, runFiles, svg } from './runs.js'

const page = (t: Test, ...given: Given[]): Promise<string> => pageOf(reportOf(given.map((each) => runFiles(t, each))))

t.test('a page is complete, needs no other file and lets nothing run', async (t) => {
  const text = await page(t, { files: { 'figures/weights.svg': svg } }, { name: 'b' })
  t.match(text, /^<!doctype html>\n<html lang="en">/)
  t.match(text, /default-src &#39;none&#39;; img-src data:/)
  t.notMatch(text, /<script|<link (?!rel="icon" href="data:,")|(?:src|href)="(?!data:|#)/)
  for (const [, alt] of text.matchAll(/<img (?:[^>]*?) alt="([^"]*)"/g)) t.ok(alt!.length > 20, alt)
  t.equal([...text.matchAll(/<img /g)].length, 2)
  for (const table of text.match(/<table[\s\S]*?<\/table>/g)!) {
    t.match(table, '<caption>')
    t.match(table, '<th scope="col"')
    t.match(table, '<th scope="row">')
  }
})

t.test('the same runs give the same bytes, wherever and whenever they were made, but for the timings', async (t) => {
  const once = async () =>
    (await page(t, {}, { name: 'b' })).replace(/<section id="timings" data-varies[\s\S]*?<\/section>/, '')
  const text = await once()
  t.equal(await once(), text)
  t.notMatch(text, /2021-04-02|millrace-test-|\/home\/someone/)
})

t.test('a run directory from a stranger injects nothing', async (t) => {
  const evil = '</script><script>alert(1)</script><img src=x onerror=alert(1)>'
  const text = await page(t, {
    name: evil,
    status: 'failed',
    error: evil,
    notes: [evil],
    metrics: [`epoch,step,${evil}_cost,${evil}_accuracy`, '1,10,1,0.5', '2,20,1,0.5'],
    published: `published: { source: ${JSON.stringify(evil)}, note: ${JSON.stringify(evil)}, "${evil}_cost": { value: 1, tolerance: 1 } }`,
    files: {
      'figures/x" onerror="alert(1).svg': svg,
      'figures/confusion.svg': svg,
      'figures/confusion.csv': `class,${evil}\n${evil},1\n`,
      'gradient-check.csv': `gradient,verdict\n${evil},fail\n`,
    },
  })
  t.notMatch(text, /<script|<img src=x/)
  t.match(text, '&lt;script&gt;alert(1)')
  for (const [image] of text.matchAll(/<img [^>]*>/g))
    t.match(image, /^<img src="data:[^"]*" alt="[^"]*"( loading="lazy")?>$/)
})

t.test('a run that failed says so and why', async (t) => {
  const text = await page(t, { status: 'failed', error: 'the loss is NaN in epoch 3' })
  t.match(text, /<p class="notice" role="note"><strong>a<\/strong> has failed: the loss is NaN in epoch 3<\/p>/)
})

t.test('a run that never evaluated has a page', async (t) => {
  const text = await page(t, { status: 'interrupted', metrics: [metrics[0]!] })
  t.match(text, 'was interrupted')
  t.match(text, 'a has no evaluation')
  t.notMatch(text, 'id="curves"')
})

t.test('one epoch, or numbers that are not finite, still make curves', async (t) => {
  t.match(
    await page(t, { metrics: metrics.slice(0, 2) }),
    /alt="Curves over epochs 1 to 1\. a: training cost from 2\.1000 to 2\.1000/,
  )
  t.match(await page(t, { metrics: [...metrics, '3,30,NaN,NaN,0.1,NaN,NaN,0.1'] }), 'alt="Curves over epochs')
  t.notMatch(await page(t, { metrics: ['epoch,step,train_cost', '1,10,NaN'] }), 'alt="Curves')
})

t.test('costs that are far apart are drawn on a logarithmic axis', async (t) => {
  t.notMatch(await page(t, {}), 'logarithmic')
  t.match(await page(t, {}, { name: 'b', metrics: ['epoch,step,train_cost,train_loss', '1,10,90,90'] }), 'logarithmic')
})

t.test('a gradient check stands in the report with its verdict', async (t) => {
  const file = (verdict: string): string =>
    `gradient,array,max_absolute_error,verdict\nstep,W,1.23456e-9,${verdict}\nstep,b,2e-9,pass\nstep,b,2e-3,\n`
  const check = (verdict: string): Given => ({ metrics: [], files: { 'gradient-check.csv': file(verdict) } })
  t.match(await page(t, check('pass')), /All 2 comparisons passed[\s\S]*1\.23e−9/)
  t.match(await page(t, check('fail')), '1 of 2 comparisons failed')
})

t.test('verdicts stand first, with the source', async (t) => {
  const text = await page(t, { published: published('train_cost: { value: 1.6, tolerance: 0.1 }') })
  t.match(text, /<strong>a:<\/strong> <span class="verdict reproduced">.*reproduced<\/span> \(1 of 1 numbers\)/)
  t.match(text, 'Published: a paper.')
})

t.test('curves are those of the metadata: high is good on test, low is good elsewhere', async (t) => {
  const given: Given = {
    metrics: ['epoch,step,train_error,train_f1,test_error,test_f1', '1,10,2,0.5,3,0.25', '2,20,1,0.75,2,0.5'],
    metricInfos: Object.fromEntries(
      ['train', 'test'].flatMap((split) => [
        [`${split}_error`, { split, name: 'error', title: 'squared error', better: 'lower' as const }],
        [`${split}_f1`, { split, name: 'f1', title: 'F1', unit: 'share', better: 'higher' as const }],
      ]),
    ),
  }
  t.match(await page(t, given), 'a: training squared error from 2.0000 to 1.0000, training F1 from 50.00 % to 75.00 %')
  const two = await page(t, given, { ...given, name: 'b' })
  t.match(two, 'Squared error on train, F1 on test.')
  t.match(two, 'a: training squared error from 2.0000 to 1.0000, test F1 from 25.00 % to 50.00 %.')
  t.match(await page(t, {}, { name: 'b' }), 'Cost and loss on train, accuracy on test.')
})

t.test('metrics that are not known are not drawn', async (t) => {
  t.notMatch(await page(t, { metrics: ['epoch,step,train_f1', '1,10,0.5'] }), 'alt="Curves')
  const { metricInfos, metrics } = { metricInfos: {}, metrics: ['epoch,step,train_loss', '1,10,0.5'] }
  t.notMatch(await page(t, { metricInfos, metrics }), 'alt="Curves')
})
