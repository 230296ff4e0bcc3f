import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseSource } from '../../tidy/source.ts'
import { mutants } from './catalogue.ts'
import { mutate } from './Mutant.ts'

const root = join(import.meta.dirname, '../../..')

test('has forty faults and more, each with a name of its own', () => {
  expect(mutants.length).toBeGreaterThanOrEqual(40)
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
})

test.each(mutants)('$name is still in the source, once, and leaves a program', (mutant) => {
  const mutated = mutate(readFileSync(join(root, mutant.file), 'utf8'), mutant)
  expect(() => parseSource(mutant.file, mutated)).not.toThrow()
})
