import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseHistory } from './shrink.ts'
import { replay } from './simulate.ts'

const folder = new URL('histories/', import.meta.url)

// Each is what was left of a failure. A history says nothing once the steps of a simulation mean something else: it stays as
// long as it brings its world to the place that its name tells of.
describe('every guarantee holds where', () => {
  for (const name of readdirSync(folder).toSorted()) {
    test(basename(name, '.jsonl').replaceAll('-', ' '), async () => {
      const { violation } = await replay(parseHistory(readFileSync(new URL(name, folder), 'utf8')))
      expect(violation).toBeUndefined()
    })
  }
})
