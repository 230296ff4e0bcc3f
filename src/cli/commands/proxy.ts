import { type Command, exitCodes, type Output, parseOptions, UsageError, wholeOption } from '../command.ts'
import { sayingWhatIsWrong } from '../service/config.ts'

export const proxy: Command = {
  name: 'proxy',
  summary: 'put any HTTP service behind payment without touching it',
  help: `usage: lockstep proxy --upstream URL --bank URL --store STORE --otherwise PRICE
       lockstep proxy --config FILE [--upstream URL] …

Stands before a service, which stays as it is: requests reach it once they are paid. What it answers with a status from 400 on, or
does not answer, is passed on and not charged. Every option can be in FILE, which has the routes besides; an option counts more.

  --config FILE       JSON, as below
  --upstream URL      the service behind
  --bank URL          where payments are settled
  --asset NAME        an asset of the bank; USD if not said
  --store STORE       sqlite:PATH or postgres://…, for the vendor's state; its key is made beside a file
  --host HOST         where it listens; 127.0.0.1 if not said
  --port PORT         8080 if not said, 0 takes a free one
  --public-url URL    where clients reach it, if that is elsewhere
  --otherwise PRICE   what no route fits: a price, free, or refuse, which it is if not said
  --json              one line once it listens: {"url", "upstream", "vendor", "asset"}

FILE, for a model that is compatible with OpenAI's and something else:
  {
    "upstream": "https://api.openai.com", "bank": "https://bank.example", "store": "sqlite:./proxy.db",
    "authorization": { "env": "OPENAI_API_KEY" },
    "routes": [
      { "match": "GET /v1/models", "price": "free" },
      { "match": "POST /v1/chat/completions",
        "price": { "prompt": "0.15", "completion": "0.60", "per": 1000000, "max": "0.05" } },
      { "match": "GET /weather/:city", "price": "0.001" },
      { "match": "GET /ticker", "price": { "message": "0.0001" } }
    ]
  }

Tokens are those of "usage" in the answer, streamed or not. The price of {"message"} or {"second"} is for what a WebSocket of the
service sends. Also in FILE: "key", "openapi", "trustProxy", "timeoutSeconds", "bodySizeMax".

examples:
  lockstep proxy --upstream http://127.0.0.1:8000 --bank https://bank.example --store sqlite:./proxy.db --otherwise 0.001
  lockstep proxy --config proxy.json --port 443 --public-url https://api.example
  lockstep pay http://127.0.0.1:8080/weather/graz --bank https://bank.example`,
  async run(args, output) {
    const { values } = parseOptions(args, options)
    const [{ authorizationOf, readProxyConfig }, { paywall }, lockstep] = await Promise.all([
      import('../proxy/config.ts'),
      import('../../vendor/index.ts'),
      import('../../proxy/index.ts'),
    ])
    const file = sayingWhatIsWrong(() => readProxyConfig(values.config))
    const authorization = sayingWhatIsWrong(() => authorizationOf(file.authorization, process.env))
    const { upstream = file.upstream, bank = file.bank, store = file.store, asset = file.asset ?? 'USD' } = values
    const { otherwise = file.otherwise, host = file.host, 'public-url': publicUrl = file.publicUrl } = values
    const port = values.port === undefined ? (file.port ?? 8080) : wholeOption('port', values.port, 0, 65_535)
    if (upstream === undefined) throw missing('upstream', 'the address of the service behind')
    if (bank === undefined) throw missing('bank', 'the address of a bank')
    if (store === undefined) throw missing('store', 'sqlite:PATH, for what the vendor has to remember')
    if (file.routes.length === 0 && otherwise === undefined) {
      throw new UsageError('nothing has a price: name routes in --config FILE, or say --otherwise PRICE')
    }
    const { routes, key, trustProxy, bodySizeMax, timeoutSeconds, openapi } = file
    const say = (message: string): void => output.say(`lockstep: ${message}`)
    const onError = (error: unknown): void => say(error instanceof Error ? error.message : String(error))
    const reached = { ...(publicUrl !== undefined && { publicUrl }), ...(trustProxy !== undefined && { trustProxy }) }
    const pay = await paywall({
      bank,
      asset,
      store,
      onError,
      logger: { info: say, warn: say, error: say },
      ...reached,
      ...(key !== undefined && { key }),
      ...(bodySizeMax !== undefined && { bodySizeMax }),
    })
    try {
      const opened = lockstep.proxy({
        pay,
        upstream,
        routes,
        onError,
        ...reached,
        ...(otherwise !== undefined && { otherwise }),
        ...(openapi !== undefined && { openapi }),
        ...(authorization !== undefined && { authorization }),
        ...(timeoutSeconds !== undefined && { timeoutMs: timeoutSeconds * 1000 }),
      })
      const { url } = await opened.listen({ port, ...(host !== undefined && { host }) })
      tell(output, values.json, { url, upstream, vendor: pay.vendor, asset: pay.asset })
      await ended()
      await opened.close()
    } finally {
      await pay.close()
    }
    return exitCodes.done
  },
}

const options = {
  config: { type: 'string' },
  upstream: { type: 'string' },
  bank: { type: 'string' },
  asset: { type: 'string' },
  store: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'public-url': { type: 'string' },
  otherwise: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

function missing(option: string, what: string): UsageError {
  return new UsageError(`--${option} is missing: ${what}`)
}

function tell(output: Output, isJson: boolean, opened: Readonly<Record<string, string>>): void {
  if (isJson) output.out(JSON.stringify(opened))
  else output.out(`selling ${opened.upstream} at ${opened.url} as vendor ${opened.vendor}`)
}

function ended(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
}
