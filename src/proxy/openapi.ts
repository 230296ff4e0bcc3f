import type { RouteOffer } from '../http/Offer.ts'
import type { PriceTag } from '../vendor/index.ts'
import { type OpenapiDocument, type Priced, withPrices } from '../vendor/paywall/openapi.ts'
import { readBody } from '../vendor/responses.ts'
import { amount } from '../wire/amount.ts'

/** The price of a request of such a method and path; `undefined` where it has none. */
export type Pricer = (method: string, pathname: string) => Pick<PriceTag, 'offered' | 'isCeiling' | 'per'> | undefined

/** The document that a service answers with; `undefined` where it has none that can be read. */
export async function documentIn(response: Response): Promise<OpenapiDocument | undefined> {
  if (!response.ok) return undefined
  const body = await readBody(response, documentMax)
  try {
    const document = JSON.parse(new TextDecoder().decode(body)) as OpenapiDocument | null
    return typeof document?.paths === 'object' ? document : undefined
  } catch {
    // Another format, or cut short: the proxy has one of its own.
    return undefined
  }
}

/** The service's own document, with the price of each operation. Where the service is behind the proxy is nobody's business. */
export function pricedDocument(
  document: OpenapiDocument & { readonly servers?: unknown },
  pricer: Pricer,
  priced: Pick<Priced, 'asset' | 'assetName'>,
): OpenapiDocument {
  const base = baseOf(document.servers)
  const routes = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.keys(item ?? {}).flatMap((name): RouteOffer[] => {
      const tag = methods.has(name) ? pricer(name.toUpperCase(), base + path) : undefined
      if (tag?.offered === undefined) return []
      const metered = tag.isCeiling ? ({ metered: true } as const) : {}
      return [{ method: name.toUpperCase(), path, price: amount(tag.offered), per: tag.per, ...metered }]
    }),
  )
  return withPrices({ ...document, servers: [{ url: base === '' ? '/' : base }] }, { ...priced, routes })
}

const documentMax = 16_777_216
const methods: ReadonlySet<string> = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'])

/** The path that a document's paths are below, no slash at its end. */
function baseOf(servers: unknown): string {
  const [first] = Array.isArray(servers) ? (servers as readonly unknown[]) : []
  const { url } = Object(first) as { readonly url?: unknown }
  if (typeof url !== 'string' || !URL.canParse(url, 'http://service.invalid')) return ''
  return new URL(url, 'http://service.invalid').pathname.replace(/\/$/, '')
}
