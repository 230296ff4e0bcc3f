import type { IncomingMessage } from 'node:http'

/**
 * The whole body, or `undefined` as soon as it is known to be too large. What still comes of it is thrown away, so that a
 * client that is sending can read its answer, but not for long.
 */
export function readBody(request: IncomingMessage, sizeMax: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let size = 0
    if (Number(request.headers['content-length'] ?? 0) > sizeMax) resolve(undefined)
    request.on('data', (chunk: Uint8Array) => {
      size += chunk.length
      if (size <= sizeMax) chunks.push(chunk)
      else resolve(undefined)
      if (size > sizeMax + discardedMax) request.destroy()
    })
    request.once('end', () => resolve(new Uint8Array(Buffer.concat(chunks))))
    request.once('error', reject)
  })
}

const discardedMax = 1_048_576
