import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const bin = fileURLToPath(new URL('../../node_modules/yaml-language-server/bin/yaml-language-server', import.meta.url))

/** A message of the language server protocol. */
interface Message {
  readonly id?: number
  readonly method?: string
  // biome-ignore lint/suspicious/noExplicitAny: what the server says depends on the method
  readonly params?: any
  // biome-ignore lint/suspicious/noExplicitAny: the same
  readonly result?: any
}

/** An editor with the YAML language server, without a window. */
export class Editor {
  private readonly server: ChildProcess
  private readonly answers = new Map<number, (result: unknown) => void>()
  private readonly diagnosed = new Map<string, (messages: readonly string[]) => void>()
  private received = Buffer.alloc(0)
  private last = 0
  private opened = 0

  constructor() {
    this.server = spawn(process.execPath, [bin, '--stdio'], { stdio: ['pipe', 'pipe', 'ignore'] })
    this.server.stdout!.on('data', (bytes: Buffer) => this.receive(bytes))
  }

  /** Starts the session. The server must not fetch schemas from anywhere. */
  async start(): Promise<void> {
    await this.ask('initialize', { processId: process.pid, rootUri: null, capabilities: {} })
    this.send({ method: 'initialized', params: {} })
  }

  /** Opens a text as a file in a folder. Resolves to its address and what is wrong with it. */
  async open(folder: string, text: string): Promise<{ readonly uri: string; readonly diagnostics: readonly string[] }> {
    const uri = `${pathToFileURL(folder)}/text-${++this.opened}.yaml`
    const diagnostics = new Promise<readonly string[]>((resolve) => this.diagnosed.set(uri, resolve))
    const textDocument = { uri, languageId: 'yaml', version: 1, text }
    this.send({ method: 'textDocument/didOpen', params: { textDocument } })
    return { uri, diagnostics: await diagnostics }
  }

  /** What the editor offers where `|` stands in a text, by label. */
  async complete(folder: string, text: string): Promise<string[]> {
    const { uri, position } = await this.openAtCursor(folder, text)
    const result = await this.ask('textDocument/completion', { textDocument: { uri }, position })
    return (result.items ?? result).map(({ label }: { readonly label: string }) => label)
  }

  /** What the editor shows over the place where `|` stands in a text. */
  async hover(folder: string, text: string): Promise<string> {
    const { uri, position } = await this.openAtCursor(folder, text)
    const result = await this.ask('textDocument/hover', { textDocument: { uri }, position })
    return result?.contents?.value ?? ''
  }

  /** Ends the server. */
  close(): void {
    this.server.kill()
  }

  private async openAtCursor(folder: string, text: string) {
    const before = text.slice(0, text.indexOf('|')).split('\n')
    const { uri } = await this.open(folder, text.replace('|', ''))
    return { uri, position: { line: before.length - 1, character: before.at(-1)!.length } }
  }

  // biome-ignore lint/suspicious/noExplicitAny: the answer depends on the method
  private ask(method: string, params: unknown): Promise<any> {
    const id = ++this.last
    const answer = new Promise((resolve) => this.answers.set(id, resolve))
    this.send({ id, method, params })
    return answer
  }

  private send(message: object): void {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message })
    this.server.stdin!.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
  }

  private receive(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes])
    for (;;) {
      const end = this.received.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/Content-Length: (\d+)/.exec(String(this.received.subarray(0, end)))![1])
      if (this.received.length < end + 4 + length) return
      const message = JSON.parse(String(this.received.subarray(end + 4, end + 4 + length)))
      this.received = this.received.subarray(end + 4 + length)
      this.handle(message)
    }
  }

  private handle({ id, method, params, result }: Message): void {
    if (method === undefined) this.answers.get(id!)?.(result)
    else if (method === 'workspace/configuration') {
      const yaml = { schemaStore: { enable: false }, validate: true, hover: true, completion: true }
      const sections: { readonly section: string }[] = params.items
      this.send({ id, result: sections.map(({ section }) => (section === 'yaml' ? yaml : null)) })
    } else if (method === 'textDocument/publishDiagnostics') {
      const found: { readonly message: string }[] = params.diagnostics
      this.diagnosed.get(params.uri)?.(found.map(({ message }) => message))
    } else if (id !== undefined) this.send({ id, result: null })
  }
}
