import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PaidRoute, StreamRoute } from '../../vendor/index.ts'
import { ConfigError, type RouteConfig, type VendorConfig } from '../config/index.ts'

/** What a vendor sells. */
export interface Goods {
  readonly routes: readonly PaidRoute[]
  readonly streams: readonly StreamRoute[]
}

/** The routes of a config: its files and echoes, and what its module exports. Throws {@link ConfigError}. */
export async function goodsOf({ routes, module }: VendorConfig, configPath: string): Promise<Goods> {
  const configured = routes.map((route, index) => routeOf(route, `${configPath}: vendor.routes[${index}]`))
  if (module === undefined) return { routes: configured, streams: [] }
  const added = await fromModule(module, `${configPath}: vendor.module`)
  return { routes: [...configured, ...added.routes], streams: added.streams }
}

function routeOf({ method, path, price, file, contentType }: RouteConfig, at: string): PaidRoute {
  // Neither does anything that a second run would do twice.
  const common = { method, path, price, idempotent: true }
  if (file === undefined) {
    return {
      ...common,
      handler: async (request) => new Response(await request.arrayBuffer(), typed(request.headers.get('Content-Type'))),
    }
  }
  if (!existsSync(file)) throw new ConfigError([`${at}.file: expected a file, found nothing at ${file}`])
  const type = contentType ?? mediaTypes[extname(file).toLowerCase()] ?? 'application/octet-stream'
  return { ...common, handler: async () => new Response(await readFile(file), typed(type)) }
}

function typed(type: string | null): ResponseInit {
  return type === null ? {} : { headers: { 'Content-Type': type } }
}

const mediaTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.xml': 'application/xml',
}

async function fromModule(path: string, at: string): Promise<Goods> {
  let exported: Readonly<Record<string, unknown>>
  try {
    exported = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>
  } catch (error) {
    throw new ConfigError([`${at}: expected a module that can be loaded: ${firstLine(error)}`], error)
  }
  const { routes = [], streams = [] } = exported
  if (routes === exported.routes || streams === exported.streams) {
    assertAll(routes, `${at}: routes: expected a list of {method, path, price, handler}`, isRoute)
    assertAll(streams, `${at}: streams: expected a list of {path, price, source}`, isStream)
    return { routes: routes as readonly PaidRoute[], streams: streams as readonly StreamRoute[] }
  }
  throw new ConfigError([`${at}: expected a module that exports routes or streams, found neither in ${path}`])
}

function assertAll(value: unknown, expected: string, fits: (each: Readonly<Record<string, unknown>>) => boolean): void {
  const isFine = Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null && fits(each))
  if (!isFine) throw new ConfigError([`${expected}, price a bigint`])
}

function isRoute({ method, path, price, handler }: Readonly<Record<string, unknown>>): boolean {
  return typeof method === 'string' && isPath(path) && isPrice(price) && typeof handler === 'function'
}

function isStream({ path, price, source }: Readonly<Record<string, unknown>>): boolean {
  return isPath(path) && isPrice(price) && typeof source === 'function'
}

function isPath(path: unknown): boolean {
  return typeof path === 'string' && path.startsWith('/')
}

function isPrice(price: unknown): boolean {
  return typeof price === 'bigint' && price >= 0n
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
}
