import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import sharp from 'sharp'
import t, { type Test } from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { type ImageAnswer, ImageThread } from '../../../dist/stages/load/image-thread.js'
import { failureOf, problemsOf, runStage, temporary } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'
import { pngFile, pngOfPlanes } from './array-files.js'

const entry = (options: string) => `- use: load/images\n  with: { ${options} }`

/** A folder with these files, in folders. */
function folder(t: Test, files: Readonly<Record<string, Uint8Array | string>>): string {
  const directory = temporary(t)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  return directory
}

/** An image of 2 × 1 pixels of these colours. */
const two = (...colors: number[]) => pngFile({ width: 2, height: 1, color: 2 }, colors)

t.test('classes are the folders, rows are in the order of names, and every kind of PNG becomes bytes', async (t) => {
  const directory = folder(t, {
    'b/2.png': two(1, 2, 3, 4, 5, 6),
    'b/10.PNG': pngFile({ width: 2, height: 1, color: 0 }, [7, 9]),
    'b/deep/x.png': pngFile({ width: 2, height: 1, color: 0, depth: 1 }, [0b01_000000]),
    'a/16 bit.png': pngFile({ width: 2, height: 1, color: 2, depth: 16 }, [1, 99, 2, 99, 3, 99, 4, 0, 5, 0, 6, 0]),
    'a/alpha.png': pngFile({ width: 2, height: 1, color: 6 }, [100, 200, 50, 128, 9, 9, 9, 0]),
    'a/gray alpha.png': pngFile({ width: 2, height: 1, color: 4 }, [100, 51, 7, 255]),
    'a/palette.png': pngFile({ width: 2, height: 1, color: 3, depth: 4 }, [0x10], {
      PLTE: [10, 20, 30, 40, 50, 60],
      tRNS: [255, 0],
    }),
    'a/hidden.png': pngFile({ width: 2, height: 1, color: 0 }, [1, 2], { tRNS: [0, 1] }),
    'a/.hidden.png': 'no image',
    'a/readme.txt': 'no image',
    'c/.keep': '',
  })
  symlinkSync(join(directory, 'b/2.png'), join(directory, 'a/link.png'))
  symlinkSync(join(directory, 'b'), join(directory, 'a/folder.png'))
  symlinkSync('circle', join(directory, 'circle'))
  const { tables, notes, sources } = await runStage(t, entry(`path: ${directory}`))
  t.match(layoutOf(tables[0]!), { shape: [3, 1, 2], classes: ['a', 'b'] })
  t.strictSame(labelsIn(tables[0]!), [0, 0, 0, 0, 0, 0, 1, 1, 1])
  t.strictSame(featuresIn(tables[0]!), [
    [1, 4, 2, 5, 3, 6], // 16 bit
    [50, 0, 100, 0, 25, 0], // alpha
    [20, 7, 20, 7, 20, 7], // gray alpha
    [0, 2, 0, 2, 0, 2], // hidden
    [1, 4, 2, 5, 3, 6], // link
    [0, 10, 0, 20, 0, 30], // palette
    [7, 9, 7, 9, 7, 9], // 10.PNG
    [1, 4, 2, 5, 3, 6], // 2.png
    [0, 255, 0, 255, 0, 255], // deep/x.png
  ])
  t.match(notes[0], /2 files left out, because the names do not end in \.png, \.jpg or \.jpeg/)
  t.strictSame(notes.slice(1), [`${directory}: no images in c`])
  t.equal(sources.length, 9)
  const { tables: gray } = await runStage(
    t,
    entry(`files: { train: ${directory}, all: [${directory}] }, shape: [1, 1, 2]`),
  )
  t.strictSame(gray.map(splitOf), ['train', 'all'])
  t.strictSame(featuresIn(gray[1]!)[0], [2, 5])
})

t.test('images are resized to the shape by a filter that skips no pixel; fractions deal them', async (t) => {
  const ramp = (width: number, height: number) =>
    pngFile(
      { width, height, color: 0 },
      Array.from({ length: width * height }, (_, i) => (i % width) * 10),
    )
  const directory = folder(t, { 'a/1.png': ramp(8, 2), 'b/1.png': ramp(4, 4), 'b/2.png': ramp(4, 2) })
  const { tables, notes } = await runStage(t, entry(`path: ${directory}, shape: [1, 2, 4]`))
  t.strictSame(featuresIn(tables[0]!), [
    // Pillow's bilinear gives the same.
    [7, 25, 45, 63, 7, 25, 45, 63],
    [0, 10, 20, 30, 0, 10, 20, 30],
    [0, 10, 20, 30, 0, 10, 20, 30],
  ])
  t.strictSame(notes, [`${directory}: 2 of 3 images were resized to 4 × 2`])
  t.match(await failureOf(t, entry(`path: ${directory}`)), [
    'DATA',
    `${directory}/b/1.png: expected an image of 8 × 2 pixels, as the first one, found 4 × 4; give a shape, to which all are resized: \`shape: [3, 2, 8]\``,
  ])
  const dealt = await runStage(t, entry(`path: ${directory}, shape: [1, 2, 4], fractions: { train: 0.67, test: 0.33 }`))
  t.strictSame(
    dealt.tables.map((table) => table.numRows),
    [2, 1],
  )
  t.strictSame(dealt.tables.flatMap((table) => [...kernelRows(table).row!]).sort(), [0, 1, 2])
})

