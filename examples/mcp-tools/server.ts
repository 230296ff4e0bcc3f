/** An MCP server over stdio. Its tools are as they were before they cost anything: the transport has the prices. */

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { paidTransport } from 'lockstep/mcp'
import { paywall } from 'lockstep/vendor'
import { z } from 'zod'

const [bank = 'http://127.0.0.1:4021', folder = '.'] = process.argv.slice(2)

const server = new McpServer({ name: 'almanac', version: '1.0.0' })
const date = { year: z.number().int(), month: z.number().int().min(1).max(12), day: z.number().int().min(1).max(31) }

server.registerTool('weekday', { description: 'The day of the week of a date', inputSchema: date }, (asked) => {
  const names = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
  return say(names[new Date(Date.UTC(asked.year, asked.month - 1, asked.day)).getUTCDay()]!)
})
server.registerTool('moon', { description: 'The phase of the moon on a date', inputSchema: date }, (asked) => {
  const phases = ['new moon', 'waxing crescent', 'first quarter', 'waxing gibbous']
  const later = ['full moon', 'waning gibbous', 'last quarter', 'waning crescent']
  // Days since a new moon, in months of 29.53 days.
  const days = (Date.UTC(asked.year, asked.month - 1, asked.day) - Date.UTC(2000, 0, 6, 18)) / 86_400_000
  const turn = (((days / 29.530588) % 1) + 1) % 1
  return say([...phases, ...later][Math.round(turn * 8) % 8]!)
})
server.registerTool('about', { description: 'What this is' }, () => say('An almanac. The moon costs 0.002 USD.'))

const pay = await paywall({ bank, asset: 'USD', store: `sqlite:${folder}/tools.db` })
// A tool that fails costs nothing; what has no price is free.
const prices = { weekday: '0.0005', moon: '0.002' }
await server.connect(paidTransport(new StdioServerTransport(), { pay, prices }))

function say(text: string): { content: [{ type: 'text'; text: string }] } {
  return { content: [{ type: 'text', text }] }
}
