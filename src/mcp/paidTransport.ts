import type { Transport, TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, JSONRPCRequest, MessageExtraInfo, RequestId } from '@modelcontextprotocol/sdk/types.js'
import type { Meter, Paywall, Price, PriceTag } from '../vendor/index.ts'
import {
  addressOf,
  type Call,
  canonicalJson,
  chargeKey,
  codes,
  fromBase64,
  headersIn,
  isProblem,
  isRequest,
  metaOf,
  priceKey,
  readCall,
  record,
  requestMethod,
  toBase64,
  toolPath,
} from './binding.ts'

/** What tools cost, by their names: a price, or a ceiling under which the tool says itself what it costs. Others are free. */
export type ToolPrices = Readonly<Record<string, Price | { readonly max: string }>>

/** Who sells the tools of a server, and for what. */
export interface PaidTransportOptions {
  readonly pay: Pick<Paywall, 'asset' | 'vendor' | 'sell' | 'handle' | 'list' | 'price' | 'ceiling'>
  readonly prices: ToolPrices
}

/**
 * Puts prices on the tools of any MCP server, which stays as it is: calls reach it once they are paid, over whatever transport.
 * A tool that fails, by an error or with `isError`, costs nothing. A result of a metered tool says what it costs in
 * `_meta['lockstep/charge']`.
 *
 * ```ts
 * const pay = await paywall({ bank: 'https://bank.example', asset: 'USD', store: 'sqlite:./tools.db' })
 * await server.connect(paidTransport(new StdioServerTransport(), { pay, prices: { forecast: '0.001' } }))
 * ```
 */
export function paidTransport(transport: Transport, { pay, prices }: PaidTransportOptions): Transport {
  const tags = new Map<string, PriceTag>()
  for (const [name, price] of Object.entries(prices)) {
    const tag = typeof price === 'object' ? pay.ceiling(price) : pay.price(price)
    tags.set(name, tag)
    pay.list('POST', toolPath(name), tag)
  }
  return new PaidTransport(transport, pay, tags)
}

/** What a server answers a request. */
type Reply = { readonly result: unknown } | { readonly error: unknown }

class PaidTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: <T extends JSONRPCMessage>(message: T, extra?: MessageExtraInfo) => void
  readonly #transport: Transport
  readonly #pay: PaidTransportOptions['pay']
  readonly #tags: ReadonlyMap<string, PriceTag>
  /** Calls that the server works on. */
  readonly #running = new Map<RequestId, (reply: Reply) => void>()
  /** Lists of tools that are on their way. */
  readonly #lists = new Set<RequestId>()

  constructor(transport: Transport, pay: PaidTransportOptions['pay'], tags: ReadonlyMap<string, PriceTag>) {
    this.#transport = transport
    this.#pay = pay
    this.#tags = tags
  }

  get sessionId(): string | undefined {
    return this.#transport.sessionId
  }

  setProtocolVersion(version: string): void {
    this.#transport.setProtocolVersion?.(version)
  }

  start(): Promise<void> {
    this.#transport.onmessage = (message, extra) => this.#take(message, extra)
    this.#transport.onerror = (error) => this.onerror?.(error)
    this.#transport.onclose = () => {
      for (const end of this.#running.values()) end(gone)
      this.onclose?.()
    }
    return this.#transport.start()
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    const id = 'method' in message ? undefined : message.id
    const end = id === undefined ? undefined : this.#running.get(id)
    if (end !== undefined) end('result' in message ? { result: message.result } : { error: record(message).error })
    else if (id !== undefined && this.#lists.delete(id)) await this.#transport.send(this.#priced(message), options)
    else await this.#transport.send(message, options)
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  #take(message: JSONRPCMessage, extra: MessageExtraInfo | undefined): void {
    const call = readCall(message)
    const tag = call && this.#tags.get(call.name)
    if (call !== undefined && tag !== undefined) {
      this.#answer(
        call.id,
        this.#sell(call, tag, () => this.onmessage?.(message, extra)),
      )
    } else if (isRequest(message) && message.method === requestMethod) this.#answer(message.id, this.#manage(message))
    else {
      if (isRequest(message) && message.method === 'tools/list') this.#lists.add(message.id)
      this.onmessage?.(message, extra)
      this.#cancel(message)
    }
  }

  #answer(id: RequestId, answering: Promise<Reply | undefined>): void {
    answering
      .then(
        (reply) =>
          reply && this.#transport.send({ jsonrpc: '2.0', id, ...reply } as JSONRPCMessage, { relatedRequestId: id }),
      )
      .catch((error: unknown) => this.onerror?.(error instanceof Error ? error : new Error(String(error))))
  }

  /** `undefined` where the client has taken its call back: it wants no answer. */
  async #sell(call: Call, tag: PriceTag, run: () => void): Promise<Reply | undefined> {
    const target = addressOf(this.#pay.vendor) + toolPath(call.name)
    const request = new Request(target, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headersIn(call.meta) },
      body: canonicalJson(call.arguments),
    })
    let isCancelled = false
    const response = await this.#pay.sell(
      request,
      tag,
      async (_request, meter) => {
        const reply = await this.#run(call.id, run)
        isCancelled = reply === cancelled
        return responseOf(reply, tag.meters ? meter : undefined)
      },
      { target },
    )
    return isCancelled ? undefined : replyOf(response)
  }

  /** Lets the server work on a call whose answer is not sent yet. */
  async #run(id: RequestId, run: () => void): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<Reply>()
    this.#running.set(id, resolve)
    try {
      run()
      return await promise
    } finally {
      this.#running.delete(id)
    }
  }

  #cancel(message: JSONRPCMessage): void {
    if (!('method' in message) || message.method !== 'notifications/cancelled') return
    const { requestId } = record(message.params)
    this.#running.get(requestId as RequestId)?.(cancelled)
  }

  /** What every vendor answers: its offer, closing, release, payments resent. */
  async #manage({ params }: JSONRPCRequest): Promise<Reply> {
    const { method, path, headers, body } = record(params)
    const sent = typeof body === 'string' ? fromBase64(body) : new Uint8Array(0)
    if (typeof method !== 'string' || typeof path !== 'string' || !path.startsWith('/') || sent === undefined) {
      return { error: { code: codes.invalidParams, message: `${requestMethod} takes {method, path, headers, body}` } }
    }
    const request = requestOf({ method, url: addressOf(this.#pay.vendor) + path, headers: record(headers), body: sent })
    const response = request && (await this.#pay.handle(request))
    if (response === undefined) {
      return {
        error: { code: codes.invalidParams, message: `a vendor of tools answers nothing at ${path.slice(0, 200)}` },
      }
    }
    return {
      result: {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: toBase64(new Uint8Array(await response.arrayBuffer())),
      },
    }
  }

  /** Tools as the server lists them, those that cost something with their prices. */
  #priced(message: JSONRPCMessage): JSONRPCMessage {
    const result = record(record(message).result)
    if (!Array.isArray(result.tools)) return message
    const tools = result.tools.map((tool: { readonly name?: unknown; readonly _meta?: unknown }) => {
      const tag = typeof tool.name === 'string' ? this.#tags.get(tool.name) : undefined
      if (tag?.offered === undefined) return tool
      const metered = tag.isCeiling ? { metered: true } : {}
      const price = { amount: String(tag.offered), asset: this.#pay.asset, ...metered }
      return { ...tool, _meta: { ...record(tool._meta), [priceKey]: price } }
    })
    return { ...message, result: { ...result, tools } } as JSONRPCMessage
  }
}

const gone: Reply = { error: { code: -32000, message: 'the connection to the server ended' } }
const cancelled: Reply = { error: { code: -32000, message: 'the call was taken back' } }

/** What a server replied, as a handler answers: a failure charges nothing. */
function responseOf(reply: Reply, meter: Meter | undefined): Response {
  const result = 'result' in reply ? record(reply.result) : undefined
  const isFailure = result === undefined || result.isError === true
  if (!isFailure && meter !== undefined) {
    const charge = record(result._meta)[chargeKey]
    if (typeof charge === 'string') meter.charge(charge)
  }
  return Response.json(reply, { status: isFailure ? 500 : 200 })
}

/** What a call was answered, with the vendor's statement. */
async function replyOf(response: Response): Promise<Reply> {
  const body = (await response.json()) as Record<string, unknown>
  const meta = metaOf(response.headers)
  if (isProblem(response.headers)) {
    const code =
      response.status === 402 && body.reason === 'PaymentRequired' ? codes.paymentRequired : codes.paymentRefused
    return { error: { code, message: String(body.detail), data: { problem: body, _meta: meta } } }
  }
  if ('result' in body) {
    const result = record(body.result)
    return { result: { ...result, _meta: { ...record(result._meta), ...meta } } }
  }
  const error = record(body.error)
  return { error: { ...error, data: { ...record(error.data), _meta: meta } } }
}

/** `undefined` for what no request can be made of. */
function requestOf(parts: {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Uint8Array<ArrayBuffer>
}): Request | undefined {
  const { method, url, headers, body } = parts
  try {
    return new Request(url, {
      method,
      headers: Object.entries(headers).flatMap(([name, value]) =>
        typeof value === 'string' ? [[name, value]] : [],
      ) as [string, string][],
      ...(body.length > 0 && { body }),
    })
  } catch {
    // A method or a header that HTTP does not know.
    return undefined
  }
}
