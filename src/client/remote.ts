import * as Offer from '../http/Offer.ts'
import { isProblemReason, problemType } from '../http/problems.ts'
import { RefusedError, UnansweredError } from './errors.ts'

/** The Fetch API's function, as every runtime has it. */
export type Fetch = (input: string | Request, init?: RequestInit) => Promise<Response>

/** A vendor's offer, read from its well-known path. */
export async function fetchOffer(fetch: Fetch, vendorUrl: string): Promise<Offer.Offer> {
  const response = await ask(fetch, new URL(Offer.offerPath, vendorUrl).href)
  return readOffer(vendorUrl, await readText(response, Offer.offerSizeMax))
}

/** An offer out of its JSON. */
export function readOffer(vendorUrl: string, body: string): Offer.Offer {
  const offer = Offer.parse(body)
  if (!offer.ok) throw new UnansweredError(`${vendorUrl} has no offer that can be read: ${offer.detail}`)
  return offer.value
}

/** The text at an address, at most `sizeMax` bytes; a problem document becomes a {@link RefusedError}. */
export async function get(
  fetch: Fetch,
  url: string,
  { sizeMax, headers = {} }: { readonly sizeMax: number; readonly headers?: Readonly<Record<string, string>> },
): Promise<string> {
  return readText(await ask(fetch, url, { headers }), sizeMax)
}

/**
 * Posts bytes and gives the bytes of the answer, at most `sizeMax`; a problem document becomes a {@link RefusedError}. A server that
 * says it is still at it (202) is asked again, with the same bytes.
 */
export async function post(
  fetch: Fetch,
  url: string,
  body: Uint8Array,
  sizeMax: number,
  more: Readonly<Record<string, string>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const headers = { 'Content-Type': 'application/octet-stream', ...more }
  for (let asked = 1; asked <= askedMax; asked++) {
    const response = await ask(fetch, url, { method: 'POST', headers, body: new Uint8Array(body) })
    const answer = await read(response, sizeMax)
    if (response.status !== 202) return answer
    await new Promise((resolve) => setTimeout(resolve, againMs))
  }
  throw new UnansweredError(`${url} is still at it after ${askedMax} questions: ask again later`)
}

/** A vendor takes some seconds to answer a question that it is still at: an hour. */
const askedMax = 360
const againMs = 500

/** Sends a request once, and gives its response whatever its status. */
export async function reach(fetch: Fetch, url: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, { redirect: 'manual', ...init })
  } catch (cause) {
    throw new UnansweredError(`${url} does not answer: is it running, and reachable from here?`, { cause })
  }
}

/** What a response that is no success says. */
export async function failureOf(response: Response, url: string): Promise<RefusedError | UnansweredError> {
  return (await problemIn(response)) ?? new UnansweredError(`${url} answered ${response.status} without saying why`)
}

/** Lets a server take this long for an answer, body included, where the caller sets no limit of its own. */
export function withTimeout(fetch: Fetch, timeoutMs: number): Fetch {
  return (input, init) => fetch(input, { signal: AbortSignal.timeout(timeoutMs), ...init })
}

async function ask(fetch: Fetch, url: string, init?: RequestInit): Promise<Response> {
  const response = await reach(fetch, url, init)
  if (response.ok) return response
  throw await failureOf(response, url)
}

/** The problem that a response carries, if it is one. */
async function problemIn(response: Response): Promise<RefusedError | undefined> {
  if (!response.headers.get('Content-Type')?.startsWith(problemType)) return undefined
  try {
    const { reason, detail } = JSON.parse(await readText(response, 131_072)) as { reason?: unknown; detail?: unknown }
    if (typeof reason !== 'string' || !isProblemReason(reason)) return undefined
    return new RefusedError({ reason, detail: String(detail) })
  } catch {
    // A problem document that cannot be read says no more than its status does.
    return undefined
  }
}

export async function readText(response: Response, sizeMax: number): Promise<string> {
  return new TextDecoder().decode(await read(response, sizeMax))
}

/** Reads a body up to a limit: a server that sends more is cut off. */
async function read(response: Response, sizeMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = response.body?.getReader()
  while (reader !== undefined) {
    const { done, value } = await next(reader, response.url)
    if (done) break
    size += value.length
    if (size > sizeMax) {
      // Whether the server hears of it is its own affair.
      reader.cancel().catch(() => undefined)
      throw new UnansweredError(`${response.url} sent more than ${sizeMax} bytes`)
    }
    chunks.push(value)
  }
  const body = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
}

type Reader = ReadableStreamDefaultReader<Uint8Array>

async function next(reader: Reader, url: string): Promise<Awaited<ReturnType<Reader['read']>>> {
  try {
    return await reader.read()
  } catch (cause) {
    throw new UnansweredError(`${url} broke off in the middle of its answer`, { cause })
  }
}
