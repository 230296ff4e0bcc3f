import type { Fetch, PayingWallet } from '../client/index.ts'
import { readText } from '../client/remote.ts'
import { headerNames } from '../http/headers.ts'
import { toMembers } from '../http/members.ts'
import { isProblemReason, problemType } from '../http/problems.ts'

/** How another protocol over HTTP asks for a Lockstep payment, is paid, and answers. */
export interface Dialect<Asked> {
  /** What a response asks a Lockstep wallet for; `undefined` where it is no such `402`. */
  asked(response: Response): Asked | undefined
  /** The same out of a request of the protocol's own client, whose payment is left to be made. */
  ticket(headers: Headers): Asked | undefined
  /** Whether it can still be paid. */
  isGood(asked: Asked): boolean
  /** Its offer and its price as a problem document has them. */
  terms(asked: Asked): { readonly offer: unknown; readonly price: unknown }
  /** The header of a request that pays what was asked. */
  payment(asked: Asked, members: Readonly<Record<string, string>>): readonly [name: string, value: string]
  /** What the vendor says of the payment: its statement, and why it is refused. */
  answer(response: Response): { readonly statement?: string | undefined; readonly problem?: unknown }
}

/** A way over which a wallet reaches vendors that speak another protocol. */
export interface Line<Asked> {
  readonly fetch: Fetch
  /** Has the requests that bear this ticket pay what was asked. */
  issue(asked: Asked): { readonly ticket: string; revoke(): void }
}

/** Of a request between a protocol's own client and the wallet. It never leaves this process. */
const ticketHeader = 'Lockstep-Ticket'

/** Speaks Lockstep on one side, another protocol on the other. What knows neither passes as it is. */
export function createLine<Asked>(dialect: Dialect<Asked>, network: Fetch): Line<Asked> {
  const known = new Map<string, Asked>()
  const tickets = new Map<string, Asked>()
  let issued = 0

  function remember(key: string, asked: Asked): void {
    known.delete(key)
    known.set(key, asked)
    for (const oldest of known.keys()) {
      if (known.size <= knownMax) return
      known.delete(oldest)
    }
  }

  /** Sends a payment as the other protocol has it. One that its vendor has not looked at is sent again, as it was, for what it asks now. */
  async function pay(call: Call, asked: Asked): Promise<Response> {
    for (let current = asked, isLast = false; ; isLast = true) {
      const [name, value] = dialect.payment(current, call.members)
      const response = await network(call.input, { ...call.init, headers: plain(call.headers, [name, value]) })
      const { statement, problem } = dialect.answer(response)
      const fresh = dialect.asked(response)
      if (fresh !== undefined) remember(call.key, fresh)
      const isJudged = statement !== undefined || problem !== undefined || (await isOurs(response))
      if (isLast || isJudged || fresh === undefined) return translated(response, fresh)
      await response.body?.cancel()
      current = fresh
    }
  }

  /** As Lockstep has it. */
  async function translated(response: Response, asked: Asked | undefined): Promise<Response> {
    const { statement, problem } = dialect.answer(response)
    if (asked === undefined && statement === undefined) return response
    const headers = new Headers(response.headers)
    if (statement !== undefined) headers.set(headerNames.statement, statement)
    if (asked === undefined) return as(response, response.body, headers)
    headers.set('Content-Type', problemType)
    headers.delete('Content-Length')
    const said = problem ?? (await jsonIn(response))
    return as(response, JSON.stringify({ ...Object(said), ...dialect.terms(asked) }), headers)
  }

  return {
    async fetch(input, init) {
      const call = callOf(input, init)
      const isPaid = call.members.payment !== undefined
      const { ticket } = call
      const wanted = ticket === undefined ? known.get(call.key) : tickets.get(ticket)
      if (ticket !== undefined && wanted !== undefined && !isPaid) return asking(dialect.terms(wanted))
      if (isPaid && wanted !== undefined && dialect.isGood(wanted)) return pay(call, wanted)
      const isOver = isPaid && wanted !== undefined
      const headers = isOver ? plain(call.headers) : call.headers
      const response = await network(input, { ...init, headers })
      const asked = isLockstep(response) ? undefined : dialect.asked(response)
      if (asked === undefined) return response
      remember(call.key, asked)
      if (!isPaid) return translated(response, asked)
      await response.body?.cancel()
      return pay(call, asked)
    },
    issue(asked) {
      issued += 1
      const ticket = String(issued)
      tickets.set(ticket, asked)
      return { ticket, revoke: () => void tickets.delete(ticket) }
    },
  }
}

