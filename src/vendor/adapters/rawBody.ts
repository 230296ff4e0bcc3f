import type { IncomingMessage } from 'node:http'

/** Something has read a request's body before the paywall could: then nobody can tell whether it is what was paid for. */
export class BodyReadError extends Error {
  override readonly name: string = 'BodyReadError'

  constructor(what: string) {
    super(`${what}. Nothing was charged, and the payment can be sent again`)
  }
}

/**
 * The body as it arrived, put back for whoever reads it next; `undefined` beyond `sizeMax`. Throws {@link BodyReadError} where a
 * parser was quicker and has not left the bytes as `rawBody`.
 */
export async function rawBodyOf(incoming: IncomingMessage, sizeMax: number): Promise<Uint8Array | undefined> {
  const { headers } = incoming
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  if (!hasBody) return new Uint8Array(0)
  const { rawBody } = incoming as { readonly rawBody?: unknown }
  if (rawBody instanceof Uint8Array) return rawBody
  const known = putBack.get(incoming)
  if (known !== undefined) return known
  if (incoming.readableDidRead || incoming.readableEnded) {
    throw new BodyReadError(
      'a body parser has read the request before the paywall: let the paid route come before it, or keep the bytes, as in ' +
        'express.json({ verify: (request, _response, bytes) => { request.rawBody = bytes } })',
    )
  }
  if (Number(headers['content-length'] ?? 0) > sizeMax) return undefined
  return readAndPutBack(incoming, sizeMax)
}

/** What was read and put back here: the paywall itself may look twice. */
const putBack = new WeakMap<IncomingMessage, Uint8Array>()

function readAndPutBack(incoming: IncomingMessage, sizeMax: number): Promise<Uint8Array | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>()
  const chunks: Uint8Array[] = []
  let size = 0
  const take = (): void => {
    for (
      let chunk = incoming.read() as Uint8Array | null;
      chunk !== null;
      chunk = incoming.read() as Uint8Array | null
    ) {
      chunks.push(chunk)
      size += chunk.length
    }
    if (!incoming.complete && size <= sizeMax) return
    stop()
    const body = Buffer.concat(chunks)
    // In this very turn: once the stream has said that it ends, nothing can be put back.
    if (size > 0) incoming.unshift(body)
    if (size <= sizeMax) putBack.set(incoming, body)
    resolve(size > sizeMax ? undefined : body)
  }
  const leave = (): void => {
    stop()
    reject(new Error('the client left before its request had arrived'))
  }
  const stop = (): void => void incoming.off('readable', take).off('close', leave)
  incoming.on('readable', take).on('close', leave)
  take()
  return promise
}
