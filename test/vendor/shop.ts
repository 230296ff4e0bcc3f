/** What the vendor of these tests sells. */

import type { PaidContext, PaidRoute } from '../../src/vendor/index.ts'

export const price = 30n

export interface Shop {
  readonly routes: readonly PaidRoute[]
  /** How often a handler ran for a payment. */
  runs(index: number): number
  readonly total: () => number
}

/**
 * `/goods/:name` says its name and the number of its run; `/echo` gives the body back; `/status/:status` answers with that
 * status, `/throw/:how` does not answer, `/bytes/:size` gives as many bytes, `/free` costs nothing.
 */
export function openShop(change: Partial<PaidRoute> = {}): Shop {
  const runs = new Map<number, number>()
  const count = ({ index }: PaidContext): number => {
    const run = (runs.get(index) ?? 0) + 1
    runs.set(index, run)
    return run
  }
  const route = (path: string, handler: PaidRoute['handler'], method = 'GET'): PaidRoute => ({
    method,
    path,
    price,
    handler: (request, context) => {
      count(context)
      return handler(request, context)
    },
  })
  return {
    runs: (index) => runs.get(index) ?? 0,
    total: () => [...runs.values()].reduce((sum, run) => sum + run, 0),
    routes: [
      {
        ...change,
        ...route(
          '/goods/:name',
          change.handler ?? ((_, { params, index }) => Response.json({ name: params.name, run: runs.get(index) })),
        ),
        price: change.price ?? price,
      },
      route(
        '/echo',
        async (request) => new Response(await request.text(), { headers: { 'X-Url': request.url } }),
        'POST',
      ),
      route('/status/:status', (_, { params }) => new Response('no', { status: Number(params.status) })),
      route('/empty/:status', (_, { params }) => new Response(null, { status: Number(params.status) })),
      route('/throw/:how', (_, { params }) => misbehave(params.how!)),
      route('/bytes/:size', (_, { params }) => new Response(new Uint8Array(Number(params.size)).fill(7))),
      { ...route('/free', () => new Response('free')), price: 0n },
    ],
  }
}

function misbehave(how: string): Response | Promise<Response> {
  if (how === 'now') throw new Error('a secret of the vendor')
  if (how === 'later') return Promise.reject(new Error('a secret of the vendor'))
  if (how === 'body') {
    return new Response(
      new ReadableStream({
        pull: (controller) => controller.error(new Error('a secret of the vendor')),
      }),
    )
  }
  return how === 'nothing' ? (undefined as unknown as Response) : Response.error()
}