/** What a protocol's own client pays through. */
export interface Payer {
  /** For the client to fetch with: the wallet pays for those requests of its that bear an empty payment. */
  readonly fetch: typeof globalThis.fetch
  /** Throws where the client does not fetch with it, and says how it would. */
  assertFetching(how: string): void
}

/** Has a wallet make the payments of a protocol's own client, where their requests are sent. */
export function createPayer<Asked>(
  wallet: Pick<PayingWallet, 'fetch' | 'connect'>,
  dialect: Dialect<Asked>,
  network: Fetch,
): Payer {
  const line = createLine(dialect, network)
  const origins = new Set<string>()
  let isFetching = false
  return {
    async fetch(given, init) {
      isFetching = true
      const input = given instanceof URL ? given.href : given
      const headers = headersOf(input, init)
      const asked = dialect.ticket(headers)
      if (asked === undefined) return network(input, init)
      const { origin } = new URL(addressOf(input))
      if (!origins.has(origin)) wallet.connect(origin, line.fetch)
      origins.add(origin)
      const { ticket, revoke } = line.issue(asked)
      headers.delete(dialect.payment(asked, {})[0])
      headers.set(ticketHeader, ticket)
      try {
        return await wallet.fetch(input, { ...init, headers })
      } finally {
        revoke()
      }
    },
    assertFetching(how) {
      if (isFetching) return
      throw new Error(
        `a Lockstep payment names the request that it is for: fetch through the wallet, as in ${how}. Nothing was paid`,
      )
    },
  }
}

interface Call {
  readonly input: Parameters<Fetch>[0]
  readonly init: RequestInit | undefined
  readonly headers: Headers
  readonly members: Readonly<Record<string, string>>
  readonly ticket: string | undefined
  /** Method and address without its query: what one price is for. */
  readonly key: string
}

const knownMax = 1_000

/** The most characters that are read of what a vendor says. */
const toldMax = 131_072

function callOf(input: Call['input'], init: RequestInit | undefined): Call {
  const headers = headersOf(input, init)
  const ticket = headers.get(ticketHeader) ?? undefined
  headers.delete(ticketHeader)
  const { origin, pathname } = new URL(addressOf(input))
  const method = init?.method ?? (typeof input === 'string' ? 'GET' : input.method)
  return { input, init, headers, members: toMembers(headers), ticket, key: `${method} ${origin}${pathname}` }
}

function headersOf(input: Call['input'], init: RequestInit | undefined): Headers {
  return new Headers(init?.headers ?? (typeof input === 'string' ? undefined : input.headers))
}

/** Some servers put a Request of their own in the place of the runtime's: what is no string is one of either. */
function addressOf(input: Call['input']): string {
  return typeof input === 'string' ? input : input.url
}

/** Headers without the protocol's own, and with one more. */
function plain(headers: Headers, more?: readonly [name: string, value: string]): Headers {
  const others = new Headers(headers)
  for (const name of Object.values(headerNames)) others.delete(name)
  if (more !== undefined) others.set(...more)
  return others
}

function as(response: Response, body: BodyInit | null, headers: Headers): Response {
  const { status, statusText, url, redirected } = response
  const made = new Response([204, 205, 304].includes(status) ? null : body, { status, statusText, headers })
  return Object.defineProperties(made, { url: { value: url }, redirected: { value: redirected } })
}

/** A `402` that was asked for before. */
function asking(terms: object): Response {
  return Response.json(terms, { status: 402, headers: { 'Content-Type': problemType } })
}

/** Whether a response says itself how it is paid by Lockstep: then nothing is to be translated. */
function isLockstep({ headers }: Response): boolean {
  return /(?:^|,)\s*Lockstep(?:\s|$)/i.test(headers.get('WWW-Authenticate') ?? '')
}

/** Whether a problem is the vendor's own: it has judged the payment. */
async function isOurs(response: Response): Promise<boolean> {
  const { reason } = Object(await jsonIn(response)) as { readonly reason?: unknown }
  return typeof reason === 'string' && isProblemReason(reason)
}

async function jsonIn(response: Response): Promise<unknown> {
  if (!response.headers.get('Content-Type')?.includes('json')) return undefined
  try {
    return JSON.parse(await readText(response.clone(), toldMax))
  } catch {
    // Whoever asked reads it, and finds what is wrong with it.
    return undefined
  }
}
