import { execFileSync, spawnSync } from 'node:child_process'
import type { Test } from 'tap'

const names = [`mr${process.pid}a`, `mr${process.pid}b`] as const

/** Two hosts on this machine. */
export interface Hosts {
  readonly addresses: readonly [string, string]
  /** What runs a command on a host: put before it. */
  readonly on: (host: 0 | 1) => readonly string[]
  /** Pulls the cable between them, or puts it back. */
  readonly cable: (state: 'down' | 'up') => void
}

/** Why there can be no hosts; undefined where there can. */
export function hostsMissing(): string | undefined {
  const works = (command: string): boolean => spawnSync('ip', command.split(' ')).status === 0
  if (!works(`netns add ${names[0]}`)) return 'there are no network namespaces here'
  const hasCables = works(`link add probe netns ${names[0]} type veth peer name end netns ${names[0]}`)
  ip('netns', 'del', names[0])
  return hasCables ? undefined : 'there are no virtual cables here'
}

/** Makes two network namespaces with a cable between them; they go with the test. */
export function twoHosts(t: Test, network: string): Hosts {
  const addresses = [`${network}.1`, `${network}.2`] as const
  const on = (host: 0 | 1) => ['ip', 'netns', 'exec', names[host]]
  const inside = (host: 0 | 1, ...args: string[]): unknown => ip(...on(host).slice(1), 'ip', ...args)
  t.teardown(() => {
    for (const name of names) spawnSync('ip', ['netns', 'del', name])
  })
  for (const name of names) ip('netns', 'add', name)
  ip('link', 'add', 'cable', 'netns', names[0], 'type', 'veth', 'peer', 'name', 'cable', 'netns', names[1])
  for (const host of [0, 1] as const) {
    inside(host, 'link', 'set', 'lo', 'up')
    inside(host, 'addr', 'add', `${addresses[host]}/24`, 'dev', 'cable')
    inside(host, 'link', 'set', 'cable', 'up')
  }
  return { addresses, on, cable: (state) => inside(0, 'link', 'set', 'cable', state) }
}

function ip(...args: string[]): Buffer {
  return execFileSync('ip', args, { stdio: 'pipe' })
}
