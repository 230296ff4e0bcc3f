import type { Transport, TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, MessageExtraInfo, RequestId } from '@modelcontextprotocol/sdk/types.js'
import { RefusedError, UnansweredError } from '../client/errors.ts'
import type { Fetch, PayingWallet } from '../client/index.ts'
import * as Offer from '../http/Offer.ts'
import {
  addressOf,
  type Call,
  canonicalJson,
  codes,
  fromBase64,
  isProblem,
  metaOf,
  readCall,
  record,
  requestMethod,
  toBase64,
  toolPath,
  vendorOf,
} from './binding.ts'

/**
 * Pays for the tools that a client calls, within the wallet's budget, over whatever transport. The client stays as it is; tools
 * that are free, and servers that sell nothing, are called as ever.
 *
 * ```ts
 * const w = await wallet({ bank: 'https://bank.example', budget: { request: '0.01', day: '1' } })
 * await client.connect(payingTransport(new StdioClientTransport({ command: 'weather-tools' }), w))
 * await client.callTool({ name: 'forecast', arguments: { city: 'Graz' } })
 * ```
 */
export function payingTransport(transport: Transport, wallet: Pick<PayingWallet, 'fetch' | 'connect'>): Transport {
  return new PayingTransport(transport, wallet)
}

type Reply = { readonly result: unknown } | { readonly error: unknown }

class PayingTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: <T extends JSONRPCMessage>(message: T, extra?: MessageExtraInfo) => void
  readonly #transport: Transport
  readonly #wallet: Pick<PayingWallet, 'fetch' | 'connect'>
  /** Requests of this transport's own, by their ids. */
  readonly #waiting = new Map<RequestId, Waiting>()
  /** Calls of the client, by their ids, and what takes them back. */
  readonly #calls = new Map<RequestId, AbortController>()
  #count = 0
  #isGone = false
  #asksAgain: ReturnType<typeof setTimeout> | undefined
  /** Where the server's tools are sold; `undefined` where they are not. */
  #address: Promise<string | undefined> | undefined

  constructor(transport: Transport, wallet: Pick<PayingWallet, 'fetch' | 'connect'>) {
    this.#transport = transport
    this.#wallet = wallet
  }

  get sessionId(): string | undefined {
    return this.#transport.sessionId
  }

  setProtocolVersion(version: string): void {
    this.#transport.setProtocolVersion?.(version)
  }

  start(): Promise<void> {
    this.#transport.onmessage = (message, extra) => {
      const id = 'method' in message ? undefined : message.id
      const waiting = id === undefined ? undefined : this.#waiting.get(id)
      if (waiting !== undefined)
        waiting.reply('result' in message ? { result: message.result } : { error: record(message).error })
      // One that was asked for twice comes twice.
      else if (!String(id).startsWith(ownIds)) this.onmessage?.(message, extra)
    }
    this.#transport.onerror = (error) => {
      this.onerror?.(error)
      this.#askAgainSoon()
    }
    this.#transport.onclose = () => {
      this.#isGone = true
      clearTimeout(this.#asksAgain)
      for (const { reply } of this.#waiting.values()) reply({ error: { code: -32000, message: 'the server is gone' } })
      this.onclose?.()
    }
    return this.#transport.start()
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    const call = readCall(message)
    if (call !== undefined) {
      void this.#buy(call, message, options).catch((error: unknown) => this.onerror?.(error as Error))
      return
    }
    const taken =
      'method' in message && message.method === 'notifications/cancelled' && record(message.params).requestId
    const known = this.#calls.get(taken as RequestId)
    if (known !== undefined) known.abort()
    else await this.#transport.send(message, options)
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  async #buy(call: Call, message: JSONRPCMessage, options: TransportSendOptions | undefined): Promise<void> {
    this.#address ??= this.#learn()
    const address = await this.#address
    if (address === undefined) {
      await this.#transport.send(message, options)
      return
    }
    // Another connection of this wallet may be to the same vendor: the newest that pays is what the vendor is asked over.
    this.#wallet.connect(address, this.#fetch)
    const given = new AbortController()
    const key = String(++bought)
    this.#calls.set(call.id, given)
    underWay.set(key, (headers, signal) =>
      this.#ask('tools/call', { ...call.params, _meta: { ...call.meta, ...metaOf(headers) } }, signal),
    )
    try {
      const response = await this.#wallet.fetch(address + toolPath(call.name), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', [callHeader]: key },
        body: canonicalJson(call.arguments),
        signal: given.signal,
      })
      this.#reply(call.id, await readReply(response))
    } catch (error) {
      if (given.signal.aborted) return
      const isKnown = error instanceof RefusedError || error instanceof UnansweredError
      if (!isKnown) throw error
      const code = error instanceof RefusedError ? codes.paymentRefused : -32000
      this.#reply(call.id, { error: { code, message: error.message } })
    } finally {
      underWay.delete(key)
      this.#calls.delete(call.id)
    }
  }

  #reply(id: RequestId, reply: Reply): void {
    this.onmessage?.({ jsonrpc: '2.0', id, ...reply } as JSONRPCMessage)
  }

  /** The vendor's address, its requests from here on over this transport. */
  async #learn(): Promise<string | undefined> {
    const reply = await this.#ask(requestMethod, { method: 'GET', path: Offer.offerPath, headers: {}, body: '' })
    if (!('result' in reply)) return undefined
    const offer = Offer.parse(await tunnelled(reply.result).text())
    if (!offer.ok) return undefined
    return addressOf(vendorOf(offer.value))
  }

  readonly #fetch: Fetch = async (input, init) => {
    const request = new Request(input, init)
    const { method, headers } = request
    const { pathname, search } = new URL(request.url)
    const body = new Uint8Array(await request.arrayBuffer())
    const signal = init?.signal ?? undefined
    const send = underWay.get(headers.get(callHeader) ?? '')
    if (send !== undefined && pathname.startsWith('/tools/')) return responseOf(await send(headers, signal))
    const params = { method, path: pathname + search, headers: Object.fromEntries(headers), body: toBase64(body) }
    const reply = await this.#ask(requestMethod, params, signal)
    if ('result' in reply) return tunnelled(reply.result)
    throw new UnansweredError(`the server of these tools does not answer: ${String(record(reply.error).message)}`)
  }

  async #ask(method: string, params: Record<string, unknown>, signal?: AbortSignal): Promise<Reply> {
    if (this.#isGone) throw new UnansweredError('the connection to the server of these tools has ended')
    const ids: string[] = []
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const send = (): Promise<void> => {
      const id = `${ownIds}${++this.#count}`
      ids.push(id)
      this.#waiting.set(id, { reply: resolve, again: isRepeatable(method, params) ? again : undefined })
      return this.#transport.send({ jsonrpc: '2.0', id, method, params })
    }
    const again = (): void => {
      // A connection that fails as often is not one that loses an answer now and then.
      if (ids.length >= asksMax) {
        reject(new UnansweredError('the connection to the server fails again and again'))
        return
      }
      this.#waiting.set(ids.at(-1)!, { reply: resolve, again: undefined })
      // Where that fails as well, the transport says so, and it is tried again.
      send().catch(() => undefined)
    }
    const abort = (): void => {
      reject(new UnansweredError('the call was given up', { cause: signal?.reason }))
      for (const requestId of ids) {
        const notice = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } } as const
        // The server works on for nobody where it does not hear of it.
        this.#transport.send(notice).catch(() => undefined)
      }
    }
    signal?.addEventListener('abort', abort)
    try {
      signal?.throwIfAborted()
      await send()
      return await promise
    } finally {
      signal?.removeEventListener('abort', abort)
      for (const id of ids) this.#waiting.delete(id)
    }
  }

  /** Asks again for what may be lost: nobody says of a connection that broke which answers it took with it. */
  #askAgainSoon(): void {
    if (this.#isGone || this.#asksAgain !== undefined) return
    this.#asksAgain = setTimeout(() => {
      this.#asksAgain = undefined
      // As they are now: each that is asked for again is one more.
      const lost = [...this.#waiting.values()]
      for (const { again } of lost) again?.()
    }, asksAgainMs)
  }
}

