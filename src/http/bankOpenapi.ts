import { type BankOperation, bankOperations, pathParameters } from './bankOperations.ts'
import { bankProblemOf, type ProblemReason, problemType } from './problems.ts'
import type { JsonSchema } from './schema.ts'

/** What any request to a bank can meet. */
const always = [
  'NotFound',
  'MethodNotAllowed',
  'BodyTooLarge',
  'HeaderTooLarge',
  'RequestTimeout',
  'StoreUnavailable',
  'Internal',
] as const

/** The bank's HTTP interface as an OpenAPI 3.1 document, made of what its server serves. */
export function bankOpenapi(): JsonSchema {
  const operations = Object.entries(bankOperations)
  const paths: Record<string, unknown> = {}
  const schemas: Record<string, unknown> = { Problem: problem }
  for (const [name, operation] of operations) {
    const { answered } = operation
    paths[operation.path] = { [operation.method.toLowerCase()]: operationOf(name, operation) }
    if ('shape' in answered) schemas[answered.name] = answered.shape.schema
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'A Lockstep bank',
      version: '1',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'What is sent are the bytes that were signed: their formats are in wire.md. Amounts and times are decimal strings, bytes are lower-case hex.',
    },
    paths,
    components: {
      schemas,
      securitySchemes: {
        account: {
          type: 'http',
          scheme: 'Lockstep',
          description: 'Signed by the account, valid for at most 300 seconds: http.md.',
        },
      },
    },
  }
}

function operationOf(name: string, operation: BankOperation): JsonSchema {
  const { summary, sent, isPrivate, path, query = [] } = operation
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, parameter = '']) => pathParameter(parameter)),
    ...query.map((parameter) => queryParameters[parameter]),
  ]
  return {
    operationId: name,
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(sent && {
      requestBody: {
        required: true,
        description: sent.what,
        content: {
          'application/octet-stream': { schema: { type: 'string', minLength: sent.sizeMin, maxLength: sent.sizeMax } },
        },
      },
    }),
    ...(isPrivate && { security: [{ account: [] }] }),
    responses: { 200: success(operation), ...refusals([...operation.refusals, ...always]) },
  }
}

function success({ answered }: BankOperation): JsonSchema {
  if ('shape' in answered) {
    return {
      description: answered.name,
      content: { 'application/json': { schema: { $ref: `#/components/schemas/${answered.name}` } } },
    }
  }
  const { what, size } = answered
  const [type, schema] = what.startsWith('OpenAPI')
    ? ['application/json', { type: 'object' }]
    : ['application/octet-stream', { type: 'string', ...(size && { minLength: size, maxLength: size }) }]
  return { description: what, content: { [type]: { schema } } }
}

/** Reasons by the status that they are answered with. */
function refusals(reasons: readonly ProblemReason[]): JsonSchema {
  const byStatus = new Map<number, ProblemReason[]>()
  for (const reason of reasons) {
    const { status } = bankProblemOf({ reason, detail: '' })
    byStatus.set(status, [...(byStatus.get(status) ?? []), reason])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, found]) => [
      status,
      {
        description: found.map((reason) => bankProblemOf({ reason, detail: '' }).title).join('; '),
        content: {
          [problemType]: {
            schema: {
              allOf: [
                { $ref: '#/components/schemas/Problem' },
                { properties: { reason: { enum: found }, status: { const: status } } },
              ],
            },
          },
        },
      },
    ]),
  )
}

const problem: JsonSchema = {
  type: 'object',
  description: 'A problem document, RFC 9457.',
  properties: {
    type: { type: 'string', pattern: '^urn:lockstep:problem:[A-Za-z]+$' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What was wrong this time.' },
    reason: { type: 'string', description: 'One of a closed set.' },
    remedy: { type: 'string', description: 'What to do about it.' },
  },
  required: ['type', 'title', 'status', 'detail', 'reason', 'remedy'],
}

function pathParameter(name: string): JsonSchema {
  const { pattern, what } = pathParameters[name]!
  return { name, in: 'path', required: true, description: what, schema: { type: 'string', pattern: `^${pattern}$` } }
}

const queryParameters: Readonly<Record<'before' | 'limit' | 'role', JsonSchema>> = {
  before: {
    name: 'before',
    in: 'query',
    description: '`next` of the page before.',
    schema: { type: 'string', maxLength: 200 },
  },
  limit: {
    name: 'limit',
    in: 'query',
    description: 'How many at most; 50 unless said otherwise.',
    schema: { type: 'integer', minimum: 1, maximum: 100 },
  },
  role: {
    name: 'role',
    in: 'query',
    description: 'Channels that the account opened, or those that pay it.',
    schema: { enum: ['client', 'vendor'] },
  },
}
