import type { Metric, Registry } from 'prom-client'
import type { Family, HistogramFamily, ValueFamily } from './families.ts'

/** What a scrape gets. */
export interface Exposition {
  readonly type: string
  text(): Promise<string>
}

/**
 * Families as `prom-client` prints them, with its own metrics of the process: event loop, heap, garbage, descriptors.
 * `undefined` where that optional peer is not installed.
 */
export async function openExposition(families: readonly Family[]): Promise<Exposition | undefined> {
  const client = await loadClient()
  if (client === undefined) return undefined
  const registry = new client.Registry()
  client.collectDefaultMetrics({ register: registry })
  for (const family of families) {
    if (family.type === 'histogram') registerHistogram(registry, family)
    else registerValues(client, registry, family)
  }
  return { type: registry.contentType, text: () => registry.metrics() }
}

type Client = typeof import('prom-client')

function registerValues(client: Client, registry: Registry, { name, help, type, label, collect }: ValueFamily): void {
  const options = { name, help, labelNames: label === undefined ? [] : [label], registers: [registry] }
  const metric =
    type === 'counter'
      ? new client.Counter({ ...options, collect: () => read() })
      : new client.Gauge({ ...options, collect: () => read() })
  const read = async (): Promise<void> => {
    const values = await collect()
    metric.reset()
    // A metric without labels has a value at once, which may be one that nobody has measured.
    if (label === undefined) metric.remove()
    for (const [value, amount] of values) {
      if (label === undefined) metric.inc(amount)
      else metric.inc({ [label]: value }, amount)
    }
  }
}

/** The counts are made elsewhere already: prom-client's own histogram would count each observation again. */
function registerHistogram(registry: Registry, { name, help, histogram }: HistogramFamily): void {
  const get = async (): Promise<unknown> => {
    const { bounds, counts, sum } = histogram
    let total = 0
    const buckets = counts.map((count, at) => {
      total += count
      return { metricName: `${name}_bucket`, labels: { le: at < bounds.length ? bounds[at]! : '+Inf' }, value: total }
    })
    const values = [
      ...buckets,
      { metricName: `${name}_sum`, labels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, value: total },
    ]
    return { name, help, type: 'histogram', aggregator: 'sum', values }
  }
  registry.registerMetric({ name, help, get } as unknown as Metric)
}

async function loadClient(): Promise<Client | undefined> {
  try {
    return await import('prom-client')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}
