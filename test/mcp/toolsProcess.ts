/** The tools as a process that sells them over its standard streams. */

import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { paidTransport } from '../../src/mcp/index.ts'
import { paywall } from '../../src/vendor/index.ts'
import { createTools, noteIn, prices } from './tools.ts'

const [, , bank = '', store = '', notes = ''] = process.argv
const pay = await paywall({ bank, asset: 'USD', store })
const server = createTools(noteIn(notes))
server.server.onclose = () => void pay.close()
await server.connect(paidTransport(new StdioServerTransport(), { pay, prices }))
