import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { errorDetails, jsonLogger, type LogLevel } from '../../src/ops/log/logger.ts'
import { StoreError } from '../../src/sql/storeError.ts'

function logged(level: LogLevel, use: (logger: ReturnType<typeof jsonLogger>) => void): readonly unknown[] {
  const lines: string[] = []
  use(jsonLogger({ level, now: () => new Date(0), write: (line) => lines.push(line) }))
  for (const line of lines) expect(line).toMatch(/^\{.*\}\n$/)
  return lines.map((line) => JSON.parse(line) as unknown)
}

describe('a log', () => {
  test('has one JSON line an event, with level, time and name', () => {
    expect(logged('info', (logger) => logger.info('opened', { funds: 5n, asset: 'USD/6' }))).toEqual([
      { level: 'info', time: '1970-01-01T00:00:00.000Z', event: 'opened', funds: '5', asset: 'USD/6' },
    ])
  })

  test('holds nothing below its level', () => {
    const events = logged('warn', (logger) => {
      logger.debug('a')
      logger.info('b')
      logger.warn('c')
      logger.error('d')
    })
    expect(events).toMatchObject([{ event: 'c' }, { event: 'd' }])
  })

  test('leaves out what a secret or a payer could be, however deep', () => {
    const secret = new Uint8Array(32).fill(0x5f)
    const [line] = logged('info', (logger) =>
      logger.info('x', {
        secretKey: 'a',
        account: 'b',
        nested: { payer: 'c', channelSeed: 'd', bytes: secret },
        bytes: secret,
      }),
    )
    expect(line).toMatchObject({
      secretKey: '[left out]',
      account: '[left out]',
      nested: { payer: '[left out]', channelSeed: '[left out]', bytes: '[32 bytes]' },
      bytes: '[32 bytes]',
    })
  })

  test.skipIf(!existsSync('/dev/full'))('on a full disk loses its lines, and stops nothing', async () => {
    const program = `
      const { openLogger } = await import(${JSON.stringify(new URL('../../src/ops/log/pino.ts', import.meta.url).href)})
      const logger = await openLogger('info')
      for (let line = 0; line < 20; line++) {
        logger.info('opened', { line })
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      await logger.flush()
      console.log('done')`
    const run = `exec "$0" --no-warnings --input-type=module --eval "$1" 2>/dev/full`
    const { stdout } = await promisify(execFile)('sh', ['-c', run, process.execPath, program], { timeout: 60_000 })
    expect(stdout).toBe('done\n')
  })

  test('tells an error with what is wrong and what caused it', () => {
    const error = new StoreError('the disk is full', { cause: new Error('SQLITE_FULL'), fault: 'full' })
    expect(errorDetails(error)).toMatchObject({
      error: 'the disk is full',
      kind: 'StoreError',
      fault: 'full',
      causes: ['Error: SQLITE_FULL'],
      stack: undefined,
    })
    expect(errorDetails(error, { withStack: true }).stack).toContain('StoreError')
    expect(errorDetails('a text')).toEqual({ error: 'a text' })
  })
})
