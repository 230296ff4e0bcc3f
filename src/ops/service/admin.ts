/**
 * Orders of the operator to a service that runs, over a Unix socket that its owner alone can open. So there is one process that
 * writes, with one clock and one log, and no port that another user of the machine could reach.
 */

import { existsSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'

/** Does what is asked and gives what is answered, both JSON. Throws {@link AdminRefused} for what the caller can mend. */
export type AdminAction = (input: Readonly<Record<string, unknown>>) => Promise<unknown>

export interface AdminServer {
  close(): Promise<void>
}

/** Listens on `path`. Throws {@link AdminSocketError} where another process does. */
export async function serveAdmin(path: string, actions: Readonly<Record<string, AdminAction>>): Promise<AdminServer> {
  assertShort(path)
  if (existsSync(path)) {
    if (await isAnswering(path)) {
      throw new AdminSocketError(
        `${path} is answered by a process that runs: stop that one, or name another adminSocket`,
      )
    }
    // Left by one that was killed.
    rmSync(path)
  }
  const server = createServer({ requestTimeout: 10_000 }, (incoming, outgoing) => {
    answer(actions, incoming).then(
      ({ status, body }) => send(outgoing, status, body),
      (error: unknown) => send(outgoing, 500, { error: error instanceof Error ? error.message : String(error) }),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new AdminSocketError(`cannot listen on ${path}: does its folder exist, and may this user write there?`, {
          cause,
        }),
      ),
    )
    // The mode has to be right from the first moment on.
    const mask = process.umask(0o177)
    server.listen(path, resolve)
    process.umask(mask)
  })
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}

/** Asks the service that listens on `path`. Throws {@link AdminRefused} with what it says, or that none is there. */
export function askAdmin(path: string, action: string, input: Readonly<Record<string, unknown>>): Promise<unknown> {
  assertShort(path)
  const body = JSON.stringify(input)
  return new Promise((resolve, reject) => {
    const asking = request(
      {
        socketPath: path,
        path: `/${action}`,
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
      },
      (response) => {
        readAll(response, answerMax).then((text) => {
          const answered = parseAnswer(text)
          if (response.statusCode === 200) resolve(answered)
          else reject(new AdminRefused((answered as { readonly error?: string } | undefined)?.error ?? text))
        }, reject)
      },
    )
    asking.once('error', (cause: NodeJS.ErrnoException) => reject(unreachable(path, cause)))
    asking.end(body)
  })
}

/** Whether a service listens there. */
export function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

const inputMax = 65_536
const answerMax = 16_777_216

interface Answer {
  readonly status: number
  readonly body: unknown
}

async function answer(actions: Readonly<Record<string, AdminAction>>, incoming: IncomingMessage): Promise<Answer> {
  const name = incoming.url?.slice(1) ?? ''
  const body = await readAll(incoming, inputMax)
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined
  if (incoming.method !== 'POST' || action === undefined) {
    return {
      status: 404,
      body: { error: `this service knows no ${name}; it knows ${Object.keys(actions).join(', ')}` },
    }
  }
  const input = parseAnswer(body)
  if (typeof input !== 'object' || input === null) return { status: 400, body: { error: 'an object was expected' } }
  try {
    return { status: 200, body: await action(input as Readonly<Record<string, unknown>>) }
  } catch (error) {
    if (error instanceof AdminRefused) return { status: 400, body: { error: error.message } }
    throw error
  }
}

function send(outgoing: ServerResponse, status: number, body: unknown): void {
  const text =
    JSON.stringify(body, (_name, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)) ?? 'null'
  outgoing.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
  outgoing.end(text)
}

async function readAll(stream: AsyncIterable<unknown>, sizeMax: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    size += (chunk as Buffer).length
    if (size > sizeMax) throw new AdminRefused(`more than ${sizeMax} bytes`)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What is no JSON is answered as such by whoever looks at it.
    return undefined
  }
}

/** What the system allows a socket's path to have, on Linux; a few more than on macOS. */
function assertShort(path: string): void {
  const size = Buffer.byteLength(path)
  if (size > 103)
    throw new AdminSocketError(
      `${path}: a socket’s path has at most 103 bytes, this one ${size}: set adminSocket to a shorter one`,
    )
}

function unreachable(path: string, cause: NodeJS.ErrnoException): AdminRefused {
  const what =
    cause.code === 'EACCES'
      ? 'this user may not open it: ask as the user that the service runs as'
      : 'no service listens there: start it, or name the config that it runs with'
  return new AdminRefused(`${path}: ${what}`, { cause })
}

/** The service refused, or could not be asked. Nothing was done. */
export class AdminRefused extends Error {
  override readonly name: string = 'AdminRefused'
}

/** The socket cannot be had. The message says what to do. */
class AdminSocketError extends Error {
  override readonly name: string = 'AdminSocketError'
}
