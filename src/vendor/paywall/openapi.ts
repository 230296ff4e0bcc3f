import type { RouteOffer } from '../../http/Offer.ts'
import { type Asset, formatDecimal } from '../../wire/amount.ts'

/** What of an OpenAPI document is read here: its paths, and the operations of each. */
export interface OpenapiDocument {
  readonly paths?: Readonly<Record<string, object | undefined>> | undefined
}

export interface Priced {
  readonly routes: readonly RouteOffer[]
  readonly assetName: string
  readonly asset: Asset
}

/** The document with what each operation costs, as `x-payment-info`. Operations that cost nothing stay as they are. */
export function withPrices<D extends OpenapiDocument>(document: D, priced: Priced): D {
  const paths = Object.entries(document.paths ?? {}).map(([path, item]) => [path, withPricesOf(path, item, priced)])
  return { ...document, paths: Object.fromEntries(paths) as D['paths'] }
}

/** A document of what is sold, where the service has none of its own. */
export function openapiOf(priced: Priced, title: string): OpenapiDocument {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const { method, path } of priced.routes) {
    paths[templateOf(path)] = {
      ...paths[templateOf(path)],
      [method.toLowerCase()]: {
        parameters: parametersOf(path),
        responses: { '200': { description: 'What was paid for' } },
      },
    }
  }
  const document = { openapi: '3.1.0', info: { title, version: '1' }, paths }
  return withPrices(document, priced)
}

function withPricesOf(path: string, item: object | undefined, priced: Priced): object | undefined {
  if (item === undefined) return undefined
  const operations = Object.entries(item as Readonly<Record<string, unknown>>).map(([name, operation]) => {
    const found = priced.routes.filter(
      (route) => route.method.toLowerCase() === name && isSame(templateOf(route.path), path),
    )
    if (found.length === 0 || typeof operation !== 'object' || operation === null) return [name, operation]
    const { responses } = operation as { readonly responses?: object }
    return [
      name,
      {
        ...operation,
        'x-payment-info': { offers: found.map((route) => paymentOf(route, priced)) },
        responses: { ...responses, '402': { description: 'Payment required' } },
      },
    ]
  })
  return Object.fromEntries(operations) as object
}

/** One way to pay, as the Machine Payments Protocol lists them: base units, and nothing where a request may cost less. */
function paymentOf({ price, per, metered }: RouteOffer, { asset, assetName }: Priced): Record<string, unknown> {
  const costs = `${metered === true ? 'at most ' : ''}${formatDecimal(price, asset)} ${asset.code}`
  return {
    method: 'lockstep',
    intent: 'session',
    currency: assetName,
    amount: metered === true ? null : price.toString(),
    description: `${costs} for each ${per === 'unit' ? 'unit of the stream' : 'request'}`,
  }
}

/** `/jokes/:number` is `/jokes/{number}` there. */
function templateOf(path: string): string {
  return path.replace(/:([^/]+)/g, '{$1}')
}

/** Whatever parameters are called. */
function isSame(one: string, other: string): boolean {
  const unnamed = (path: string): string => path.replace(/\{[^}]*\}/g, '{}')
  return unnamed(one) === unnamed(other)
}

function parametersOf(path: string): readonly unknown[] {
  return [...path.matchAll(/:([^/]+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
}
