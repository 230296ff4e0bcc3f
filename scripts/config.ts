/** Writes `docs/reference/config.md` and the JSON Schema beside it from the fields that the program reads: `node scripts/config.ts`. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configReference, jsonSchema } from '../src/ops/config/index.ts'

/** What this script writes, by path under `docs/reference`. */
export function configDocuments(): Readonly<Record<string, string>> {
  return {
    'config.md': configReference(),
    'config.schema.json': `${JSON.stringify(jsonSchema(), null, 2)}\n`,
  }
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(configDocuments())) {
    writeFileSync(join(import.meta.dirname, '../docs/reference', name), text)
  }
}
