import { type Meter, PriceError, problemResponse } from '../vendor/index.ts'
import { type Asset, formatDecimal, parseAsset, parseDecimal } from '../wire/amount.ts'
import { meteredEvents } from './events.ts'
import type { TokenPrice } from './rules.ts'

/** A price by tokens, in base units. */
export interface Rate {
  readonly asset: Asset
  readonly prompt: bigint
  readonly completion: bigint
  /** Tokens. */
  readonly per: bigint
  readonly max: bigint
}

/** What an answer says that it used. */
export interface Usage {
  readonly prompt: bigint
  readonly completion: bigint
}

/** Reads a price by tokens. Throws `PriceError`. */
export function rateOf(assetName: string, { prompt, completion, per = 1, max }: TokenPrice): Rate {
  const known = parseAsset(assetName)
  if (!known.ok) throw new PriceError(known.detail)
  const asset = known.value
  const units = (price: string): bigint => {
    const parsed = parseDecimal(price, asset)
    if (parsed.ok) return parsed.value
    throw new PriceError(`a price is a decimal string in ${asset.code}, such as '0.15': ${parsed.detail}`)
  }
  if (!Number.isSafeInteger(per) || per < 1) throw new PriceError(`${per} is no number of tokens`)
  return { asset, prompt: units(prompt), completion: units(completion), per: BigInt(per), max: units(max) }
}

/** Base units, rounded up. */
export function costOf({ prompt, completion, per }: Rate, used: Usage): bigint {
  const sum = prompt * used.prompt + completion * used.completion
  return (sum + per - 1n) / per
}

/**
 * The request as it is sent on: a stream is told to say at its end what it used. `addsUsage`: its client did not ask for that, and
 * does not get it.
 */
export function askForUsage(body: Uint8Array): { readonly body: Uint8Array; readonly addsUsage: boolean } {
  const json = objectIn(new TextDecoder().decode(body))
  const options = objectOf(json?.stream_options)
  const isKnown = json !== undefined && ('messages' in json || 'prompt' in json)
  if (!isKnown || json.stream !== true || options?.include_usage === true) return { body, addsUsage: false }
  const asking = { ...json, stream_options: { ...options, include_usage: true } }
  return { body: new TextEncoder().encode(JSON.stringify(asking)), addsUsage: true }
}

export interface Metering {
  readonly rate: Rate
  readonly meter: Meter
  /** The service says what was used, and the client has not asked for it. */
  readonly addsUsage: boolean
  readonly onError: (error: unknown) => void
}

/** Meters an answer by what it says that it used: charged once that is known, up to the ceiling. */
export async function meterTokens(response: Response, metering: Metering): Promise<Response> {
  const { status, body } = response
  if (status >= 400 || body === null) return response
  const headers = new Headers(response.headers)
  headers.delete('Content-Length')
  const coding = headers.get('Content-Encoding') ?? 'identity'
  if (coding !== 'identity') return unmetered(metering, `it answers in ${coding}, though it was asked not to`)
  if (headers.get('Content-Type')?.startsWith('text/event-stream') === true) {
    return metering.meter.streamed(new Response(meteredEvents(body, new Tally(metering)), { status, headers }))
  }
  const bytes = await readWhole(body)
  if (bytes === undefined) return unmetered(metering, `it answers with more than ${answerMax} bytes`)
  const usage = usageIn(objectIn(new TextDecoder().decode(bytes)))
  if (usage === undefined) return unmetered(metering, "its answer has no 'usage' of tokens")
  new Tally(metering).settle(usage)
  return new Response(bytes, { status, headers })
}

/** Bytes of an answer that is metered as a whole. */
const answerMax = 16_777_216

/** Counts what one answer used, and meters it once. */
export class Tally {
  readonly #metering: Metering
  #usage: Usage | undefined
  #delivered = 0n
  #isSettled = false

  constructor(metering: Metering) {
    this.#metering = metering
  }

  /** Hears a piece of a streamed answer. `withhold`: it is not for the client. `full`: it would pass the ceiling. */
  take(data: string): 'deliver' | 'withhold' | 'full' {
    const chunk = objectIn(data)
    if (chunk === undefined) return 'deliver'
    const { addsUsage, rate } = this.#metering
    const usage = usageIn(chunk)
    this.#usage = usage ?? this.#usage
    if (usage !== undefined && addsUsage && Array.isArray(chunk.choices) && chunk.choices.length === 0)
      return 'withhold'
    if (!carriesText(chunk)) return 'deliver'
    if (costOf(rate, { prompt: 0n, completion: this.#delivered + 1n }) > rate.max) return 'full'
    this.#delivered += 1n
    return 'deliver'
  }

  /** Meters what was used; where the service did not say it, what was delivered. */
  settle(usage: Usage | undefined = this.#usage): void {
    if (this.#isSettled) return
    this.#isSettled = true
    const { meter, rate, onError } = this.#metering
    const cost = costOf(rate, usage ?? { prompt: 0n, completion: this.#delivered })
    if (cost > rate.max) {
      const [wanted, max] = [formatDecimal(cost, rate.asset), formatDecimal(rate.max, rate.asset)]
      onError(new Error(`an answer used ${wanted} ${rate.asset.code} and is charged ${max}, its ceiling: raise max`))
    }
    meter.charge(formatDecimal(cost > rate.max ? rate.max : cost, rate.asset))
  }
}

/** Nothing is sold that nobody can count. */
function unmetered({ onError }: Metering, why: string): Response {
  onError(new Error(`the service cannot be metered by tokens: ${why}. Nothing was charged`))
  return problemResponse({ reason: 'UpstreamFailed', detail: `what the service behind this one used cannot be told` })
}

/** `usage` of an answer or of a piece of one, by the names of chat completions or of responses. */
function usageIn(json: Json | undefined): Usage | undefined {
  const usage = objectOf(json?.usage) ?? objectOf(objectOf(json?.response)?.usage)
  const prompt = wholeOf(usage?.prompt_tokens ?? usage?.input_tokens)
  // What has no answer but numbers, as embeddings, counts the prompt alone. A count that is none is no count.
  const completion = wholeOf(usage?.completion_tokens ?? usage?.output_tokens ?? 0)
  return prompt === undefined || completion === undefined ? undefined : { prompt, completion }
}

/** Whether a piece of a stream has something that a client waits for: a token or more. */
function carriesText({ choices, type, delta }: Json): boolean {
  if (typeof type === 'string' && type.endsWith('.delta')) return isFilled(delta)
  if (!Array.isArray(choices)) return false
  return choices.some((choice) => {
    const { text, delta: said } = objectOf(choice) ?? {}
    const parts = Object.entries(objectOf(said) ?? {}).filter(([name]) => name !== 'role')
    return isFilled(text) || parts.some(([, part]) => isFilled(part))
  })
}

type Json = Readonly<Record<string, unknown>>

function isFilled(part: unknown): boolean {
  return part !== undefined && part !== null && part !== ''
}

function objectIn(text: string): Json | undefined {
  try {
    return objectOf(JSON.parse(text))
  } catch {
    // As `[DONE]`, the end of a stream.
    return undefined
  }
}

function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}

function wholeOf(value: unknown): bigint | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined
}

async function readWhole(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > answerMax) return undefined
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