interface Waiting {
  readonly reply: (reply: Reply) => void
  /** Asks for it once more, under another id; only where nothing happens twice by that. */
  readonly again: (() => void) | undefined
}

const ownIds = 'lockstep-'
/** How long answers that are on their way may take to come before they are asked for again. */
const asksAgainMs = 200
const asksMax = 20

/** A call that is paid for runs once for its payment; what a vendor answers besides may be asked for as often as one likes. */
function isRepeatable(method: string, params: Record<string, unknown>): boolean {
  return method === requestMethod || 'lockstep/payment' in record(params._meta)
}

/** Which call a request is for. It never leaves this process. */
const callHeader = 'Lockstep-Mcp-Call'
/** Calls that are being paid for, over whatever connections: a wallet knows those to one vendor as one. */
const underWay = new Map<string, (headers: Headers, signal: AbortSignal | undefined) => Promise<Reply>>()
let bought = 0

/** A reply to a call as a response: what was refused is a problem, and the statement is in its header. */
function responseOf(reply: Reply): Response {
  const headers = new Headers()
  if ('result' in reply) {
    setStatement(headers, record(reply.result)._meta)
    return Response.json(reply, { headers })
  }
  const { code, data } = record(reply.error)
  const { problem, _meta } = record(data)
  setStatement(headers, _meta)
  if (code !== codes.paymentRequired && code !== codes.paymentRefused)
    return Response.json(reply, { status: 500, headers })
  headers.set('Content-Type', 'application/problem+json')
  const { status } = record(problem)
  return new Response(JSON.stringify(problem), { status: typeof status === 'number' ? status : 402, headers })
}

function setStatement(headers: Headers, meta: unknown): void {
  const value = record(meta)['lockstep/statement']
  if (typeof value === 'string') headers.set('Lockstep-Statement', value)
}

async function readReply(response: Response): Promise<Reply> {
  const body = (await response.json()) as Record<string, unknown>
  if (!isProblem(response.headers)) return body as Reply
  const code = response.status === 402 ? codes.paymentRequired : codes.paymentRefused
  return { error: { code, message: String(body.detail), data: { problem: body } } }
}

/** A response of the vendor that came through the tunnel. */
function tunnelled(result: unknown): Response {
  const { status, headers, body } = record(result)
  const bytes = fromBase64(String(body)) ?? new Uint8Array(0)
  const isEmpty = status === 204 || status === 304
  return new Response(isEmpty ? null : bytes, {
    status: Number(status),
    headers: record(headers) as Record<string, string>,
  })
}
