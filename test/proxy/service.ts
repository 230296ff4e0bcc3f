/** A service that knows nothing of payments, written with Express: a weather report, an OpenAI-compatible model, WebSockets, and trouble. */

import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Response } from 'express'
import { WebSocketServer } from 'ws'

export interface Service {
  readonly url: string
  /** What it was asked, the last at the end. */
  readonly asked: Asked[]
  /** Answers that were given up before they ended. */
  readonly left: () => number
  /** Its own counts of tokens, one for each answer. */
  readonly used: { readonly prompt: number; readonly completion: number }[]
  close(): Promise<void>
}

interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
}

interface Question {
  readonly stream?: boolean
  readonly stream_options?: { readonly include_usage?: boolean }
  readonly messages?: readonly { readonly content: string }[]
  readonly prompt?: string
  readonly input?: string
  /** Words of the answer. */
  readonly max_tokens?: number
  /** Pieces of a stream after which nothing comes any more. */
  readonly stalls_after?: number
}

export async function openService(): Promise<Service> {
  const asked: Asked[] = []
  let left = 0
  const used: { readonly prompt: number; readonly completion: number }[] = []
  const app = express()
  app.use(express.json(), (request, response, next) => {
    asked.push({
      method: request.method,
      url: request.originalUrl,
      headers: request.headers,
      body: request.body as unknown,
    })
    response.once('close', () => {
      if (!response.writableFinished) left += 1
    })
    next()
  })
  app.get('/weather/:city', (request, response) => {
    response.setHeader('Set-Cookie', ['a=1', 'b=2'])
    response.setHeader('Lockstep-Statement', 'forged')
    response.json({ city: request.params.city, sky: 'blue' })
  })
  app.get('/v0/openapi.json', (_, response) => {
    const get = { responses: { '200': { description: 'it' } } }
    const place = { name: 'place', in: 'path', required: true, schema: { type: 'string' } }
    const steps = { name: 'count', in: 'path', required: true, schema: { type: 'integer' } }
    response.json({
      openapi: '3.1.0',
      info: { title: 'Weather', version: '7' },
      servers: [{ url: 'http://weather.internal:8000/' }],
      paths: {
        '/Weather/{place}': { parameters: [place], get },
        '/health': { get },
        '/v1/chat/completions': { post: get },
        '/ticks/{count}': { parameters: [steps], get },
      },
    })
  })
  app.get('/health', (_, response) => void response.send('well'))
  app.get('/moved', (request, response) => response.redirect(`http://${request.headers.host}/health`))
  app.get('/broken', (_, response) => void response.status(503).json({ error: 'overloaded' }))
  app.get('/never', () => undefined)
  app.get('/cut', (_, response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('half')
    setTimeout(() => response.destroy(), 20)
  })
  app.get('/long/:pieces', (request, response) => {
    response.setHeader('Content-Type', 'application/octet-stream')
    const write = (count: number): void => {
      if (count === 0 || response.destroyed) return void response.end()
      if (response.write(Buffer.alloc(10_000, 'x'))) setImmediate(write, count - 1)
      else response.once('drain', () => write(count - 1))
    }
    write(Number(request.params.pieces))
  })

  const words = (count: number): string[] => Array.from({ length: count }, (_, at) => `word${at} `)
  const usageOf = (question: Question, completion: number): { prompt: number; completion: number } => {
    const text = question.messages?.map(({ content }) => content).join(' ') ?? question.prompt ?? question.input ?? ''
    const usage = { prompt: text.split(' ').length, completion }
    used.push(usage)
    return usage
  }
  const stream = async (response: Response, pieces: readonly unknown[], stallsAfter = pieces.length): Promise<void> => {
    response.setHeader('Content-Type', 'text/event-stream')
    response.write(': hello\n\n')
    for (const piece of pieces.slice(0, stallsAfter)) {
      if (response.destroyed) return
      if (response.write(`data: ${JSON.stringify(piece)}\n\n`)) continue
      await Promise.race([once(response, 'drain'), once(response, 'close')])
    }
    if (stallsAfter === pieces.length) response.end('data: [DONE]\n\n')
  }
  app.post(['/v1/chat/completions', '/v1/completions', '/silent/chat/completions'], async (request, response) => {
    const question = request.body as Question
    const isChat = question.messages !== undefined
    const reply = words(question.max_tokens ?? 5)
    const { prompt, completion } = usageOf(question, reply.length)
    const isSilent = request.path.startsWith('/silent')
    const usage = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
    if (question.stream !== true) {
      const said = reply.join('')
      const choice = isChat ? { message: { role: 'assistant', content: said } } : { text: said }
      return void response.json({ choices: [choice], ...(!isSilent && { usage }) })
    }
    const asksUsage = question.stream_options?.include_usage === true && !isSilent
    const pieces = reply.map((word) => ({ choices: [isChat ? { delta: { content: word } } : { text: word }] }))
    const first = isChat ? [{ choices: [{ delta: { role: 'assistant', content: '' } }] }] : []
    const last = asksUsage ? [{ choices: [], usage }] : []
    const stop = { choices: [{ delta: {}, finish_reason: 'stop' }] }
    await stream(response, [...first, ...pieces, stop, ...last], question.stalls_after)
  })
  app.post('/v1/responses', async (request, response) => {
    const question = request.body as Question
    const reply = words(question.max_tokens ?? 5)
    const { prompt, completion } = usageOf(question, reply.length)
    const usage = { input_tokens: prompt, output_tokens: completion }
    if (question.stream !== true) return void response.json({ output: reply, usage })
    const pieces = reply.map((delta) => ({ type: 'response.output_text.delta', delta }))
    await stream(response, [...pieces, { type: 'response.completed', response: { usage } }])
  })

  const server = await new Promise<Server>((resolve) => {
    const starting = app.listen(0, '127.0.0.1', () => resolve(starting))
  })
  const sockets = new WebSocketServer({
    server,
    verifyClient: ({ req }: { req: IncomingMessage }) => /^\/(?:ticks|echo)\b/.test(req.url!),
  })
  sockets.on('connection', (socket, { url = '/', method = 'GET', headers }) => {
    asked.push({ method, url, headers, body: undefined })
    socket.once('close', () => {
      left += 1
    })
    const [, count] = /^\/ticks\/(\d+)$/.exec(url) ?? []
    for (let tick = 0; tick < Number(count); tick++) socket.send(`tick ${tick}`)
    // An endless one says nothing more, and stays.
    if (url.startsWith('/ticks') && Number(count) < 1000) socket.close()
    socket.on('message', (said, isBinary) => socket.send(said, { binary: isBinary }))
  })
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    await closed
  }
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, asked, left: () => left, used, close }
}