t.test('JPEG images are decoded, turned as the camera says, and resized', async (t) => {
  const photo = await sharp({ create: { width: 40, height: 20, channels: 3, background: '#204060' } })
    .composite([{ input: { create: { width: 20, height: 20, channels: 3, background: '#c08040' } }, left: 0, top: 0 }])
    .jpeg({ quality: 100 })
    .toBuffer()
  const turned = await sharp(photo).withMetadata({ orientation: 6 }).toBuffer()
  const directory = folder(t, { 'a/1.jpg': photo, 'a/2.jpeg': turned, 'b/1.png': photo })
  const { tables, notes } = await runStage(t, entry(`path: ${directory}, shape: [3, 2, 2]`))
  const near = (found: number[], expected: number[]) =>
    t.ok(
      expected.every((value, i) => Math.abs(value - found[i]!) <= 4),
      `${found} is near ${expected}`,
    )
  const [first, second, third] = featuresIn(tables[0]!)
  near(first!, [169, 55, 169, 55, 119, 73, 119, 73, 69, 91, 69, 91])
  near(second!, [169, 169, 55, 55, 119, 119, 73, 73, 69, 69, 91, 91])
  t.strictSame(third, first, 'the content tells what it is')
  t.match(notes, [/^JPEG images are decoded by sharp 0\.\d+\.\d+, libvips/])
  t.match(await failureOf(t, entry(`path: ${folder(t, { 'a/1.jpg': photo.subarray(0, 300) })}, shape: [3, 2, 2]`)), [
    'DATA',
    /1 of 1 images cannot be read.*\n {2}\S*a\/1\.jpg: /,
  ])
})

t.test('a large PNG image is decoded and resized', async (t) => {
  const large = pngFile(
    { width: 800, height: 400, color: 0 },
    Uint8Array.from({ length: 320_000 }, (_, i) => (i % 800) >> 2),
  )
  const directory = folder(t, {
    'a/1.png': large,
    'a/2.png': pngFile({ width: 8, height: 4, color: 0 }, new Uint8Array(32)),
  })
  const { tables, notes } = await runStage(t, entry(`path: ${directory}, shape: [1, 1, 4]`))
  t.strictSame(featuresIn(tables[0]!), [
    [29, 74, 125, 170],
    [0, 0, 0, 0],
  ])
  t.match(notes, [/2 of 2 images were resized/])
  const damaged = folder(t, { 'a/1.png': large.subarray(0, 400) })
  t.match(await failureOf(t, entry(`path: ${damaged}`)), ['DATA', /a\/1\.png: it is cut off/])
})

t.test('damaged images are all named, or left out', async (t) => {
  const good = two(1, 2, 3, 4, 5, 6)
  const wrongSum = Buffer.from(good)
  wrongSum[wrongSum.length - 20]! ^= 1
  const zero = Buffer.from(good)
  const directory = folder(t, {
    'a/1.png': good,
    'a/2.png': wrongSum,
    'a/3.png': good.subarray(0, 50),
    'a/4.png': '',
    'b/1.png': 'no image',
    'b/2.png': pngFile({ width: 100_000, height: 100_000, color: 2 }, []),
    'b/3.png': pngFile({ width: 2, height: 1, color: 2 }, [1, 2, 3]),
    'b/4.png': pngFile({ width: 2, height: 1, color: 3 }, [0, 9], { PLTE: [1, 2, 3] }),
    'b/5.png': pngFile({ width: 1, height: 1, color: 2 }, new Uint8Array(1 << 16)),
    'b/6.png': zero,
  })
  const [code, message] = await failureOf(t, entry(`path: ${directory}`))
  t.equal(code, 'DATA')
  const lines = message.replaceAll(`${directory}/`, '').split('\n')
  t.strictSame(lines, [
    '8 of 10 images cannot be read; repair or remove them, or leave them out with `corrupt: skip`:',
    '  a/2.png: the checksum of its part "IDAT" is wrong',
    '  a/3.png: it is cut off',
    '  a/4.png: it is empty',
    '  b/1.png: it is neither PNG nor JPEG',
    '  b/2.png: it has 100000 × 100000 pixels, 33554432 are the most',
    '  b/3.png: some of its pixels are missing',
    '  b/4.png: a colour is missing in its palette',
    '  b/5.png: its pixels are damaged',
  ])
  const { tables, notes } = await runStage(t, entry(`path: ${directory}, corrupt: skip`))
  t.strictSame([tables[0]!.numRows, labelsIn(tables[0]!)], [2, [0, 1]])
  t.match(notes, [/^8 of 10 images cannot be read and are left out: /])
})

