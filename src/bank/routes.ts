import type { IncomingMessage } from 'node:http'
import * as RecordProof from '../chain/RecordProof.ts'
import {
  type BankOperation,
  bankOpenapi,
  bankOperations,
  closingLeftBody,
  encodeBankOffer,
  encodeChannelStatus,
  encodeCommandAnswer,
  encodeRecordAnswer,
  encodeSettlement,
  fraudBody,
  headBody,
  type OperationName,
  proofsBody,
  releaseLeftBody,
} from '../http/bank.ts'
import { pathParameters } from '../http/bankOperations.ts'
import { assessVersion } from '../http/headers.ts'
import type { Refusal } from '../protocol/index.ts'
import { amount } from '../wire/amount.ts'
import { balance, channels, journal, reputation } from './accountRoutes.ts'
import { type Answer, type Asked, idOf, json, nothing, octets, problem } from './answer.ts'
import { assessAsker } from './asker.ts'
import { readBody } from './body.ts'
import { unknownChannel } from './deps.ts'
import type { Bank, Sender } from './service.ts'

type Handler = (bank: Bank, asked: Asked) => Promise<Answer>

interface Route {
  readonly operation: BankOperation
  readonly path: RegExp
  readonly handler: Handler
}

const handlers: Readonly<Record<OperationName, Handler>> = {
  offer: async (bank) => json(offerOf(bank)),
  openapi: async () => json(openapi),
  open: command(async (bank, { body, sender }) => {
    const result = await bank.open(body, sender)
    return result.ok ? octets(result.opened) : problem(result)
  }),
  close: command(async (bank, { body, sender }) => {
    const result = await bank.close(body, sender)
    return result.ok ? json(encodeSettlement(result)) : problem(result)
  }),
  command: command(async (bank, { body, sender }) => {
    const result = await bank.command(body, sender)
    return result.ok ? json(encodeCommandAnswer(result.answer)) : problem(result)
  }),
  closing: command(async (bank, { body, sender }) => {
    const result = await bank.leaveClosing(body, sender)
    return result.ok ? json(closingLeftBody.encode(result)) : problem(result)
  }),
  release: command(async (bank, { body, sender }) => {
    const result = await bank.leaveRelease(body, sender)
    return result.ok ? json(releaseLeftBody.encode(result)) : problem(result)
  }),
  overcharge: command(async (bank, { body, sender }) => {
    const result = await bank.overcharge(body, sender)
    return result.ok ? json(fraudBody.encode(result)) : problem(result)
  }),
  evidence: command(async (bank, { body, sender }) => {
    const result = await bank.evidence(body, sender)
    return result.ok ? json(fraudBody.encode(result)) : problem(result)
  }),
  async channel(bank, asked) {
    const channelId = idOf(asked, 'channelId')
    const found = await bank.status(channelId)
    return found === undefined ? problem(unknownChannel(channelId)) : json(encodeChannelStatus(found))
  },
  async proofs(bank, asked) {
    const channelId = idOf(asked, 'channelId')
    const proofs = (await bank.proofs(channelId)).slice(0, proofsMax)
    if (proofs.length === 0 && (await bank.status(channelId)) === undefined) return problem(unknownChannel(channelId))
    const listed = proofs.map(({ amount: difference, ...proof }) => ({ ...proof, difference: amount(difference) }))
    return json(proofsBody.encode({ channelId, proofs: listed }))
  },
  async proof(bank, asked) {
    const found = await bank.proofEvidence(idOf(asked, 'channelId'), idOf(asked, 'reference'))
    return found === undefined ? nothing('this bank has no such proof') : octets(found)
  },
  balance,
  journal,
  channels,
  reputation,
  record,
  head,
}

const proofsMax = 100
const openapi = JSON.stringify(bankOpenapi())

