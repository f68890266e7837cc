/** A file to download. */
export interface Download {
  /** Its name on the server and here. */
  readonly name: string
  /** The size in bytes, where it is known to be exact. */
  readonly bytes?: number
  /** The checksum in hexadecimal. Where the authors publish MD5 only, it is that: it finds damage, not an attack. */
  readonly checksum: { readonly kind: 'sha256' | 'md5'; readonly value: string }
}

/** A data set that can be fetched. */
export interface FetchedSet {
  /** What it is, in a few words. */
  readonly title: string
  /** The page of its authors, which says what the data may be used for. */
  readonly page: string
  /** The address of the folder that has the files. */
  readonly from: string
  /** The files. */
  readonly downloads: readonly Download[]
  /** The name of its folder, in `data/` unless told otherwise. */
  readonly folder: string
  /** What to take out of a `.tar.gz`: the size of each file in bytes. Left out if the files are used as they are. */
  readonly unpacked?: Readonly<Record<string, number>>
  /** The stage that reads it. */
  readonly stage: string
}

/** One record of CIFAR: 3,072 bytes of pixels, and a byte for each label. */
const [cifar10Record, cifar100Record] = [3073, 3074]

const sha256 = (value: string) => ({ kind: 'sha256', value }) as const
const md5 = (value: string) => ({ kind: 'md5', value }) as const

/**
 * The data sets of `millrace fetch`. Checksums: CIFAR-10 and MNIST as independent projects record them for the files of the
 * authors (CIFAR-10 agrees with the MD5 of the authors' page); CIFAR-100 and Fashion-MNIST as the authors publish them.
 */
export const catalogue: Readonly<Record<string, FetchedSet>> = {
  cifar10: {
    title: 'CIFAR-10, binary version (A. Krizhevsky, 2009): 60,000 images of 32×32 in colour, 10 classes',
    page: 'https://www.cs.toronto.edu/~kriz/cifar.html',
    from: 'https://www.cs.toronto.edu/~kriz/',
    downloads: [
      {
        name: 'cifar-10-binary.tar.gz',
        bytes: 170_052_171,
        checksum: sha256('c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd'),
      },
    ],
    folder: 'cifar-10-batches-bin',
    unpacked: Object.fromEntries(
      ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch'].map((name) => [
        `${name}.bin`,
        10_000 * cifar10Record,
      ]),
    ),
    stage: 'load/cifar10',
  },
  cifar100: {
    title: 'CIFAR-100, binary version (A. Krizhevsky, 2009): 60,000 images of 32×32 in colour, 100 classes',
    page: 'https://www.cs.toronto.edu/~kriz/cifar.html',
    from: 'https://www.cs.toronto.edu/~kriz/',
    downloads: [{ name: 'cifar-100-binary.tar.gz', checksum: md5('03b5dce01913d631647c71ecec9e9cb8') }],
    folder: 'cifar-100-binary',
    unpacked: { 'train.bin': 50_000 * cifar100Record, 'test.bin': 10_000 * cifar100Record },
    stage: 'load/cifar100',
  },
  mnist: {
    title: 'MNIST (Y. LeCun, C. Cortes, C. Burges): 70,000 handwritten digits of 28×28',
    page: 'http://yann.lecun.com/exdb/mnist/',
    // The page of the authors no longer gives the files to programs; this copy of them is the one of PyTorch.
    from: 'https://ossci-datasets.s3.amazonaws.com/mnist/',
    downloads: [
      {
        name: 'train-images-idx3-ubyte.gz',
        bytes: 9_912_422,
        checksum: sha256('440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609'),
      },
      {
        name: 'train-labels-idx1-ubyte.gz',
        bytes: 28_881,
        checksum: sha256('3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c'),
      },
      {
        name: 't10k-images-idx3-ubyte.gz',
        bytes: 1_648_877,
        checksum: sha256('8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6'),
      },
      {
        name: 't10k-labels-idx1-ubyte.gz',
        bytes: 4_542,
        checksum: sha256('f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6'),
      },
    ],
    folder: 'mnist',
    stage: 'load/idx',
  },
  'fashion-mnist': {
    title: 'Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017): 70,000 pictures of clothes of 28×28',
    page: 'https://github.com/zalandoresearch/fashion-mnist',
    from: 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
    downloads: [
      { name: 'train-images-idx3-ubyte.gz', checksum: md5('8d4fb7e6c68d591d4c3dfef9ec88bf0d') },
      { name: 'train-labels-idx1-ubyte.gz', checksum: md5('25c81989df183df01b3e8a0aad5dffbe') },
      { name: 't10k-images-idx3-ubyte.gz', checksum: md5('bef4ecab320f06d8554ea6380940ec79') },
      { name: 't10k-labels-idx1-ubyte.gz', checksum: md5('bb300cfdad3c16e7a12a480ee83cd310') },
    ],
    folder: 'fashion-mnist',
    stage: 'load/idx',
  },
}
