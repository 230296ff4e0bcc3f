import { createServer } from 'node:http'
import { problemOf, problemType } from '../../http/problems.ts'
import { StoreError } from '../../sql/storeError.ts'
import { errorDetails } from '../log/logger.ts'
import { pause } from './clock.ts'
import { type ServiceDeps, StoppedError } from './service.ts'

/**
 * Opens a store, however long it takes until that can be done: a database that is away, or a disk that is full, comes back, and
 * the service goes on by itself. Until then everybody is answered `503` with the reason. Throws at once what does not pass.
 */
export async function waitForStore<T>(
  open: () => T | Promise<T>,
  { logger, signal }: ServiceDeps,
  address: { readonly host: string; readonly port: number },
): Promise<T> {
  let stopAnswering = async (): Promise<void> => undefined
  try {
    for (let attempts = 0; ; attempts++) {
      if (signal.aborted) throw new StoppedError('stopped while waiting for the store')
      try {
        return await open()
      } catch (error) {
        if (!(error instanceof StoreError) || !error.passes) throw error
        logger.warn('waiting for the store', { attempts: attempts + 1, ...errorDetails(error) })
        if (attempts === 0) stopAnswering = await refuseAll(address, error.message)
        await pause(Math.min(10_000, 500 * 2 ** Math.min(attempts, 10)), signal)
      }
    }
  } finally {
    await stopAnswering()
  }
}

async function refuseAll(
  { host, port }: { readonly host: string; readonly port: number },
  why: string,
): Promise<() => Promise<void>> {
  const problem = problemOf({ reason: 'StoreUnavailable', detail: why })
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(problem.status, { 'Content-Type': problemType, 'Retry-After': '5', Connection: 'close' })
    response.end(JSON.stringify(problem))
  })
  await new Promise<void>((resolve) => {
    // Where somebody else has the port, the service itself will say so.
    server.once('error', () => resolve())
    server.listen(port, host, resolve)
  })
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
}