const routes: readonly Route[] = (Object.keys(handlers) as OperationName[]).map((name) => {
  const operation = bankOperations[name]
  const pattern = operation.path.replaceAll(/\{(\w+)\}/g, (_, parameter: string) => {
    return `(?<${parameter}>${pathParameters[parameter]!.pattern})`
  })
  return { operation, path: new RegExp(`^${pattern}$`), handler: handlers[name] }
})

/** Finds what was asked for, reads no more of it than that takes, and answers. */
export async function answer(bank: Bank, request: IncomingMessage, sender: Sender): Promise<Answer> {
  if (request.headers.host === undefined && request.httpVersion === '1.1') {
    return problem({ reason: 'Malformed', detail: 'a request of HTTP/1.1 names its host' })
  }
  const [path = '', query = ''] = (request.url ?? '').split('?', 2)
  const here = routes.filter((route) => route.path.test(path))
  if (here.length === 0) return nothing(`nothing is at ${path.slice(0, 200)}`)
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = here.find(({ operation }) => operation.method === method)
  if (method === 'OPTIONS') return preflight
  if (route === undefined) {
    const allow = here.map(({ operation }) => (operation.method === 'GET' ? 'GET, HEAD' : operation.method)).join(', ')
    const refused = problem({ reason: 'MethodNotAllowed', detail: `${request.method} is not for ${path}` })
    return { ...refused, headers: { Allow: allow } }
  }
  const bodyMax = route.operation.sent?.sizeMax ?? 0
  const body = await readBody(request, bodyMax)
  if (body === undefined) return problem({ reason: 'BodyTooLarge', detail: `a body here has at most ${bodyMax} bytes` })
  const asked = { body, path: route.path.exec(path)?.groups ?? {}, query: new URLSearchParams(query), sender }
  if (route.operation.isPrivate !== true) return route.handler(bank, asked)
  const stranger = assessAsker(bank, idOf(asked, 'account'), request.headers.authorization)
  if (stranger === undefined) return route.handler(bank, asked)
  const refused = problem(stranger)
  return refused.status === 401 ? { ...refused, headers: { 'WWW-Authenticate': 'Lockstep' } } : refused
}

/** What a browser asks before it sends a command or a signed question. It may remember the answer for a day. */
const preflight: Answer = {
  status: 204,
  type: 'text/plain',
  body: '',
  headers: {
    'Access-Control-Allow-Methods': 'GET, HEAD, POST',
    'Access-Control-Allow-Headers': 'Authorization, Content-Type',
    'Access-Control-Max-Age': '86400',
  },
}

/** Another version has other sizes: it is told apart from bytes that are wrong in this one. */
function command(handler: Handler): Handler {
  return async (bank, asked) => {
    const { body } = asked
    const refused: Refusal | undefined = body.length === 0 ? undefined : assessVersion(body)
    return refused === undefined ? handler(bank, asked) : problem(refused)
  }
}

async function record(bank: Bank, asked: Asked): Promise<Answer> {
  const channelId = idOf(asked, 'channelId')
  const found = await bank.proof(channelId)
  if (found !== undefined) {
    return json(encodeRecordAnswer({ record: found.record, proof: RecordProof.encode(found.proof) }))
  }
  const channel = await bank.status(channelId)
  if (channel === undefined) return problem(unknownChannel(channelId))
  const why = {
    open: 'the channel is open',
    closed: 'the record is queued for the next batch',
    expired: 'a channel that expired settled nothing',
  }[channel.status]
  return nothing(`nothing is on the chain: ${why}`)
}

async function head(bank: Bank, { path }: Asked): Promise<Answer> {
  const { number = 'latest' } = path
  const found = await bank.batch(number === 'latest' ? undefined : Number(number))
  if (found === undefined) return nothing(`no batch ${number} is on the chain`)
  const { batch, head: signed, headSignature: signature } = found
  return json(headBody.encode({ number: batch.number, head: signed, signature }))
}

function offerOf(bank: Bank): string {
  const { key, rules, limits, commandRules: commands, chain } = bank
  return encodeBankOffer({ version: 1, bank: key, rules, limits, commands, chain, now: bank.now() })
}
