import type { Transport, TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, JSONRPCRequest, MessageExtraInfo, RequestId } from '@modelcontextprotocol/sdk/types.js'
import type { Meter, Paywall, Price, PriceTag } from '../vendor/index.ts'
import {
  addressOf,
  type Call,
  callMethod,
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
  /** Paid calls that the server works on. */
  readonly #running = new Map<RequestId, (reply: Reply) => void>()
  /**
   * What becomes of the server's answer to a paid call. An id is one request's at a time, and that of a call which was taken back stays
   * its own until its server has answered: what was not paid for reaches nobody under it.
   */
  readonly #sold = new Map<RequestId, (answer: JSONRPCMessage) => void>()
  /** Other requests that have no answer yet, and whether they ask for the tools. */
  readonly #free = new Map<RequestId, { readonly isList: boolean }>()

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
    if ('method' in message) return this.#transport.send(message, options)
    const { id } = message
    const sold = id === undefined ? undefined : this.#sold.get(id)
    if (sold !== undefined) return sold(message)
    const free = id === undefined ? undefined : this.#free.get(id)
    if (id !== undefined) this.#free.delete(id)
    // A result that nobody waits for may be one that nobody has paid for.
    if (free === undefined && 'result' in message) return
    await this.#transport.send(free?.isList === true ? this.#priced(message) : message, options)
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  #take(message: JSONRPCMessage, extra: MessageExtraInfo | undefined): void {
    const pass = (): void => this.onmessage?.(message, extra)
    if (!isRequest(message)) {
      // A call that wants no answer is one that nobody can pay for.
      if ('method' in message && message.method === callMethod) return
      pass()
      this.#cancel(message)
      return
    }
    const { id, method } = message
    const call = readCall(message)
    const tag = call && this.#tags.get(call.name)
    if (this.#sold.has(id) || this.#free.has(id)) {
      this.#refuse(id, codes.invalidRequest, 'another request has this id, and no answer yet')
    } else if (method === requestMethod) this.#answer(id, this.#manage(message))
    else if (tag !== undefined && call?.params.task !== undefined) {
      // Its result would come later, by another request, and for nothing.
      this.#refuse(id, codes.invalidParams, 'a tool that costs something is called for its result, not for a task')
    } else if (call !== undefined && tag !== undefined) this.#answer(id, this.#sell(call, tag, pass))
    else if (call === undefined && method === callMethod) this.#refuse(id, codes.invalidParams, 'a tool has a name')
    else {
      this.#free.set(id, { isList: method === 'tools/list' })
      pass()
    }
  }

  #refuse(id: RequestId, code: number, message: string): void {
    this.#answer(id, Promise.resolve({ error: { code, message } }))
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
    let isAtServer = false
    // Until its payment is judged, nothing that the server says is for it.
    this.#sold.set(call.id, () => undefined)
    try {
      const response = await this.#pay.sell(
        request,
        tag,
        async (_request, meter) => {
          isAtServer = true
          const reply = await this.#run(call.id, run, () => {
            isAtServer = false
          })
          isCancelled = reply === cancelled
          return responseOf(reply, tag.meters ? meter : undefined)
        },
        { target },
      )
      return isCancelled ? undefined : await replyOf(response)
    } finally {
      if (isAtServer) this.#sold.set(call.id, () => void this.#sold.delete(call.id))
      else this.#sold.delete(call.id)
    }
  }

  /** Lets the server work on a call whose answer is not sent yet. */
  async #run(id: RequestId, run: () => void, answered: () => void): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<Reply>()
    this.#running.set(id, resolve)
    this.#sold.set(id, (answer) => {
      answered()
      resolve('result' in answer ? { result: answer.result } : { error: record(answer).error })
    })
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
    // Its server need not answer any more.
    this.#free.delete(requestId as RequestId)
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
