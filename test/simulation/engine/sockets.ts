import { pairOf } from './network.ts'
import type { Outcome, Process, Scheduler } from './scheduler.ts'

/** The server's end of a WebSocket, as a stream session needs it. */
export interface ServerSocket {
  send(message: Uint8Array, left: () => void): void
  close(code: number): void
  readonly bufferedAmount: number
  readonly readyState: number
}

/** What a server does with a connection. */
export interface Session {
  receive(message: Uint8Array): void
  /** The other side is gone. */
  leave(): void
}

/** Who takes connections under a host's name. `undefined`: nothing is at this path. */
export interface StreamHost {
  readonly process: () => Process | undefined
  readonly accept: (path: string, socket: ServerSocket) => Session | undefined
}

export interface Sockets {
  /** What clients sent and servers got, oldest first. */
  readonly seen: readonly SeenFrame[]
  /** What stands in the place of the runtime's own. */
  readonly WebSocket: typeof globalThis.WebSocket
  addHost(name: string, host: StreamHost): void
  /** Breaks the connections of a process that is gone. */
  disconnect(process: Process): void
}

/** A message of a stream, as whoever listens has it. */
export interface SeenFrame {
  readonly connection: number
  /** The host, and what was asked of it. */
  readonly to: string
  readonly path: string
  readonly message: Uint8Array
}

export interface SocketsOptions {
  readonly scheduler: Scheduler
  readonly partitions: ReadonlySet<string>
  /** Hears of every message as it leaves. */
  readonly onFrame: (direction: { readonly from: string; readonly to: string }, message: Uint8Array) => void
}

type Side = 'client' | 'server'

/** One connection: what either side sends comes in its order, until it breaks. */
class Connection {
  readonly #options: SocketsOptions
  readonly #name: string
  readonly ends: Readonly<Record<Side, Process>>
  /** What happens at either end. */
  readonly heard: Record<Side, { message: (bytes: Uint8Array) => void; gone: () => void }>
  isOpen = true
  /** Sides that nothing reaches any more: what comes after a lost message is lost, too. */
  readonly #cut = new Set<Side>()

  constructor(options: SocketsOptions, name: string, ends: Readonly<Record<Side, Process>>) {
    this.#options = options
    this.#name = name
    this.ends = ends
    const nothing = (): void => undefined
    this.heard = { client: { message: nothing, gone: nothing }, server: { message: nothing, gone: nothing } }
  }

  /** Brings something to one side, after what is on its way there. */
  ask(side: Side, about: string, happen: () => void): void {
    const { scheduler, partitions } = this.#options
    const process = this.ends[side]
    if (!process.alive) return
    scheduler.ask({
      kind: 'frame',
      process,
      about: `${this.#name} ${about}`,
      lane: `${this.#name} to ${side}`,
      happen: (outcome: Outcome) => {
        const { client, server } = this.ends
        const isLost = outcome === 'failed' || partitions.has(pairOf(client.party, server.party))
        if (about !== 'gone' && isLost) this.#cut.add(side)
        if (about === 'gone' || !this.#cut.has(side)) happen()
        else this.break()
      },
    })
  }

  send(from: Side, message: Uint8Array): void {
    if (!this.isOpen) return
    const to = from === 'client' ? 'server' : 'client'
    const bytes = message.slice()
    this.#options.onFrame({ from: this.ends[from].party, to: this.ends[to].party }, bytes)
    this.ask(to, `frame ${bytes[0]}`, () => this.heard[to].message(bytes))
  }

  /** One side closes, or the line is cut: both hear of it. */
  break(): void {
    if (!this.isOpen) return
    this.isOpen = false
    for (const side of ['client', 'server'] as const) this.ask(side, 'gone', () => this.heard[side].gone())
  }
}

export function createSockets(options: SocketsOptions): Sockets {
  const { scheduler } = options
  const hosts = new Map<string, StreamHost>()
  const connections = new Set<Connection>()
  const seen: SeenFrame[] = []
  let count = 0

  /** The client's end, as the runtime's own class has it. */
  class SimulatedSocket {
    binaryType = 'blob'
    onopen: () => void = () => undefined
    onerror: () => void = () => undefined
    onmessage: (event: { readonly data: ArrayBuffer }) => void = () => undefined
    onclose: () => void = () => undefined
    readonly #connection: Connection
    readonly #number = ++count
    readonly #host: string

    constructor(url: string) {
      const client = scheduler.current
      if (client === undefined) throw new Error('only a simulated program opens a socket')
      const { host, pathname, search } = new URL(url)
      this.#host = host
      const found = hosts.get(host)
      const server = found?.process() ?? { party: host, run: 0, alive: false }
      const connection = new Connection(options, `w${this.#number} ${client.party}>${host}`, { client, server })
      this.#connection = connection
      connections.add(connection)
      connection.heard.client = {
        message: (bytes) => this.onmessage({ data: new Uint8Array(bytes).buffer }),
        gone: () => {
          this.onerror()
          this.onclose()
        },
      }
      if (!server.alive) connection.break()
      else connection.ask('server', 'open', () => this.#accept(found!, pathname + search))
    }

    #accept(host: StreamHost, path: string): void {
      const connection = this.#connection

      const session = host.accept(path, serverEnd(connection))
      if (session === undefined) {
        connection.break()
        return
      }
      const message = (bytes: Uint8Array): void => {
        if (connection.ends.client.party !== 'eve')
          seen.push({ connection: this.#number, to: this.#host, path, message: bytes })
        session.receive(bytes)
      }
      connection.heard.server = { message, gone: () => session.leave() }
      connection.ask('client', 'opened', () => this.onopen())
    }

    send(message: Uint8Array): void {
      this.#connection.send('client', message)
    }

    close(): void {
      this.#connection.break()
    }
  }

  return {
    seen,
    WebSocket: SimulatedSocket as unknown as typeof globalThis.WebSocket,
    addHost: (name, host) => void hosts.set(name, host),
    disconnect(process) {
      for (const connection of connections) {
        if (connection.ends.client === process || connection.ends.server === process) connection.break()
      }
    },
  }
}

function serverEnd(connection: Connection): ServerSocket {
  return {
    send(message, left) {
      connection.send('server', message)
      // It leaves at once, but not while its sender is still at it.
      queueMicrotask(left)
    },
    close: () => connection.break(),
    bufferedAmount: 0,
    get readyState() {
      return connection.isOpen ? 1 : 3
    },
  }
}
