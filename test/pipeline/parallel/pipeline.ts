/** A pipeline that trains on the digits, in as many ranks as it is told. */
export const pipeline = `name: p
seed: 1
vars: { epochs: 3 }
parallel: { engine: mpi, ranks: 2, shards: 8, timeout: 3 }
stages:
  - use: load/digits
  - id: examples
    use: normalize/standardize
  - use: batch/rows
    with: { size: 100, epochs: "\${epochs}" }
  - id: shuffle
    use: shuffle/rows
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.05, lambda: 0.01 }
  - use: evaluate/classification
    from: { parameters: model, examples: examples }
  - use: sink/csv
  - use: sink/parameters
    from: model
`
