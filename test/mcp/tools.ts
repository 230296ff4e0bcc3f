/** An MCP server as anybody writes one: it knows nothing of payments. */

import { appendFileSync } from 'node:fs'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { z } from 'zod'
import type { ToolPrices } from '../../src/mcp/index.ts'

/** In USD. `story` says itself what it costs; `time` is free. */
export const prices: ToolPrices = {
  forecast: '0.001',
  fail: '0.001',
  throw: '0.001',
  slow: '0.001',
  story: { max: '0.01' },
}

/** Every run of a tool is noted. */
export function createTools(note: (run: string) => void): McpServer {
  const server = new McpServer({ name: 'weather', version: '1.0.0' })
  const city = { city: z.string(), days: z.number().default(1) }
  server.registerTool('forecast', { description: 'The weather to come', inputSchema: city }, (place) => {
    note(`forecast ${place.city} ${place.days}`)
    return { content: [{ type: 'text', text: `rain in ${place.city}` }] }
  })
  server.registerTool('time', { description: 'What time it is' }, () => {
    note('time')
    return { content: [{ type: 'text', text: 'noon' }] }
  })
  server.registerTool('fail', { description: 'Fails, and says so' }, () => {
    note('fail')
    return { isError: true, content: [{ type: 'text', text: 'no luck' }] }
  })
  server.registerTool('throw', { description: 'Fails' }, () => {
    note('throw')
    throw new Error('a fault')
  })
  server.registerTool('slow', { description: 'Reports its progress, and stops when told' }, async (extra) => {
    note('slow')
    const progressToken = extra._meta?.progressToken
    for (let progress = 1; progress <= 3 && progressToken !== undefined; progress++) {
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: 3 } })
    }
    if (progressToken === undefined) await new Promise((resolve) => extra.signal.addEventListener('abort', resolve))
    return { content: [{ type: 'text', text: 'done' }] }
  })
  server.registerTool(
    'story',
    { description: 'Costs as much as it is long', inputSchema: { words: z.number() } },
    ({ words }) => {
      note(`story ${words}`)
      const charge = `0.${String(words * 10).padStart(6, '0')}`
      return { content: [{ type: 'text', text: 'word '.repeat(words) }], _meta: { 'lockstep/charge': charge } }
    },
  )
  return server
}

export function noteIn(path: string): (run: string) => void {
  return (run) => appendFileSync(path, `${run}\n`)
}
