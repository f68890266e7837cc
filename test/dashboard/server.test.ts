import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { serveDashboard } from '../../dist/dashboard/server.js'
import { folderWithRun } from './runs.js'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

/** Sends a request as it is, without the corrections that `fetch` makes to paths and headers. */
function ask(port: number, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, headers, method }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
    sent.on('error', reject).end()
  })
}

t.test('only who has the token reads, and only what is in the list', async (t) => {
  const folder = await folderWithRun(t)
  const run = join(folder, 'runs/digits-001')
  writeFileSync(join(folder, 'secret.txt'), 'secret')
  symlinkSync(join(folder, 'secret.txt'), join(run, 'link.txt'))
  const { url, close } = await serveDashboard({ roots: [join(folder, 'runs')] })
  t.teardown(close)
  const { port: text, searchParams } = new URL(url)
  const port = Number(text)
  const token = searchParams.get('token')!

  const entry = await ask(port, `/?token=${token}`)
  t.match(entry, { status: 303, headers: { location: '/' } }, 'the token leaves the address')
  const setCookie = String(entry.headers['set-cookie'])
  t.match(setCookie, /HttpOnly; SameSite=Strict/)
  t.notMatch(setCookie, token, 'the cookie is not the token')
  const cookie = setCookie.split(';', 1)[0]!
  const [{ id }] = JSON.parse((await ask(port, '/api/runs', { cookie })).body) as [{ id: string }]

  for (const [name, path, status, headers, method] of [
    ['no token', '/', 401],
    ['a wrong token', '/?token=x', 401],
    ['no token, a page of runs', '/api/runs', 401],
    ['no token, events', '/events', 401],
    ['a cookie of another', '/', 401, { cookie: cookie.replace(/.$/, '!') }],
    ['the token for another address', `/api/runs?token=${token}`, 401],
    ['a foreign name', `/?token=${token}`, 421, { host: `evil.example:${port}` }],
    ['a foreign name with the cookie', '/', 421, { host: 'evil.example', cookie }],
    ['a name of this machine', '/', 200, { host: 'localhost:9', cookie }],
    ['the page', '/', 200, { cookie }],
    ['a change', '/api/runs', 405, { cookie }, 'POST'],
    ['a removal', `/api/run/${id}`, 405, { cookie }, 'DELETE'],
    ['a run', `/api/run/${id}`, 200, { cookie }],
    ['no run', '/api/run/000000000000', 404, { cookie }],
    ['a file', `/api/file/${id}/metrics.csv`, 200, { cookie }],
    ['a figure', `/api/file/${id}/figures%2Fcurves.svg?show`, 200, { cookie }],
    ['a way up', `/api/file/${id}/..%2f..%2f..%2fsecret.txt`, 404, { cookie }],
    ['a way up in plain', `/api/file/${id}/../../../secret.txt`, 404, { cookie }],
    ['an absolute path', `/api/file/${id}/%2fetc%2fpasswd`, 404, { cookie }],
    ['a zero byte', `/api/file/${id}/metrics.csv%00`, 404, { cookie }],
    ['half an escape', `/api/file/${id}/%c3`, 404, { cookie }],
    ['a symbolic link', `/api/file/${id}/link.txt`, 404, { cookie }],
    ['a path as a run', '/api/run/..%2fruns', 404, { cookie }],
    ['a name of every object', '/constructor', 404, { cookie }],
    ['no address', '//', 404, { cookie }],
    ['a source', '/page.js.map', 404, { cookie }],
  ] as [string, string, number, Record<string, string>?, string?][]) {
    const answer = await ask(port, path, headers, method)
    t.equal(answer.status, status, `${name}: ${status}`)
    t.notMatch(answer.body, /^secret/)
    t.match(answer.headers['content-security-policy'], /^default-src 'none'/, `${name}: has a policy`)
  }
  const figure = await ask(port, `/api/file/${id}/figures%2Fcurves.svg?show`, { cookie })
  t.match(figure.headers, { 'content-security-policy': /sandbox/, 'content-type': 'image/svg+xml' })
  const saved = await ask(port, `/api/file/${id}/run.json?show`, { cookie })
  t.match(saved.headers['content-disposition'], /^attachment/, 'what is no image is saved')

  const whole = await ask(port, `/api/file/${id}/figures%2Fcurves.svg`, { cookie })
  t.equal(whole.body, readFileSync(join(run, 'figures/curves.svg'), 'utf8'), 'what is saved is the file')
  t.not(figure.body, whole.body, 'what is shown has colours for dark pages')
  t.equal(figure.body.replace(/<style>@media \(prefers-color-scheme:dark\).*?<\/style>/, ''), whole.body)
})

t.test('ports that are taken and tokens that are short are refused', async (t) => {
  const { url, close } = await serveDashboard({ roots: [] })
  t.teardown(close)
  const port = Number(new URL(url).port)
  await t.rejects(serveDashboard({ roots: [], port }), {
    code: 'ARGUMENTS',
    message: `--port ${port}: another program listens there; give another port, or none for a free one`,
  })
  await t.rejects(serveDashboard({ roots: [], token: 'short' }), {
    message: 'MILLRACE_DASHBOARD_TOKEN: expected 16 to 200 letters, digits, - or _; found 5 characters',
  })
})
