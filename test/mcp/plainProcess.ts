/** The tools as a process that gives them away. */

import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { createTools, noteIn } from './tools.ts'

await createTools(noteIn(process.argv[2]!)).connect(new StdioServerTransport())
