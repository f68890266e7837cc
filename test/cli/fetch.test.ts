import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packTar } from 'modern-tar'
import t from 'tap'
import { fetchSet } from '../../dist/cli/fetch.js'
import { catalogue, type FetchedSet } from '../../dist/cli/fetch-catalogue.js'
import { errorOf, temporary } from '../stages/harness.js'
import { millrace } from './millrace.js'

const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i) % 251))

/** A data set of one file, which the server has. */
const setOf = (bytes: Buffer, more: Partial<FetchedSet> = {}, size: number | undefined = bytes.length): FetchedSet => ({
  title: 'a set',
  page: 'http://authors.invalid/',
  from: 'http://authors.invalid/',
  downloads: [
    {
      name: 'set.gz',
      ...(size !== undefined && { bytes: size }),
      checksum: { kind: 'sha256', value: createHash('sha256').update(bytes).digest('hex') },
    },
  ],
  folder: 'set',
  stage: 'load/idx',
  ...more,
})

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** A server that gives the answers in their order, the last one again and again. Returns its address and what was asked. */
async function serving(
  test: Parameters<typeof temporary>[0],
  ...answers: Answer[]
): Promise<{ from: string; ranges: (string | undefined)[] }> {
  const ranges: (string | undefined)[] = []
  const server = createServer((request, response) => {
    ranges.push(request.headers.range)
    answers[Math.min(ranges.length, answers.length) - 1]!(request, response, ranges.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  test.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { from: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, ranges }
}

const status =
  (code: number, headers = {}): Answer =>
  (_, response) =>
    response.writeHead(code, headers).end()
/** Sends all, whatever part was asked for. */
const whole =
  (bytes = content): Answer =>
  (_, response) =>
    response.end(bytes)
/** Sends the part that was asked for. */
const ranged =
  (bytes = content): Answer =>
  ({ headers }, response) => {
    const start = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0)
    if (start === 0) return response.end(bytes)
    if (start >= bytes.length) return response.writeHead(416).end()
    response.writeHead(206, { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` })
    return response.end(bytes.subarray(start))
  }
/** The size of the file that is fetched, as far as it has come. */
let arrived = 0

/** Sends the first bytes of a part; when they have come, the connection breaks. */
const cut =
  (count: number, bytes = content): Answer =>
  ({ headers }, response) => {
    const start = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0)
    const range = { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }
    response.writeHead(start ? 206 : 200, { 'content-length': bytes.length - start, ...(start && range) })
    arrived = 0
    response.write(bytes.subarray(start, start + count))
    const timer = setInterval(() => {
      if (arrived < start + count) return
      clearInterval(timer)
      response.destroy()
    }, 5)
    response.on('close', () => clearInterval(timer))
  }

const { signal } = new AbortController()
const quick = {
  ...{ signal, delay: 1 },
  onProgress: (bytes: number) => {
    arrived = bytes
  },
}

t.test('what servers do wrong is mended, if another try can mend it', async (t) => {
  const half = content.length / 2
  const cases: [title: string, answers: Answer[], asked: (string | undefined)[]][] = [
    ['all goes well', [whole()], [undefined]],
    ['busy at first', [status(500), status(503), status(429), whole()], [undefined, undefined, undefined, undefined]],
    ['the connection breaks', [cut(half), ranged()], [undefined, `bytes=${half}-`]],
    [
      'it breaks again and again',
      [cut(9e4), cut(9e4), cut(9e4), ranged()],
      [undefined, 'bytes=90000-', 'bytes=180000-', 'bytes=270000-'],
    ],
    ['a server that cannot go on', [cut(half), whole()], [undefined, `bytes=${half}-`]],
    [
      'a server that falls silent',
      [(_, response) => response.write(content.subarray(0, half)), ranged()],
      [undefined, `bytes=${half}-`],
    ],
    ['another address', [status(302, { location: '/set.gz?moved' }), whole()], [undefined, undefined]],
    ['what is here is too long', [status(416), whole()], [undefined, undefined]],
  ]
  for (const [title, answers, asked] of cases) {
    const { from, ranges } = await serving(t, ...answers)
    const out = join(temporary(t), 'data/set')
    const settings = title.includes('silent') ? { ...quick, silence: 1000 } : quick
    t.equal(await fetchSet(setOf(content), { from, out }, settings), out, title)
    t.ok(readFileSync(join(out, 'set.gz')).equals(content), title)
    t.strictSame(ranges, asked, title)
    t.strictSame(readdirSync(join(out, '..')), ['set'], 'nothing else is left')
  }
})

t.test('what cannot be mended is told, with the way to do it by hand, and no data is placed', async (t) => {
  const other = Buffer.from(content)
  other[7]! ^= 1
  const drops: Answer = (_, response) => {
    response.writeHead(200, { 'content-length': content.length })
    const timer = setInterval(() => response.write('x'), 5)
    response.on('close', () => clearInterval(timer))
  }
  const loop = status(302, { location: '/set.gz' })
  const wrongRange: Answer = (_, response) =>
    response.writeHead(206, { 'content-range': `bytes 7-${content.length - 1}/${content.length}` }).end(content)
  const cases: [title: string, answers: Answer[], message: RegExp, size?: number | null][] = [
    ['not found', [status(404)], /cannot fetch http.*set\.gz: the server says 404 Not Found/],
    ['never ready', [status(500)], /the server says 500/],
    ['other content', [whole(other)], /expected the sha256 checksum [0-9a-f]{64}, got [0-9a-f]{64}, of 300000 bytes/],
    ['too short', [whole(content.subarray(0, 9))], /has 9 bytes, expected 300000: this is not the file of the authors/],
    ['too long', [whole(Buffer.concat([content, content]))], /has 600000 bytes, expected 300000/],
    [
      'too long without saying so',
      [
        (_, response) => {
          response.write(content)
          response.end(content)
        },
      ],
      /does not end after the 300000 bytes/,
    ],
    ['truncated, of unknown size', [whole(content.subarray(0, 9))], /got [0-9a-f]{64}, of 9 bytes/, null],
    ['an empty answer', [whole(Buffer.alloc(0))], /has 0 bytes, expected 300000/],
    ['a loop', [loop], /redirect count exceeded/],
    ['a drop per connection', [cut(1)], /cannot fetch http/],
    ['drop by drop', [drops], /the server sent nearly nothing for 0.05 s/],
    ['always silent', [() => {}], /the server sent nearly nothing for 0.05 s/],
    ['another part', [cut(1000), wrongRange], /the server sends other bytes than those asked for/],
  ]
  for (const [title, answers, message, size] of cases) {
    const { from } = await serving(t, ...answers)
    const out = join(temporary(t), 'set')
    const set = setOf(content, {}, size === null ? undefined : content.length)
    if (size === null) delete (set.downloads[0] as { bytes?: number }).bytes
    const [code, found] = await errorOf(
      fetchSet(set, { from, out }, /silent|by drop/.test(title) ? { ...quick, silence: 50 } : quick),
    )
    t.equal(code, 'DATA', title)
    t.match(found, message, title)
    t.match(
      found,
      /by hand: get\n {2}http:\/\/127.*set\.gz {2}\(sha256 [0-9a-f]{64}\)\nand put them into .*set; about the data/,
    )
    t.notOk(existsSync(out))
  }
})

t.test('an interrupted download goes on with the next call, also between two files', async (t) => {
  const second = Buffer.from('the labels')
  const [file] = setOf(content).downloads
  const [labels] = setOf(second).downloads
  const { bytes: _, ...unsized } = { ...file!, name: 'a.gz' }
  const set = setOf(content, { downloads: [unsized, { ...labels!, name: 'b.gz' }] })
  const stop = new AbortController()
  const { from, ranges } = await serving(
    t,
    (_, response) => {
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 1000))
    },
    ranged(),
    status(404),
    (request, response) => (request.url!.endsWith('b.gz') ? whole(second) : ranged())(request, response, 0),
  )
  const out = join(temporary(t), 'set')
  t.match(
    await errorOf(fetchSet(set, { from, out }, { ...quick, signal: stop.signal, onProgress: () => stop.abort() })),
    ['ABORTED', /has what came so far/],
  )
  t.match(await errorOf(fetchSet(set, { from, out }, quick)), ['DATA', /b\.gz: the server says 404/])
  await fetchSet(set, { from, out }, quick)
  t.strictSame(ranges, [undefined, 'bytes=1000-', undefined, undefined], 'the first file is not asked for again')
  t.strictSame(readdirSync(out).sort(), ['a.gz', 'b.gz'])
})

t.test('only the files that are wanted leave an archive', async (t) => {
  const body = Buffer.alloc(5000, 7)
  const unpacked = { 'train.bin': 5000 }
  const good = { header: { name: 'set/train.bin', size: 5000 }, body }
  const tar = async (...entries: Parameters<typeof packTar>[0] & object[]) => gzipSync(await packTar(entries as never))
  const long = await tar({ header: { name: 'set/', type: 'directory', size: 0 } }, good, {
    header: { name: 'set/readme.html', size: 2 },
    body: 'hi',
  })
  const cases: [title: string, archive: Buffer, message: RegExp | undefined][] = [
    ['a page beside the files', long, undefined],
    [
      'above',
      await tar(good, { header: { name: '../evil', size: 1 }, body: 'x' }),
      /"\.\.\/evil" leads out of its folder/,
    ],
    ['an absolute path', await tar({ header: { name: '/train.bin', size: 5000 }, body }), /"\/train\.bin" leads out/],
    [
      'a path of Windows',
      await tar({ header: { name: 'C:\\train.bin', size: 5000 }, body }),
      /leads out of its folder/,
    ],
    [
      'a link',
      await tar({ header: { name: 'train.bin', type: 'symlink', linkname: '/etc/passwd', size: 0 } }),
      /"train\.bin" is a symlink, expected a file/,
    ],
    [
      'a hard link',
      await tar({ header: { name: 'x', type: 'link', linkname: 'train.bin', size: 0 } }),
      /"x" is a link, expected a file/,
    ],
    [
      'a bomb',
      await tar({ header: { name: 'zeros', size: 3e6 }, body: Buffer.alloc(3e6) }, good),
      /"zeros" has 3000000 bytes, and is not expected/,
    ],
    [
      'another size',
      await tar({ header: { name: 'train.bin', size: 3 }, body: 'abc' }),
      /"train\.bin" has 3 bytes, expected 5000/,
    ],
    [
      'zeros behind its end',
      gzipSync(Buffer.concat([await packTar([good] as never), Buffer.alloc(5e6)])),
      /unpacked, it has more than 3101576 bytes/,
    ],
    ['twice', await tar(good, good), /it has "train\.bin" twice/],
    ['missing', await tar({ header: { name: 'a', size: 1 }, body: 'x' }), /train\.bin is missing/],
    ['cut off', long.subarray(0, 60), /cannot be unpacked/],
    ['no gzip', Buffer.from('hello, world, this is no archive'), /cannot be unpacked: incorrect header check/],
    ['no tar', gzipSync(Buffer.alloc(2000, 'x')), /cannot be unpacked/],
  ]
  for (const [title, archive, message] of cases) {
    const { from } = await serving(t, whole(archive))
    const folder = temporary(t)
    const out = join(folder, 'deep/set')
    const running = fetchSet(setOf(archive, { unpacked }), { from, out }, quick)
    if (message) {
      t.match(await errorOf(running), ['DATA', message], title)
      t.strictSame(
        [existsSync(out), existsSync(join(folder, 'evil')), existsSync(join(folder, 'deep/evil'))],
        [false, false, false],
      )
    } else {
      await running
      t.strictSame(readdirSync(out), ['train.bin'], title)
      t.ok(readFileSync(join(out, 'train.bin')).equals(body))
    }
  }
})

t.test('two that fetch into one folder at a time do not mix what comes', async (t) => {
  const { from } = await serving(t, (_, response) => setTimeout(() => response.end(content), 100))
  const out = join(temporary(t), 'set')
  const first = fetchSet(setOf(content), { from, out }, quick)
  t.match(await errorOf(fetchSet(setOf(content), { from, out }, quick)), [
    'ARGUMENTS',
    /process \d+ is writing in .*set\.part; wait for its end/,
  ])
  await first
  t.strictSame(readdirSync(join(out, '..')), ['set'])
})

t.test('a folder that exists is not touched', async (t) => {
  const out = temporary(t, { mine: 'x' })
  t.match(await errorOf(fetchSet(setOf(content), { from: 'http://127.0.0.1:9/', out }, quick)), [
    'ARGUMENTS',
    /exists, and is not changed; remove it/,
  ])
  t.strictSame(readdirSync(out), ['mine'])
  t.notOk(existsSync(`${out}.part`))
  const blocked = join(temporary(t), 'set')
  writeFileSync(`${blocked}.part`, 'a file in its place')
  t.match(await errorOf(fetchSet(setOf(content), { from: 'http://127.0.0.1:9/', out: blocked }, quick)), [
    'WRITE',
    /cannot make the directory/,
  ])
  mkdirSync(join(out, 'sub'))
})

t.test('the catalogue is sound', (t) => {
  for (const [name, { downloads, from, page, folder }] of Object.entries(catalogue)) {
    t.match(name, /^[a-z0-9-]+$/)
    for (const address of [from, page]) t.ok(new URL(address))
    t.match(folder, /^[\w-]+$/)
    for (const { checksum } of downloads)
      t.match(checksum.value, checksum.kind === 'md5' ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{64}$/)
  }
  t.end()
})

t.test('the command: a wrong name, a wrong address, no network, and the list', async (t) => {
  const cwd = temporary(t)
  const cases: [args: string[], code: number, out: RegExp][] = [
    [['cifar'], 2, /no data set named "cifar"; did you mean "cifar10"\?/],
    [['mnist', '--from', 'ftp://x/'], 2, /--from: expected an address with http or https, got "ftp:\/\/x\/"/],
  ]
  for (const [args, code, message] of cases) {
    const result = await millrace(['fetch', ...args], cwd)
    t.equal(result.code, code)
    t.match(result.stderr, message)
  }
  const { stdout } = await millrace(['fetch', '--json'], cwd)
  t.strictSame(Object.keys(JSON.parse(stdout)), ['cifar10', 'cifar100', 'mnist', 'fashion-mnist'])
  t.match(await errorOf(fetchSet(setOf(content), { from: 'http://127.0.0.1:9/', out: join(cwd, 'x') }, quick)), [
    'DATA',
    /ECONNREFUSED|bad port/,
  ])
})
