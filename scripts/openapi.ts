/** Writes the bank's HTTP interface as an OpenAPI document, for whoever reads it without the code. */

import { writeFileSync } from 'node:fs'
import { bankOpenapi } from '../src/http/bank.ts'

const path = new URL('../docs/reference/bank.openapi.json', import.meta.url)
writeFileSync(path, `${JSON.stringify(bankOpenapi(), null, 2)}\n`)