t.test('folders that are none, or hold no images, are refused', async (t) => {
  const empty = folder(t, { 'a/readme.txt': 'x' })
  const beside = folder(t, { 'a/1.png': two(1, 2, 3, 4, 5, 6), '1.png': two(1, 2, 3, 4, 5, 6) })
  t.match(await failureOf(t, entry(`path: ${empty}`)), [
    'DATA',
    `${empty} has no folders with images (.png, .jpg, .jpeg); give a folder that has a folder of images per class`,
  ])
  t.match(await failureOf(t, entry(`path: ${beside}`)), [
    'DATA',
    /expected images in folders of classes \(a\), found .* beside them/,
  ])
  t.match(await failureOf(t, entry(`path: ${empty}/none`)), ['DATA', /cannot read .*none: no such file or directory/])
  t.match(await failureOf(t, entry(`path: ${empty}/a/readme.txt`)), ['DATA', /readme\.txt/])
  t.match(await problemsOf(t, entry('path: x, shape: [2, 8, 8]')), /shape/)
  t.match(await problemsOf(t, entry('files: { train: x }, fractions: { train: 1 }')), /fractions divide `path`/)
})

const icons = '/usr/share/icons/oxygen/base/32x32'
t.test('the icons of Oxygen', { skip: existsSync(icons) ? false : "install Debian's oxygen-icon-theme" }, async (t) => {
  const { tables, notes } = await runStage(t, entry(`path: ${icons}, shape: [3, 32, 32]`))
  t.equal(tables[0]!.numRows, 1528)
  t.strictSame(layoutOf(tables[0]!).classes.slice(0, 3), ['actions', 'animations', 'apps'])
  t.match(notes, [/9 of 1528 images were resized/])
})

t.test('planes of a PNG come back', async (t) => {
  const planes = Uint8Array.from({ length: 3 * 6 }, (_, i) => 13 * i)
  const { tables } = await runStage(t, entry(`path: ${folder(t, { 'a/1.png': pngOfPlanes(planes, 2, 3) })}`))
  t.strictSame(featuresIn(tables[0]!), [[...planes]])
})

t.test('a thread answers in order, in pieces, and is used again', async (t) => {
  const count = 300
  const names = Array.from({ length: count }, (_, i) => `a/${i}.png`)
  const directory = folder(t, Object.fromEntries(names.map((name, i) => [name, two(i % 256, 0, 0, 0, 0, 0)])))
  const paths = names.map((name) => join(directory, name))
  const thread = new ImageThread(new AbortController().signal)
  for (const length of [count, 1]) {
    const answers: ImageAnswer[] = []
    for await (const answer of thread.read(paths.slice(0, length), undefined)) answers.push(answer)
    t.equal(answers.length > 2, length === count, `${answers.length} answers`)
    t.strictSame(
      answers.flatMap(({ data }) => [...data].filter((_, i) => i % 6 === 0)),
      paths.slice(0, length).map((_, i) => i % 256),
    )
    t.strictSame(
      answers.flatMap(({ images }) => images.map((image) => ('source' in image ? image.source.path : image.problem))),
      paths.slice(0, length),
    )
  }
  for await (const _ of thread.read(paths, undefined)) break
  for await (const { images } of thread.read(paths.slice(-1), undefined))
    t.match(images, [{ source: { path: paths.at(-1) } }], 'nothing of the reading that was left early')
  await thread.close()
})

t.test('a run that is stopped does not wait for an image', async (t) => {
  const size = 1500
  const large = pngFile({ width: size, height: size, color: 0 }, new Uint8Array(size * size))
  const controller = new AbortController()
  const thread = new ImageThread(controller.signal)
  const reading = thread.read([join(folder(t, { 'a.png': large }), 'a.png')], undefined).next()
  controller.abort(new Error('stopped'))
  await t.rejects(reading, { message: 'stopped' })
  await t.rejects(thread.read(['a.png'], undefined).next(), { message: 'stopped' }, 'no other thread starts')
})

t.test('a thread that dies fails the images that it has not read, and another one takes the next', async (t) => {
  const thread = new ImageThread(new AbortController().signal)
  t.teardown(() => thread.close())
  const paths = [join(folder(t, { 'a.png': two(1, 2, 3, 4, 5, 6) }), 'a.png')]
  const lost = thread.read(paths, undefined).next()
  await Promise.all([
    t.rejects(lost, { message: 'the thread that reads images was ended' }),
    (thread as unknown as { worker: Worker }).worker.terminate(),
  ])
  t.match(await thread.read(paths, undefined).next(), { value: { images: [{ png: { height: 1, width: 2 } }] } })
})
