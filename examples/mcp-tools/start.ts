/** An MCP client whose calls are paid for, and which knows nothing of it: the transport pays, within the wallet's budget. */

import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { wallet } from 'lockstep/client'
import { payingTransport } from 'lockstep/mcp'
import { openTown } from '../town.ts'

await using town = await openTown()
const { bank, folder } = town

const w = await wallet({
  bank,
  store: `${folder}/wallet.db`,
  budget: { request: '0.01', day: '1' },
  onPayment: ({ url, charged }) => console.log(`  paid ${charged} USD for ${url.split('/').at(-1)}`),
})
await town.fund(w.account)

const program = [...process.execArgv, join(import.meta.dirname, 'server.ts'), bank, folder]
const client = new Client({ name: 'reader', version: '1.0.0' })
await client.connect(payingTransport(new StdioClientTransport({ command: process.execPath, args: program }), w))

for (const { name, description, _meta } of (await client.listTools()).tools)
  console.log(`${name}: ${description}`, _meta?.['lockstep/price'] ?? 'free')

const date = { year: 1969, month: 7, day: 20 }
for (const name of ['about', 'weekday', 'moon']) {
  const { content } = await client.callTool({ name, arguments: name === 'about' ? {} : date })
  console.log(`${name} →`, (content as readonly { readonly text: string }[])[0]?.text)
}
const failed = await client.callTool({ name: 'weekday', arguments: { ...date, month: 13 } })
console.log('weekday of a 13th month →', failed.isError ? 'an error' : failed.content)

console.log(`paid today: ${w.paidToday()} USD`)
await w.close()
await client.close()
