import * as Offer from '../http/Offer.ts'
import { isProblemReason, problemType } from '../http/problems.ts'
import { RefusedError, UnansweredError } from './errors.ts'

/** The Fetch API's function, as every runtime has it. */
export type Fetch = (input: string | Request, init?: RequestInit) => Promise<Response>

/** A vendor's offer, read from its well-known path. */
export async function fetchOffer(fetch: Fetch, vendorUrl: string): Promise<Offer.Offer> {
  const response = await ask(fetch, new URL(Offer.offerPath, vendorUrl).href)
  const offer = Offer.parse(await readText(response, Offer.offerSizeMax))
  if (!offer.ok) throw new UnansweredError(`${vendorUrl} has no offer that can be read: ${offer.detail}`)
  return offer.value
}

/** Posts bytes and gives the bytes of the answer, at most `sizeMax`; a problem document becomes a {@link RefusedError}. */
export async function post(
  fetch: Fetch,
  url: string,
  body: Uint8Array,
  sizeMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const headers = { 'Content-Type': 'application/octet-stream' }
  const response = await ask(fetch, url, { method: 'POST', headers, body: new Uint8Array(body) })
  return read(response, sizeMax)
}

/** The problem that a response carries, if it is one. */
export async function problemIn(response: Response): Promise<RefusedError | undefined> {
  if (!response.headers.get('Content-Type')?.startsWith(problemType)) return undefined
  try {
    const { reason, detail } = JSON.parse(await readText(response, 16_384)) as { reason?: unknown; detail?: unknown }
    if (typeof reason !== 'string' || !isProblemReason(reason)) return undefined
    return new RefusedError({ reason, detail: String(detail) })
  } catch {
    // A problem document that cannot be read says no more than its status does.
    return undefined
  }
}

async function ask(fetch: Fetch, url: string, init?: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { redirect: 'manual', ...init })
  } catch (error) {
    throw new UnansweredError(`${url} does not answer: is it running, and reachable from here?`, { cause: error })
  }
  if (response.ok) return response
  throw (await problemIn(response)) ?? new UnansweredError(`${url} answered ${response.status} without saying why`)
}

async function readText(response: Response, sizeMax: number): Promise<string> {
  return new TextDecoder().decode(await read(response, sizeMax))
}

/** Reads a body up to a limit: a server that sends more is cut off. */
async function read(response: Response, sizeMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const body = new Uint8Array(sizeMax)
  let size = 0
  const reader = response.body?.getReader()
  if (reader === undefined) return new Uint8Array(0)
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return body.slice(0, size)
    if (size + value.length > sizeMax) {
      await reader.cancel()
      throw new UnansweredError(`${response.url} sent more than ${sizeMax} bytes`)
    }
    body.set(value, size)
    size += value.length
  }
}
