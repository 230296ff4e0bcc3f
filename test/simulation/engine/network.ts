import { problemType } from '../../../src/http/problems.ts'
import type { Effect, Outcome, Process, Scheduler } from './scheduler.ts'

/** What travelled, as whoever listens on the wire has it. */
export interface Message {
  readonly id: number
  /** Who sent it: a party, or the eavesdropper. */
  readonly from: string
  /** The host it is for. */
  readonly to: string
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
  answer: Answer | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
}

/** Who can be reached under a host's name. */
export interface Host {
  /** None while it is down. */
  readonly process: () => Process | undefined
  readonly serve: (request: Request) => Promise<Response>
}

export interface Network {
  /** All that travelled, oldest first. */
  readonly wire: readonly Message[]
  /** Pairs that do not reach each other, by {@link pairOf}. */
  readonly partitions: Set<string>
  readonly fetch: typeof globalThis.fetch
  /** Sends what somebody else made. Whatever is answered is in the wire's record. */
  inject(message: Omit<Message, 'id' | 'answer'>): Message
  /** Breaks the exchanges of a process that is gone. */
  disconnect(process: Process): void
  addHost(name: string, host: Host): void
}

export interface NetworkOptions {
  readonly scheduler: Scheduler
  /** Hears of every request and every answer as it leaves; may put another one in its place. */
  readonly onRequest: (message: Message) => Message
  readonly onAnswer: (message: Message, answer: Answer) => Answer
}

interface Exchange {
  readonly server: Process
  readonly broken: () => void
}

interface Settle {
  readonly client: Process | undefined
  readonly resolve: (answer: Answer) => unknown
  readonly reject: () => unknown
}

export function createNetwork({ scheduler, onRequest, onAnswer }: NetworkOptions): Network {
  const wire: Message[] = []
  const partitions = new Set<string>()
  const hosts = new Map<string, Host>()
  const exchanges = new Set<Exchange>()

  const send = (message: Message, settle: Settle): void => {
    const into = (outcome: Outcome): Process | undefined =>
      isLost(message, outcome) ? settle.client : receiver(message)
    const happen = (outcome: Outcome): void => {
      if (isLost(message, outcome)) return void settle.reject()
      // The copy comes whenever it comes; nobody waits for what is answered to it.
      if (outcome === 'twice') send(message, { client: undefined, resolve: ignore, reject: ignore })
      deliver(message, settle)
    }
    scheduler.ask({
      kind: 'request',
      about: `m${message.id} ${message.from}>${message.to} ${message.path}`,
      into,
      happen,
    })
  }
  const receiver = ({ to }: Message): Process | undefined => hosts.get(to)?.process()
  const isLost = (message: Message, outcome: Outcome): boolean =>
    outcome === 'failed' || partitions.has(pairOf(message.from, message.to)) || receiver(message) === undefined

  const deliver = (message: Message, settle: Settle): void => {
    const { process, serve } = hosts.get(message.to)!
    const answerLater = (what: string, give: (outcome: Outcome) => void): Effect =>
      scheduler.ask({
        kind: 'answer',
        about: `m${message.id} ${message.to}>${message.from} ${what}`,
        ...(settle.client && { process: settle.client }),
        happen: give,
      })
    const exchange: Exchange = { server: process()!, broken: () => void answerLater('broken', settle.reject) }
    exchanges.add(exchange)
    const { method, path, headers, body } = message
    const url = `http://${message.to}${path}`
    const init = { method, headers: headers as [string, string][], ...(body.length > 0 && { body: body.slice() }) }
    void serve(new Request(url, init))
      .then(read)
      .then((served) => {
        exchanges.delete(exchange)
        const answer = onAnswer(message, served)
        message.answer = answer
        answerLater(describe(answer), (outcome) => {
          const isBroken = outcome === 'failed' || partitions.has(pairOf(message.from, message.to))
          if (isBroken) settle.reject()
          else settle.resolve(answer)
        })
      })
  }
  const record = (message: Omit<Message, 'id' | 'answer'>): Message => {
    const sent: Message = { ...message, id: wire.length + 1, answer: undefined }
    wire.push(sent)
    return sent
  }

  return {
    wire,
    partitions,
    inject(message) {
      const sent = record(message)
      send(sent, { client: undefined, resolve: ignore, reject: ignore })
      return sent
    },
    addHost: (name, host) => void hosts.set(name, host),
    disconnect(process) {
      for (const exchange of exchanges) {
        if (exchange.server !== process) continue
        exchanges.delete(exchange)
        exchange.broken()
      }
    },
    fetch(input, init = {}) {
      const client = scheduler.current
      if (client === undefined || (typeof input === 'object' && !(input instanceof URL)))
        throw new Error('only a simulated program fetches, by address')
      const { host, pathname, search } = new URL(input)
      const message = record({
        from: client.party,
        to: host,
        method: init.method ?? 'GET',
        path: pathname + search,
        headers: [...new Headers(init.headers)],
        body: (init.body as Uint8Array | undefined)?.slice() ?? new Uint8Array(0),
      })
      const sent = onRequest(message)
      wire[message.id - 1] = sent
      return new Promise((resolve, reject) => {
        send(sent, {
          client,
          // A program that is gone hears nothing.
          resolve: (answer) => client.alive && resolve(responseOf(answer)),
          reject: () => client.alive && reject(new ConnectionError('fetch failed')),
        })
      })
    },
  }
}

/** The name of what is between two parties. */
export function pairOf(one: string, other: string): string {
  return one < other ? `${one}|${other}` : `${other}|${one}`
}

async function read(response: Response): Promise<Answer> {
  const { status, headers } = response
  return { status, headers: [...headers], body: new Uint8Array(await response.arrayBuffer()) }
}

/** An answer in a word: its status, or why it refuses. */
export function describe({ status, headers, body }: Answer): string {
  const isProblem = headers.some(([name, value]) => name === 'content-type' && value === problemType)
  return isProblem ? String((JSON.parse(new TextDecoder().decode(body)) as { reason?: unknown }).reason) : `${status}`
}

function responseOf({ status, headers, body }: Answer): Response {
  const isEmpty = [204, 205, 304].includes(status)
  return new Response(isEmpty ? null : body.slice(), { status, headers: headers as [string, string][] })
}

function ignore(): void {
  // Whoever sent it does not wait for an answer.
}

/** As the runtime's own fetch fails. */
export class ConnectionError extends TypeError {
  override readonly name: string = 'ConnectionError'
}
